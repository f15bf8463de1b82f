// SPDX-License-Identifier: Apache-2.0
// Builds the parts of tokenizer.json that do what a GGUF vocabulary means.
#include "text/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <unordered_map>

#include "support/error.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/tokenizer_file.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
// Pieces by score are looked at in every cut; published ones stay below 100 bytes.
constexpr size_t kMaxScoredBytes = 1024;

class Builder {
 public:
  Builder(const GgufVocabulary& vocabulary, std::string_view what)
      : vocabulary_(vocabulary), what_(what) {
    file_.root = Json::object();
  }

  TokenizerFile build() {
    check_lists();
    add_vocabulary();
    if (vocabulary_.model == "gpt2") {
      build_byte_level();
    } else if (vocabulary_.model == "llama") {
      build_scored();
    } else {
      throw Error(ErrorCode::kUnsupported,
                  str("[tokenizer] ", what_, ": tokenizer.ggml.model is \"",
                      vocabulary_.model.substr(0, 80), "\"; partita knows gpt2 and llama"));
    }
    file_.root["added_tokens"] = added_tokens();
    file_.has_vocab = file_.has_merges = true;
    return std::move(file_);
  }

 private:
  [[noreturn]] void invalid(const std::string& problem) const {
    throw Error(ErrorCode::kInvalidFile, str("[tokenizer] ", what_, ": ", problem));
  }

  void check_length(std::string_view name, size_t length) const {
    if (length == vocabulary_.tokens.size()) return;
    invalid(str("tokenizer.ggml.", name, " has ", length, " entries; expected one per token, ",
                vocabulary_.tokens.size()));
  }

  void check_lists() const {
    if (vocabulary_.tokens.empty()) invalid("tokenizer.ggml.tokens is empty");
    if (!vocabulary_.types.empty()) check_length("token_type", vocabulary_.types.size());
    if (vocabulary_.model == "llama") check_length("scores", vocabulary_.scores.size());
    for (size_t id = 0; id < vocabulary_.types.size(); ++id) {
      const int64_t type = vocabulary_.types[id];
      if (type < 1 || type > 6) {
        invalid(str("tokenizer.ggml.token_type of token ", id, " is ", type, "; expected 1 .. 6"));
      }
    }
  }

  [[nodiscard]] GgufTokenType type_of(size_t id) const {
    return vocabulary_.types.empty() ? GgufTokenType::kNormal
                                     : static_cast<GgufTokenType>(vocabulary_.types[id]);
  }

  // A token of the file as the id that a key names.
  const std::string& token(int64_t id, std::string_view key) const {
    if (id < 0 || id >= static_cast<int64_t>(vocabulary_.tokens.size())) {
      invalid(str("tokenizer.ggml.", key, " is ", id, "; expected 0 .. ",
                  vocabulary_.tokens.size() - 1));
    }
    return vocabulary_.tokens[static_cast<size_t>(id)];
  }

