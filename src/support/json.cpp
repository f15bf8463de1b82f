// SPDX-License-Identifier: Apache-2.0
#include "support/json.h"

#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "support/error.h"
#include "support/text_file.h"

namespace partita {
namespace {

constexpr size_t kMaxDepth = 256;

// Sees every parse event and remembers the keys of the open objects; nlohmann-json itself keeps the
// last of two equal keys silently.
class StrictCallback {
 public:
  explicit StrictCallback(std::string_view what) : what_(what) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (static_cast<size_t>(depth) > kMaxDepth) {
      throw Error(ErrorCode::kInvalidFile, str("[json] ", what_, " is nested deeper than ",
                                               kMaxDepth, " levels; flatten the file"));
    }
    if (event == Event::object_start) open_.emplace_back();
    if (event == Event::object_end) open_.pop_back();
    if (event == Event::key && !open_.back().insert(parsed.get<std::string>()).second) {
      throw Error(ErrorCode::kInvalidFile, str("[json] ", what_, " holds the key ", parsed.dump(),
                                               " twice in one object; every key must be unique"));
    }
    return true;
  }

 private:
  std::string_view what_;
  std::vector<std::set<std::string>> open_;
};

[[noreturn]] void wrong_type(const Json& json,
                             std::string_view key,
                             std::string_view what,
                             std::string_view expected) {
  const auto found = json.is_object() ? json.find(std::string(key)) : json.end();
  const std::string value = !json.is_object()     ? str("no object: ", json.dump().substr(0, 80))
                            : found == json.end() ? "missing"
                                                  : found->dump().substr(0, 80);
  throw Error(ErrorCode::kInvalidFile,
              str("[json] ", what, ": key \"", key, "\" is ", value, "; expected ", expected));
}

template <typename T>
bool holds(const Json& value) {
  if constexpr (std::is_same_v<T, bool>) return value.is_boolean();
  if constexpr (std::is_same_v<T, int64_t>) {
    return value.is_number_integer() &&
           !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
  }
  if constexpr (std::is_same_v<T, double>)
    return value.is_number() && std::isfinite(value.get<double>());
  if constexpr (std::is_same_v<T, std::string>) return value.is_string();
}

template <typename T>
constexpr std::string_view kTypeName = "a value";
template <>
constexpr std::string_view kTypeName<bool> = "true or false";
template <>
constexpr std::string_view kTypeName<int64_t> = "an integer below 2^63";
template <>
constexpr std::string_view kTypeName<double> = "a finite number";
template <>
constexpr std::string_view kTypeName<std::string> = "a string";

// Messages of the library start with the name of their class and its number in brackets.
std::string_view without_class(std::string_view message) {
  const size_t end = message.starts_with('[') ? message.find("] ") : std::string_view::npos;
  return end == std::string_view::npos ? message : message.substr(end + 2);
}

}  // namespace

Json parse_json(std::string_view text, std::string_view what) {
  try {
    return Json::parse(text, StrictCallback(what));
  } catch (const Json::exception& e) {
    throw Error(ErrorCode::kInvalidFile,
                str("[json] ", what, " is not valid JSON: ", without_class(e.what()),
                    "; download or write the file again"));
  }
}

std::string read_text(const std::filesystem::path& path, int64_t max_bytes) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  std::ifstream in(path, std::ios::binary);
  if (failure || !in) {
    throw Error(ErrorCode::kNotFound, str("[file] cannot read ", path.string(), ": ",
                                          failure ? failure.message() : "open failed",
                                          "; check the path and its permissions"));
  }
  if (size > static_cast<uint64_t>(max_bytes)) {
    throw Error(ErrorCode::kInvalidFile, str("[file] ", path.string(), " has ", size,
                                             " bytes; at most ", max_bytes, " are expected here"));
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Json read_json(const std::filesystem::path& path, int64_t max_bytes) {
  return parse_json(read_text(path, max_bytes), path.string());
}

void write_json(const std::filesystem::path& path, const Json& json) {
  write_text(path, json.dump(2) + "\n");
}

template <typename T>
T json_get(const Json& json, std::string_view key, std::string_view what) {
  if (!json.is_object()) wrong_type(json, key, what, kTypeName<T>);
  const auto found = json.find(std::string(key));
  if (found == json.end() || !holds<T>(*found)) wrong_type(json, key, what, kTypeName<T>);
  return found->get<T>();
}

template <typename T>
T json_get_or(const Json& json, std::string_view key, T fallback, std::string_view what) {
  if (!json.is_object()) wrong_type(json, key, what, kTypeName<T>);
  const auto found = json.find(std::string(key));
  if (found == json.end() || found->is_null()) return fallback;
  return json_get<T>(json, key, what);
}

template bool json_get<bool>(const Json&, std::string_view, std::string_view);
template int64_t json_get<int64_t>(const Json&, std::string_view, std::string_view);
template double json_get<double>(const Json&, std::string_view, std::string_view);
template std::string json_get<std::string>(const Json&, std::string_view, std::string_view);
template bool json_get_or<bool>(const Json&, std::string_view, bool, std::string_view);
template int64_t json_get_or<int64_t>(const Json&, std::string_view, int64_t, std::string_view);
template double json_get_or<double>(const Json&, std::string_view, double, std::string_view);
template std::string json_get_or<std::string>(const Json&,
                                              std::string_view,
                                              std::string,
                                              std::string_view);

}  // namespace partita
