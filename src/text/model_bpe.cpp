// SPDX-License-Identifier: Apache-2.0
// BPE with a priority queue over a linked list of symbols, so that long words are not quadratic.
#include "text/model_bpe.h"

#include <algorithm>
#include <queue>

#include "support/error.h"
#include "text/component.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr int32_t kNone = -1;

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// A symbol of the word being merged; neighbours are positions in the word.
struct Symbol {
  int32_t id;
  int32_t previous;
  int32_t next;
  bool alive;
};

// A merge that was possible when it was queued.
struct Candidate {
  int32_t rank;
  int32_t position;                               // of the left symbol
  int32_t id;                                     // of the result
  bool operator<(const Candidate& other) const {  // std::priority_queue pops the largest
    return rank != other.rank ? rank > other.rank : position > other.position;
  }
};

// The name of a byte in byte-fallback vocabularies, e.g. <0x0A>.
std::string byte_token(char byte) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const auto value = static_cast<unsigned char>(byte);
  return {'<', '0', 'x', kHex[value >> 4], kHex[value & 15], '>'};
}

[[noreturn]] void invalid(std::string_view what, const std::string& problem) {
  throw Error(ErrorCode::kInvalidFile,
              str("[tokenizer] ", what, ": ", problem, "; download the file again"));
}

}  // namespace

BpeModel::BpeModel(TokenizerFile& file, std::string_view what) {
  read_vocab(file, what);
  read_options(json_member(file.root, "model", what), what);
  read_merges(file, what);
}

void BpeModel::read_vocab(const TokenizerFile& file, std::string_view what) {
  ids_.reserve(file.vocab.size());
  tokens_.reserve(file.vocab.size());
  for (const auto& [token, raw_id] : file.vocab) {
    const int32_t id = checked_token_id(raw_id, token, what);
    const auto [entry, is_new] = ids_.emplace(token, id);
    if (!is_new) invalid(what, str("the vocabulary holds the token '", token, "' twice"));
    const auto [owner, is_free] = tokens_.emplace(id, entry->first);
    if (!is_free) {
      invalid(what,
              str("the tokens '", owner->second, "' and '", token, "' both have the id ", id));
    }
    id_limit_ = std::max(id_limit_, id + 1);
  }
}

void BpeModel::read_options(const Json& model, std::string_view what) {
  if (json_get_or<double>(model, "dropout", 0.0, what) != 0.0) {
    throw Error(ErrorCode::kUnsupported, str("[tokenizer] ", what,
                                             ": BPE dropout makes the tokens random; "
                                             "set model.dropout to null"));
  }
  fuse_unknown_ = json_get_or<bool>(model, "fuse_unk", false, what);
  byte_fallback_ = json_get_or<bool>(model, "byte_fallback", false, what);
  ignore_merges_ = json_get_or<bool>(model, "ignore_merges", false, what);
  continuing_prefix_ = json_get_or<std::string>(model, "continuing_subword_prefix", "", what);
  word_suffix_ = json_get_or<std::string>(model, "end_of_word_suffix", "", what);
  const Json& unknown = json_member(model, "unk_token", what);
  if (unknown.is_null()) return;
  const auto token = json_get<std::string>(model, "unk_token", what);
  unknown_id_ = token_to_id(token);
  if (!unknown_id_) invalid(what, str("the unknown token '", token, "' is not in the vocabulary"));
}

int32_t BpeModel::merged_token(std::string_view token, size_t rank, std::string_view what) const {
  const auto id = token_to_id(token);
  if (!id)
    invalid(what,
            str("merge ", rank, " needs the token '", token, "', which is not in the vocabulary"));
  return *id;
}