  void add_vocabulary() {
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      // Text is valid UTF-8 by now, so that other tokens would never be met.
      file_.vocab.emplace_back(replace_invalid_utf8(vocabulary_.tokens[id]),
                               static_cast<int64_t>(id));
    }
  }

  Json added_tokens() const {
    Json added = Json::array();
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      const GgufTokenType type = type_of(id);
      const bool is_special = type == GgufTokenType::kControl || type == GgufTokenType::kUnknown;
      if ((!is_special && type != GgufTokenType::kUserDefined) || vocabulary_.tokens[id].empty())
        continue;
      added.push_back({{"id", id},
                       {"content", file_.vocab[id].first},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", is_special}});
    }
    return added;
  }

  // Ids at the ends of every text.
  void add_template(bool adds_bos) {
    Json single = Json::array();
    Json table = Json::object();
    const auto add = [&](const char* name, const std::optional<int64_t>& id, const char* key) {
      if (!id) invalid(str("tokenizer.ggml.", key, " is missing; the tokenizer adds this token"));
      (void)token(*id, key);
      single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
      table[name] = {{"id", name}, {"ids", Json::array({*id})}, {"tokens", Json::array({name})}};
    };
    if (vocabulary_.add_bos.value_or(adds_bos)) add("bos", vocabulary_.bos, "bos_token_id");
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    if (vocabulary_.add_eos.value_or(false)) add("eos", vocabulary_.eos, "eos_token_id");
    if (table.empty()) return;
    file_.root["post_processor"] = {
        {"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", table}};
  }

  void build_byte_level() {
    const GgufPreTokenizer pre = gguf_pre_tokenizer(vocabulary_.pre, what_);
    Json steps = Json::array();
    for (const std::string_view expression : pre.expressions) {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", expression}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
    steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
    if (pre.composes) file_.root["normalizer"] = {{"type", "NFC"}};
    file_.root["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    file_.root["decoder"] = {{"type", "ByteLevel"}};
    file_.root["model"] = {{"type", "BPE"}, {"ignore_merges", pre.whole_pieces}};
    for (size_t i = 0; i < vocabulary_.merges.size(); ++i) add_merge(i);
    add_template(pre.adds_bos);
  }

  // "left right": a space is no part of a token of bytes.
  void add_merge(size_t number) {
    const std::string& merge = vocabulary_.merges[number];
    if (std::count(merge.begin(), merge.end(), ' ') != 1) {
      invalid(str("tokenizer.ggml.merges ", number, " is \"", merge.substr(0, 80),
                  "\"; expected two tokens with one space between them"));
    }
    const size_t space = merge.find(' ');
    file_.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }

  void build_scored() {
    Json normalizers = Json::array();
    Json decoders = {{{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}},
                     {{"type", "ByteFallback"}},
                     {{"type", "Fuse"}}};
    if (vocabulary_.add_space_prefix) {
      normalizers.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
      decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    normalizers.push_back(
        {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}});
    file_.root["normalizer"] = {{"type", "Sequence"}, {"normalizers", normalizers}};
    file_.root["decoder"] = {{"type", "Sequence"}, {"decoders", decoders}};
    file_.root["model"] = {{"type", "BPE"}, {"fuse_unk", true}, {"byte_fallback", true}};
    if (const auto unknown = unknown_id()) {
      file_.root["model"]["unk_token"] = token(*unknown, "unknown_token_id");
    }
    add_scored_merges();
    add_template(true);
  }

  std::optional<int64_t> unknown_id() const {
    if (vocabulary_.unknown) return vocabulary_.unknown;
    for (size_t id = 0; id < vocabulary_.types.size(); ++id) {
      if (type_of(id) == GgufTokenType::kUnknown) return static_cast<int64_t>(id);
    }
    return std::nullopt;
  }

  // Two neighbours merge when together they are a token; the higher score goes first, and of equal
  // ones the left. As merges: every cut of every token, ranked by the score of the whole.
  void add_scored_merges() {
    std::unordered_map<std::string_view, size_t> ids;
    std::map<double, int32_t, std::greater<>> ranks;
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (!merges_into(id)) continue;
      ids.emplace(vocabulary_.tokens[id], id);
      ranks.emplace(checked_score(id), 0);
    }
    int32_t next = 0;
    for (auto& [score, rank] : ranks) rank = next++;
    for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
      if (!merges_into(id)) continue;
      const std::string_view whole = vocabulary_.tokens[id];
      for (size_t at = 0; at < whole.size();) {
        (void)next_code_point(whole, at);
        if (at >= whole.size()) break;
        const std::string_view left = whole.substr(0, at);
        const std::string_view right = whole.substr(at);
        if (!ids.contains(left) || !ids.contains(right)) continue;
        file_.merges.emplace_back(left, right);
        file_.merge_ranks.push_back(ranks.at(vocabulary_.scores[id]));
      }
    }
  }

  [[nodiscard]] bool merges_into(size_t id) const {
    const GgufTokenType type = type_of(id);
    if (type != GgufTokenType::kNormal && type != GgufTokenType::kUnused) return false;
    const std::string& whole = vocabulary_.tokens[id];
    if (whole.size() > kMaxScoredBytes) {
      invalid(
          str("token ", id, " has ", whole.size(), " bytes; expected at most ", kMaxScoredBytes));
    }
    return !whole.empty() && whole == file_.vocab[id].first;
  }

  [[nodiscard]] double checked_score(size_t id) const {
    const double score = vocabulary_.scores[id];
    if (!std::isfinite(score)) {
      invalid(str("tokenizer.ggml.scores of token ", id, " is no finite number"));
    }
    return score;
  }

  const GgufVocabulary& vocabulary_;
  std::string_view what_;
  TokenizerFile file_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_tokenizer(const GgufVocabulary& vocabulary,
                                                std::string_view what) {
  return Tokenizer::from_parts(Builder(vocabulary, what).build(), what);
}

}  // namespace partita::text
