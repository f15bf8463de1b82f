// SPDX-License-Identifier: Apache-2.0
#include "planner/iopddl_form.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "support/error.h"

namespace partita::planner {
namespace {

enum class KeyKind { kObject, kText, kNumber, kRows };
struct Key {
  std::string_view path;
  KeyKind kind;
};
constexpr std::array<Key, 10> kKeys = {{
    {"problem", KeyKind::kObject},
    {"problem.name", KeyKind::kText},
    {"problem.usage_limit", KeyKind::kNumber},
    {"problem.nodes", KeyKind::kObject},
    {"problem.nodes.intervals", KeyKind::kRows},
    {"problem.nodes.costs", KeyKind::kRows},
    {"problem.nodes.usages", KeyKind::kRows},
    {"problem.edges", KeyKind::kObject},
    {"problem.edges.nodes", KeyKind::kRows},
    {"problem.edges.costs", KeyKind::kRows},
}};

// Receives the events of the JSON parser and keeps the numbers; large files never become a tree of
// JSON values. Everything that is not in kKeys is refused where it stands.
class FormReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit FormReader(std::string_view what) : what_(what) {}

  IopddlForm take() {
    for (const Key& key : kKeys) {
      const bool is_optional = key.path == "problem.name" || key.path == "problem.usage_limit";
      if (!is_optional && seen_.count(std::string(key.path)) == 0)
        refuse(str(key.path), "missing", "the key");
    }
    return std::move(form_);
  }

  bool null() override { wrong("null"); }
  bool boolean(bool value) override { wrong(value ? "true" : "false"); }
  bool number_float(number_float_t, const string_t& text) override { wrong(text); }
  bool binary(binary_t&) override { wrong("binary data"); }
  bool number_integer(number_integer_t value) override { wrong(str(value)); }  // negative ones only
  bool number_unsigned(number_unsigned_t value) override {
    if (value > uint64_t{INT64_MAX}) wrong(str(value));
    const auto number = static_cast<int64_t>(value);
    if (depth_ == 2) {
      rows_->back().push_back(number);
    } else if (expects(KeyKind::kNumber)) {
      form_.usage_limit = number;
      leave();
    } else {
      wrong(str(value));
    }
    return true;
  }
  bool string(string_t& text) override {
    if (!expects(KeyKind::kText)) wrong(str('"', text.substr(0, 40), '"'));
    form_.name = text;
    leave();
    return true;
  }

  bool start_object(size_t) override {
    const bool is_root = path_.empty() && !in_root_;
    if (!is_root && !expects(KeyKind::kObject)) wrong("an object");
    in_root_ = true;
    object_ = path_;
    return true;
  }
  bool key(string_t& name) override {
    path_ = object_.empty() ? name : object_ + "." + name;
    const auto known =
        std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& key) { return key.path == path_; });
    if (known == kKeys.end()) refuse(path_.substr(0, 80), "unknown", "a key of the format");
    if (!seen_.insert(path_).second) refuse(path_, "given twice", "each key once");
    expected_ = known->kind;
    return true;
  }
  bool end_object() override {
    path_ = object_;
    leave();
    object_ = parent(object_);
    return true;
  }

  bool start_array(size_t) override {
    if (depth_ == 0) {
      if (!expects(KeyKind::kRows)) wrong("an array");
      rows_ = &form_.rows[path_];
    } else if (depth_ == 1) {
      rows_->emplace_back();
    } else {
      wrong("an array");
    }
    ++depth_;
    return true;
  }
  bool end_array() override {
    if (--depth_ == 0) leave();
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) override {
    throw Error(ErrorCode::kInvalidFile, str("[iopddl] ", what_, " is not valid JSON: ",
                                             error.what(), "; download or write the file again"));
  }

 private:
  static std::string parent(const std::string& path) {
    const size_t dot = path.rfind('.');
    return dot == std::string::npos ? std::string() : path.substr(0, dot);
  }

  // Whether the value that begins now belongs to a key of this kind.
  [[nodiscard]] bool expects(KeyKind kind) const {
    return depth_ == 0 && !path_.empty() && path_ != object_ && expected_ == kind;
  }
  // The value of the open key has ended.
  void leave() { path_ = parent(path_); }

  [[noreturn]] void refuse(const std::string& where,
                           std::string_view found,
                           std::string_view expected) const {
    throw Error(ErrorCode::kInvalidFile, str("[iopddl] ", what_, ": ", where, " is ", found,
                                             "; expected ", expected, "; correct the file"));
  }

  [[noreturn]] void wrong(const std::string& found) const {
    std::string where = path_.empty() ? "the file" : path_;
    if (depth_ >= 1) where += str("[", rows_->size() - (depth_ == 2 ? 1 : 0), "]");
    if (depth_ == 2) where += str("[", rows_->back().size(), "]");
    refuse(where, found, expectation());
  }

  [[nodiscard]] std::string_view expectation() const {
    if (depth_ == 1) return "an array of integers";
    if (depth_ == 2) return "an integer of 0 .. 2^63-1";
    if (path_.empty() || path_ == object_) return "an object with the key \"problem\"";
    switch (expected_) {
      case KeyKind::kObject:
        return "an object";
      case KeyKind::kText:
        return "a text";
      case KeyKind::kNumber:
        return "an integer of 0 .. 2^63-1";
      case KeyKind::kRows:
        return "an array of arrays of integers";
    }
    return "";
  }

  std::string_view what_;
  IopddlForm form_;
  std::set<std::string> seen_;
  std::string object_;  // path of the innermost open object; empty = the root
  std::string path_;    // of the open key; equal to object_ between two members
  KeyKind expected_ = KeyKind::kObject;
  IopddlRows* rows_ = nullptr;
  int depth_ = 0;  // of open arrays
  bool in_root_ = false;
};

}  // namespace

IopddlForm parse_iopddl_form(std::string_view json, std::string_view what) {
  FormReader reader(what);
  (void)nlohmann::json::sax_parse(json, &reader);
  return reader.take();
}

}  // namespace partita::planner