void BpeModel::read_merges(const TokenizerFile& file, std::string_view what) {
  merges_.reserve(file.merges.size());
  for (size_t rank = 0; rank < file.merges.size(); ++rank) {
    const auto& [left, right] = file.merges[rank];
    const int32_t left_id = merged_token(left, rank, what);
    const int32_t right_id = merged_token(right, rank, what);
    if (right.size() < continuing_prefix_.size()) {
      invalid(what, str("the right side of merge ", rank, ", '", right,
                        "', is shorter than the prefix '", continuing_prefix_, "'"));
    }
    const int32_t id = merged_token(left + right.substr(continuing_prefix_.size()), rank, what);
    const int32_t priority =
        file.merge_ranks.empty() ? static_cast<int32_t>(rank) : file.merge_ranks.at(rank);
    merges_.insert_or_assign(pair_key(left_id, right_id), Merge{priority, id});
  }
}

const BpeModel::Merge* BpeModel::find_merge(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

std::optional<int32_t> BpeModel::token_to_id(std::string_view token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> BpeModel::id_to_token(int32_t id) const {
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return std::nullopt;
  return found->second;
}

void BpeModel::encode(std::string_view piece, std::vector<int32_t>& ids) const {
  if (piece.empty()) return;
  if (ignore_merges_) {
    if (const auto id = token_to_id(piece)) {
      ids.push_back(*id);
      return;
    }
  }
  merge_all(initial_symbols(piece), ids);
}

bool BpeModel::append_byte_tokens(std::string_view character, std::vector<int32_t>& ids) const {
  const size_t before = ids.size();
  for (const char byte : character) {
    const auto id = token_to_id(byte_token(byte));
    if (!id) {
      ids.resize(before);
      return false;
    }
    ids.push_back(*id);
  }
  return true;
}

// One token per character where there is one; else its bytes; else the unknown token, fused over a
// run when the file says so. An unknown run is written only before the next known character: byte
// tokens in between come first. That is how the reference implementation orders them.
std::vector<int32_t> BpeModel::initial_symbols(std::string_view piece) const {
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  bool unknown_pending = false;
  std::string character;
  for (size_t at = 0; at < piece.size();) {
    const size_t begin = at;
    (void)next_code_point(piece, at);
    character.assign(begin > 0 ? continuing_prefix_ : std::string());
    character += piece.substr(begin, at - begin);
    if (at == piece.size()) character += word_suffix_;
    if (const auto id = token_to_id(character)) {
      if (unknown_pending) symbols.push_back(*unknown_id_);
      unknown_pending = false;
      symbols.push_back(*id);
      continue;
    }
    if (byte_fallback_ && append_byte_tokens(character, symbols)) continue;
    if (!unknown_id_) continue;
    if (unknown_pending && !fuse_unknown_) symbols.push_back(*unknown_id_);
    unknown_pending = true;
  }
  if (unknown_pending) symbols.push_back(*unknown_id_);
  return symbols;
}

void BpeModel::merge_all(const std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const {
  const auto count = static_cast<int32_t>(symbols.size());
  std::vector<Symbol> word;
  word.reserve(symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    word.push_back({symbols[static_cast<size_t>(i)], i - 1, i + 1 < count ? i + 1 : kNone, true});
  }
  const auto symbol = [&](int32_t position) -> Symbol& {
    return word[static_cast<size_t>(position)];
  };

  std::priority_queue<Candidate> queue;
  const auto propose = [&](int32_t left) {
    if (left == kNone || symbol(left).next == kNone) return;
    const Merge* merge = find_merge(symbol(left).id, symbol(symbol(left).next).id);
    if (merge != nullptr) queue.push({merge->rank, left, merge->id});
  };
  for (int32_t i = 0; i + 1 < count; ++i) propose(i);

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.position);
    if (!left.alive || left.next == kNone) continue;
    Symbol& right = symbol(left.next);
    const Merge* merge = find_merge(left.id, right.id);
    if (merge == nullptr || merge->id != best.id) continue;  // a neighbour merged since
    left.id = best.id;
    left.next = right.next;
    right.alive = false;
    if (left.next != kNone) symbol(left.next).previous = best.position;
    propose(left.previous);
    propose(best.position);
  }
  for (const Symbol& remaining : word) {
    if (remaining.alive) ids.push_back(remaining.id);
  }
}

}  // namespace partita::text
