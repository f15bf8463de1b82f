// SPDX-License-Identifier: Apache-2.0
// Checked access to the members of the parts of tokenizer.json.
#include "text/component.h"

#include <limits>

#include "support/error.h"
#include "text/unicode.h"

namespace partita::text {

void throw_unsupported(std::string_view what,
                       std::string_view kind,
                       std::string_view type,
                       const std::vector<std::string_view>& known) {
  std::string list;
  for (const std::string_view name : known) list += str(list.empty() ? "" : ", ", name);
  throw Error(ErrorCode::kUnsupported, str("[tokenizer] ", what, ": the ", kind, " type '", type,
                                           "' is not known; known are ", list,
                                           "; use a model whose tokenizer has only these"));
}

const Json& json_member(const Json& json, std::string_view key, std::string_view what) {
  static const Json kNull;
  if (!json.is_object()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": the parent of '", key, "' is not an object but ",
                    json.type_name(), "; download the file again"));
  }
  const auto found = json.find(std::string(key));
  return found == json.end() ? kNull : *found;
}

const Json& json_array(const Json& json, std::string_view key, std::string_view what) {
  const Json& member = json_member(json, key, what);
  if (!member.is_array()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": '", key, "' is not an array but ", member.type_name(),
                    "; download the file again"));
  }
  return member;
}

int32_t checked_token_id(int64_t id, std::string_view token, std::string_view what) {
  if (id < 0 || id >= std::numeric_limits<int32_t>::max()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": the token '", token, "' has the id ", id,
                    "; expected 0 .. 2^31 - 2; download the file again"));
  }
  return static_cast<int32_t>(id);
}

int32_t json_token_id(const Json& json, std::string_view key, std::string_view what) {
  return checked_token_id(json_get<int64_t>(json, key, what), key, what);
}

std::string json_character(const Json& json,
                           std::string_view key,
                           std::string_view fallback,
                           std::string_view what) {
  auto text = json_get_or<std::string>(json, key, std::string(fallback), what);
  size_t end = 0;
  if (!text.empty()) (void)next_code_point(text, end);
  if (text.empty() || end != text.size()) {
    throw Error(ErrorCode::kInvalidFile, str("[tokenizer] ", what, ": '", key, "' is '", text,
                                             "'; expected one character; download the file again"));
  }
  return text;
}

}  // namespace partita::text
