// SPDX-License-Identifier: Apache-2.0
// Says in the words of GGUF what a tokenizer.json does, or refuses.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "support/error.h"
#include "text/component.h"
#include "text/gguf_pre_tokenizers.h"
#include "text/gguf_vocabulary.h"
#include "text/tokenizer_file.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

// What stands for "use_regex" of a ByteLevel pre-tokenizer, and for single digits.
constexpr std::string_view kByteLevelExpression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kOneDigit = R"(\p{N})";

class Exporter {
 public:
  Exporter(const TokenizerFile& file, int64_t token_count, std::string_view what)
      : file_(file), what_(what), model_(json_member(file.root, "model", what)) {
    result_.tokens.resize(static_cast<size_t>(token_count));
    result_.types.assign(result_.tokens.size(), static_cast<int64_t>(GgufTokenType::kUnused));
  }

  GgufVocabulary run() {
    if (!file_.has_vocab || !file_.has_merges || file_.vocab_is_list) {
      refuse("the model is no BPE");
    }
    add_tokens();
    if (json_get_or<bool>(model_, "byte_fallback", false, what_)) {
      export_scored();
    } else {
      export_byte_level();
    }
    export_template();
    name_unused();
    return std::move(result_);
  }

 private:
  [[noreturn]] void refuse(const std::string& problem) const {
    throw Error(ErrorCode::kUnsupported,
                str("[tokenizer] ", what_, ": ", problem, "; GGUF cannot express this tokenizer"));
  }

  void set(int64_t id, const std::string& token, GgufTokenType type) {
    if (id < 0 || id >= static_cast<int64_t>(result_.tokens.size())) {
      throw Error(ErrorCode::kInvalidFile,
                  str("[tokenizer] ", what_, ": token '", token, "' has the id ", id,
                      "; the model knows 0 .. ", result_.tokens.size() - 1));
    }
    result_.tokens[static_cast<size_t>(id)] = token;
    result_.types[static_cast<size_t>(id)] = static_cast<int64_t>(type);
    ids_[token] = id;
  }

  static bool is_byte_token(const std::string& token) {
    return token.size() == 6 && token.starts_with("<0x") && token.ends_with('>');
  }

  // GGUF's special tokens are found in the text as it is, and take nothing around them.
  void check_added(const Json& entry) const {
    const auto content = json_get<std::string>(entry, "content", what_);
    for (const char* option : {"lstrip", "rstrip", "single_word"}) {
      if (json_get_or<bool>(entry, option, false, what_)) {
        refuse(str("token '", content, "' has ", option));
      }
    }
    const bool has_bytes = json_get_or<bool>(model_, "byte_fallback", false, what_);
    const bool has_normalizer = !json_member(file_.root, "normalizer", what_).is_null();
    // Only NFC is exported beside byte-level merges, and it leaves ASCII alone.
    const bool may_change =
        has_normalizer && (has_bytes || std::ranges::any_of(content, [](char c) { return c < 0; }));
    if (may_change && json_get_or<bool>(entry, "normalized", false, what_)) {
      refuse(str("token '", content, "' is matched in normalized text"));
    }
  }

  void add_tokens() {
    const bool has_bytes = json_get_or<bool>(model_, "byte_fallback", false, what_);
    for (const auto& [token, id] : file_.vocab) {
      const bool is_byte = has_bytes && is_byte_token(token);
      set(id, token, is_byte ? GgufTokenType::kByte : GgufTokenType::kNormal);
    }
    const Json& added = json_member(file_.root, "added_tokens", what_);
    if (added.is_array()) {
      for (const Json& entry : added) {
        check_added(entry);
        const bool is_special = json_get_or<bool>(entry, "special", false, what_);
        set(json_token_id(entry, "id", what_), json_get<std::string>(entry, "content", what_),
            is_special ? GgufTokenType::kControl : GgufTokenType::kUserDefined);
      }
    }
    const Json& unknown = json_member(model_, "unk_token", what_);
    if (!unknown.is_string()) return;
    const auto found = ids_.find(unknown.get<std::string>());
    if (found == ids_.end()) refuse("its unknown token has no id");
    result_.unknown = found->second;
    set(found->second, found->first, GgufTokenType::kUnknown);
  }

  // Ids without token need a name of their own.
  void name_unused() {
    for (size_t id = 0; id < result_.tokens.size(); ++id) {
      if (result_.tokens[id].empty()) result_.tokens[id] = str("[PAD", id, "]");
    }
  }

  void export_byte_level() {
    result_.model = "gpt2";
    expressions_.clear();
    read_pre_tokenizer(json_member(file_.root, "pre_tokenizer", what_));
    if (!is_byte_level_) refuse("it has no ByteLevel pre-tokenizer");
    const Json& normalizer = json_member(file_.root, "normalizer", what_);
    const bool composes = !normalizer.is_null();
    if (composes && json_get<std::string>(normalizer, "type", what_) != "NFC") {
      refuse("its normalizer is not NFC");
    }
    const auto name = gguf_pre_tokenizer_name(
        {expressions_, composes, json_get_or<bool>(model_, "ignore_merges", false, what_)});
    if (!name) refuse("no name of tokenizer.ggml.pre stands for its pre-tokenizer");
    result_.pre = *name;
    for (const auto& [left, right] : file_.merges) result_.merges.push_back(left + " " + right);
  }

