// SPDX-License-Identifier: Apache-2.0
#include "plan/plan_keys.h"

#include <algorithm>

#include "support/error.h"

namespace partita::plan {
namespace {

// Enough of a bad value for the message, never a whole file.
std::string excerpt(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 60) + "...";
}

bool is_integer_in(const Json& value, Range range) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) return false;
  const int64_t number = value.get<int64_t>();
  return range.begin <= number && number < range.end;
}

}  // namespace

KeyedObject::KeyedObject(const Json& json,
                         std::string place,
                         std::initializer_list<std::string_view> keys)
    : KeyedObject(json, std::move(place), keys, File()) {}

KeyedObject::KeyedObject(const Json& json,
                         std::string place,
                         std::initializer_list<std::string_view> keys,
                         const File& file)
    : json_(json), place_(std::move(place)), file_(file) {
  if (!json.is_object()) {
    throw Error(ErrorCode::kInvalidFile, str("[", file_.component, "] ", place_, " is ",
                                             excerpt(json), "; expected an object"));
  }
  for (const auto& [key, value] : json.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      refuse(key, str("is not a key of this object; remove it (", file_.page, " lists the keys)"));
    }
  }
}

void KeyedObject::refuse(std::string_view key, std::string_view rule) const {
  throw Error(ErrorCode::kInvalidFile,
              str("[", file_.component, "] ", place_, ": key \"", key, "\" ", rule));
}

const Json& KeyedObject::member(std::string_view key, std::string_view expected) const {
  const auto found = json_.find(std::string(key));
  if (found == json_.end()) refuse(key, str("is missing; expected ", expected));
  return *found;
}

bool KeyedObject::has(std::string_view key) const { return json_.contains(std::string(key)); }

bool KeyedObject::flag(std::string_view key) const {
  if (!has(key)) return false;
  const Json& value = member(key, "true or false");
  if (!value.is_boolean()) refuse(key, "expected true or false");
  return value.get<bool>();
}

std::string KeyedObject::text(std::string_view key) const {
  const Json& value = member(key, "a string");
  if (!value.is_string()) refuse(key, str("is ", excerpt(value), "; expected a string"));
  return value.get<std::string>();
}

int64_t KeyedObject::integer(std::string_view key, Range range) const {
  const std::string expected = str("an integer within ", range);
  const Json& value = member(key, expected);
  if (!is_integer_in(value, range))
    refuse(key, str("is ", excerpt(value), "; expected ", expected));
  return value.get<int64_t>();
}

double KeyedObject::number(std::string_view key) const {
  const Json& value = member(key, "a number >= 0");
  // NaN fails the comparison, infinity cannot be written in JSON but 1e999 can.
  if (!value.is_number() || !(value.get<double>() >= 0) || value.get<double>() > 1e300) {
    refuse(key, str("is ", excerpt(value), "; expected a finite number >= 0"));
  }
  return value.get<double>();
}

const Json& KeyedObject::object(std::string_view key) const {
  const Json& value = member(key, "an object");
  if (!value.is_object()) refuse(key, str("is ", excerpt(value), "; expected an object"));
  return value;
}

const Json& KeyedObject::array(std::string_view key) const {
  const Json& value = member(key, "an array");
  if (!value.is_array()) refuse(key, str("is ", excerpt(value), "; expected an array"));
  return value;
}

std::vector<int> KeyedObject::integers(std::string_view key, Range range) const {
  std::vector<int> result;
  for (const Json& value : array(key)) {
    if (!is_integer_in(value, range)) {
      refuse(key, str("holds ", excerpt(value), "; expected integers within ", range));
    }
    result.push_back(value.get<int>());
  }
  return result;
}

std::vector<std::string> KeyedObject::texts(std::string_view key) const {
  std::vector<std::string> result;
  for (const Json& value : array(key)) {
    if (!value.is_string()) refuse(key, str("holds ", excerpt(value), "; expected strings"));
    result.push_back(value.get<std::string>());
  }
  return result;
}

std::string KeyedObject::place_of(std::string_view key) const { return str(place_, ".", key); }

}  // namespace partita::plan
