// SPDX-License-Identifier: Apache-2.0
// An event handler for the JSON parser that fills TokenizerFile in one pass.
#include "text/tokenizer_file.h"

#include <algorithm>

#include "support/error.h"

namespace partita::text {
namespace {

constexpr size_t kMaxDepth = 256;
constexpr size_t kMaxKeys =
    10000;  // per object outside of the vocabulary; looking up a key is linear

// "a b" -> {a, b}. A token of a merge never holds a space.
std::pair<std::string, std::string> split_merge(const std::string& line,
                                                size_t index,
                                                std::string_view what) {
  if (std::count(line.begin(), line.end(), ' ') != 1) {
    throw Error(ErrorCode::kInvalidFile, str("[tokenizer] ", what, ": merge ", index, " is '", line,
                                             "'; expected two tokens with one space between them"));
  }
  const size_t space = line.find(' ');
  return {line.substr(0, space), line.substr(space + 1)};
}

class Reader : public Json::json_sax_t {
 public:
  explicit Reader(std::string_view what) : what_(what) {}

  TokenizerFile take() { return std::move(file_); }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_float(double value, const std::string&) override { return scalar(value); }
  bool binary(Json::binary_t&) override { return false; }

  bool number_integer(int64_t value) override {
    if (mode_ != Mode::kVocab) return scalar(value);
    file_.vocab.emplace_back(std::move(key_), value);
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (mode_ != Mode::kVocab) return scalar(value);
    // Larger values wrap to negative ones, which no vocabulary accepts either.
    return number_integer(static_cast<int64_t>(value));
  }

  bool string(std::string& value) override {
    switch (mode_) {
      case Mode::kMerges:
        // Early files keep the header line of merges.txt.
        if (!value.starts_with("#version")) {
          file_.merges.push_back(split_merge(value, file_.merges.size(), what_));
        }
        return true;
      case Mode::kMergePair:
        pair_.push_back(std::move(value));
        return true;
      case Mode::kTree:
      case Mode::kVocab:
      case Mode::kSkip:
        return scalar(std::move(value));
    }
    return false;
  }

  bool key(std::string& value) override {
    key_ = std::move(value);
    if (mode_ != Mode::kTree) return true;
    if (stack_.back()->contains(key_)) fail(str("the key '", key_, "' occurs twice in one object"));
    if (stack_.back()->size() >= kMaxKeys) fail(str("an object has more than ", kMaxKeys, " keys"));
    return true;
  }

  bool start_object(size_t) override {
    enter();
    if (mode_ == Mode::kSkip) return true;
    if (mode_ == Mode::kTree && is_model_member("vocab")) {
      claim(file_.has_vocab);
      mode_ = Mode::kVocab;
      return true;
    }
    open(Json::object());
    return true;
  }

  bool end_object() override { return close(); }

  bool start_array(size_t) override {
    enter();
    if (mode_ == Mode::kSkip) return true;
    if (mode_ == Mode::kMerges) {
      mode_ = Mode::kMergePair;
      pair_.clear();
    } else if (mode_ == Mode::kTree && is_model_member("vocab")) {
      claim(file_.has_vocab);
      file_.vocab_is_list = true;
      mode_ = Mode::kSkip;
      skip_depth_ = depth_;
    } else if (mode_ == Mode::kTree && is_model_member("merges")) {
      claim(file_.has_merges);
      mode_ = Mode::kMerges;
    } else {
      open(Json::array());
    }
    return true;
  }

  bool end_array() override {
    if (mode_ != Mode::kMergePair) return close();
    if (pair_.size() != 2) {
      fail(str("merge ", file_.merges.size(), " has ", pair_.size(), " tokens; expected 2"));
    }
    file_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    mode_ = Mode::kMerges;
    --depth_;
    return true;
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) override {
    fail(str("not valid JSON: ", error.what()));
  }

 private:
  enum class Mode {
    kTree,       // builds file_.root
    kVocab,      // in model.vocab, an object
    kMerges,     // in model.merges
    kMergePair,  // in a merge that is an array
    kSkip,       // in a vocabulary of another model type
  };

  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what_, ": ", problem, "; download the file again"));
  }

  void enter() {
    if (++depth_ > kMaxDepth) fail(str("nested deeper than ", kMaxDepth, " levels"));
  }

  void claim(bool& has) {
    if (has) fail(str("the key '", key_, "' occurs twice in one object"));
    has = true;
  }

  [[nodiscard]] bool is_model_member(std::string_view name) const {
    return stack_.size() == 2 && in_model_ && key_ == name;
  }

  bool scalar(Json value) {
    if (mode_ == Mode::kSkip) return true;
    if (mode_ == Mode::kVocab) fail(str("the id of the token '", key_, "' is not an integer"));
    if (mode_ != Mode::kTree)
      fail(str("merge ", file_.merges.size(), " is not a string or pair of strings"));
    place(std::move(value));
    return true;
  }

  Json* place(Json value) {
    if (stack_.empty()) {
      file_.root = std::move(value);
      return &file_.root;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &*parent.emplace(key_, std::move(value)).first;
  }

  void open(Json container) {
    if (mode_ != Mode::kTree) (void)scalar(nullptr);  // throws
    if (stack_.size() == 1)
      in_model_ = stack_.back()->is_object() && key_ == "model" && container.is_object();
    stack_.push_back(place(std::move(container)));
  }

  bool close() {
    const bool was_tree = mode_ == Mode::kTree;
    if (mode_ != Mode::kSkip || depth_ == skip_depth_) mode_ = Mode::kTree;
    if (was_tree) stack_.pop_back();
    --depth_;
    return true;
  }

  std::string_view what_;
  TokenizerFile file_;
  Mode mode_ = Mode::kTree;
  std::vector<Json*> stack_;  // the open containers of file_.root; only the last one grows
  std::string key_;
  std::vector<std::string> pair_;
  bool in_model_ = false;
  size_t depth_ = 0;
  size_t skip_depth_ = 0;
};

}  // namespace

TokenizerFile parse_tokenizer_file(std::string_view text, std::string_view what) {
  Reader reader(what);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": not valid JSON; download the file again"));
  }
  return reader.take();
}

}  // namespace partita::text