  void read_pre_tokenizer(const Json& json) {
    if (json.is_null()) return;
    const auto type = json_get<std::string>(json, "type", what_);
    if (type == "Sequence") {
      for (const Json& item : json_array(json, "pretokenizers", what_)) read_pre_tokenizer(item);
    } else if (type == "ByteLevel") {
      if (json_get_or<bool>(json, "add_prefix_space", true, what_)) {
        refuse("it puts a space before the text");
      }
      is_byte_level_ = true;
      if (json_get_or<bool>(json, "use_regex", true, what_)) {
        expressions_.emplace_back(kByteLevelExpression);
      }
    } else if (type == "Split" && json_get<std::string>(json, "behavior", what_) == "Isolated" &&
               !json_get_or<bool>(json, "invert", false, what_)) {
      expressions_.push_back(
          json_get<std::string>(json_member(json, "pattern", what_), "Regex", what_));
    } else if (type == "Digits" && json_get_or<bool>(json, "individual_digits", false, what_)) {
      expressions_.emplace_back(kOneDigit);
    } else {
      refuse(str("its pre-tokenizer ", type, " has no counterpart"));
    }
  }

  // Scores can say the order of merges only where every cut of a token is a merge, as in
  // vocabularies that come from SentencePiece.
  void export_scored() {
    result_.model = "llama";
    result_.scores.assign(result_.tokens.size(), 0);
    result_.add_space_prefix = puts_space_before();
    std::set<std::pair<std::string, std::string>> merges(file_.merges.begin(), file_.merges.end());
    std::set<std::string> made;
    for (size_t rank = 0; rank < file_.merges.size(); ++rank) {
      const std::string whole = file_.merges[rank].first + file_.merges[rank].second;
      const auto found = ids_.find(whole);
      if (found == ids_.end() || !made.insert(whole).second) continue;
      result_.scores[static_cast<size_t>(found->second)] = -static_cast<double>(rank) - 1;
      check_cuts(whole, merges);
    }
  }

  void check_cuts(const std::string& whole,
                  const std::set<std::pair<std::string, std::string>>& merges) const {
    for (size_t at = 0; at < whole.size();) {
      (void)next_code_point(whole, at);
      const std::string left = whole.substr(0, at);
      const std::string right = whole.substr(at);
      if (right.empty() || !ids_.contains(left) || !ids_.contains(right)) continue;
      if (merges.contains({left, right})) continue;
      refuse(str("token '", whole, "' has a cut that is no merge, so that scores cannot stand for ",
                 "the merges"));
    }
  }

  // A normalizer Prepend, or a Metaspace pre-tokenizer that prepends.
  [[nodiscard]] bool puts_space_before() const {
    const Json& pre = json_member(file_.root, "pre_tokenizer", what_);
    if (pre.is_object() && json_get<std::string>(pre, "type", what_) == "Metaspace") {
      return json_get_or<std::string>(pre, "prepend_scheme", "always", what_) != "never";
    }
    if (!pre.is_null()) refuse("its pre-tokenizer is not Metaspace");
    return json_member(file_.root, "normalizer", what_).dump().find("\"Prepend\"") !=
           std::string::npos;
  }

  // Special tokens of the template around the text.
  void export_template() {
    result_.add_bos = result_.add_eos = false;
    const Json* found = find_template(json_member(file_.root, "post_processor", what_));
    if (found == nullptr) return;
    bool before_text = true;
    for (const Json& item : json_array(*found, "single", what_)) {
      const Json& special = json_member(item, "SpecialToken", what_);
      if (special.is_null()) {
        before_text = false;
        continue;
      }
      const auto token = ids_.find(json_get<std::string>(special, "id", what_));
      auto& id = before_text ? result_.bos : result_.eos;
      if (token == ids_.end() || id) refuse("its template adds more than one token at an end");
      id = token->second;
      (before_text ? result_.add_bos : result_.add_eos) = true;
    }
  }

  const Json* find_template(const Json& json) const {
    if (json.is_null()) return nullptr;
    const auto type = json_get<std::string>(json, "type", what_);
    if (type == "TemplateProcessing") return &json;
    if (type != "Sequence") return nullptr;
    for (const Json& item : json_array(json, "processors", what_)) {
      if (const Json* found = find_template(item)) return found;
    }
    return nullptr;
  }

  const TokenizerFile& file_;
  std::string_view what_;
  const Json& model_;
  GgufVocabulary result_;
  std::unordered_map<std::string, int64_t> ids_;
  std::vector<std::string> expressions_;
  bool is_byte_level_ = false;
};

}  // namespace

GgufVocabulary gguf_vocabulary_of(std::string_view json_text,
                                  int64_t token_count,
                                  std::string_view what) {
  const TokenizerFile file = parse_tokenizer_file(json_text, what);
  return Exporter(file, token_count, what).run();
}

}  // namespace partita::text
