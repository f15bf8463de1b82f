// SPDX-License-Identifier: Apache-2.0
// Values of GGUF files.
#include "formats/gguf/metadata.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "support/error.h"

namespace partita::formats {
namespace {

constexpr std::array<std::string_view, kGgufTypes> kTypeNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
constexpr int64_t kMaxInteger = std::numeric_limits<int32_t>::max();

bool is_integer(const GgufValue& value) {
  return !value.is_array && value.integers.size() == 1 && value.type != GgufType::kBool;
}

GgufValue scalar(GgufType type) {
  GgufValue value;
  value.type = type;
  return value;
}

GgufValue list(GgufType type) {
  GgufValue value = scalar(type);
  value.is_array = true;
  return value;
}

}  // namespace

std::string_view to_string(GgufType type) { return kTypeNames.at(static_cast<size_t>(type)); }

std::string printable(std::string_view text) {
  constexpr size_t kShownBytes = 100;
  std::string shown(text.substr(0, kShownBytes));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return shown.size() < text.size() ? shown + "..." : shown;
}

size_t GgufValue::size() const {
  return integers.size() + numbers.size() + texts.size() + arrays.size();
}

GgufValue GgufValue::u32(uint32_t value) {
  GgufValue result = scalar(GgufType::kU32);
  result.integers = {value};
  return result;
}

GgufValue GgufValue::f32(float value) {
  GgufValue result = scalar(GgufType::kF32);
  result.numbers = {value};
  return result;
}

GgufValue GgufValue::boolean(bool value) {
  GgufValue result = scalar(GgufType::kBool);
  result.integers = {value ? 1 : 0};
  return result;
}

GgufValue GgufValue::text(std::string value) {
  GgufValue result = scalar(GgufType::kString);
  result.texts = {std::move(value)};
  return result;
}

GgufValue GgufValue::list_of_texts(std::vector<std::string> values) {
  GgufValue result = list(GgufType::kString);
  result.texts = std::move(values);
  return result;
}

GgufValue GgufValue::list_of_f32(std::vector<double> values) {
  GgufValue result = list(GgufType::kF32);
  result.numbers = std::move(values);
  return result;
}

GgufValue GgufValue::list_of_i32(std::vector<int64_t> values) {
  GgufValue result = list(GgufType::kI32);
  result.integers = std::move(values);
  return result;
}

std::string to_string(const GgufValue& value) {
  if (value.is_array) return str(value.size(), " x ", to_string(value.type));
  if (!value.texts.empty()) return str('"', printable(value.texts[0]), '"');
  if (!value.numbers.empty()) return str(value.numbers[0]);
  if (value.integers.empty()) return "nothing";
  if (value.type == GgufType::kBool) return value.integers[0] != 0 ? "true" : "false";
  if (value.type == GgufType::kU64) return str(static_cast<uint64_t>(value.integers[0]));
  return str(value.integers[0]);
}

bool GgufMetadata::add(std::string key, GgufValue value) {
  return values_.emplace(std::move(key), std::move(value)).second;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void GgufMetadata::refuse(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  throw Error(ErrorCode::kInvalidFile,
              str("[gguf] ", what_, ": ", key, " is ",
                  value == nullptr ? "missing" : to_string(*value), "; expected ", expected));
}

const GgufValue& GgufMetadata::require(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find(key);
  if (value == nullptr) refuse(key, expected);
  return *value;
}

int64_t GgufMetadata::integer(std::string_view key) const {
  constexpr std::string_view kExpected = "an integer of 0 .. 2^31-1";
  const GgufValue& value = require(key, kExpected);
  if (!is_integer(value) || value.integers[0] < 0 || value.integers[0] > kMaxInteger) {
    refuse(key, kExpected);
  }
  return value.integers[0];
}

std::optional<int64_t> GgufMetadata::integer_if(std::string_view key) const {
  if (!has(key)) return std::nullopt;
  return integer(key);
}

double GgufMetadata::number(std::string_view key) const {
  constexpr std::string_view kExpected = "a finite number";
  const GgufValue& value = require(key, kExpected);
  if (is_integer(value)) return static_cast<double>(value.integers[0]);
  if (value.is_array || value.numbers.size() != 1 || !std::isfinite(value.numbers[0])) {
    refuse(key, kExpected);
  }
  return value.numbers[0];
}

double GgufMetadata::number_or(std::string_view key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

std::string GgufMetadata::text(std::string_view key) const {
  const GgufValue& value = require(key, "a text");
  if (value.is_array || value.texts.size() != 1) refuse(key, "a text");
  return value.texts[0];
}

std::string GgufMetadata::text_or(std::string_view key, std::string fallback) const {
  return has(key) ? text(key) : std::move(fallback);
}

bool GgufMetadata::flag_or(std::string_view key, bool fallback) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_array || value->type != GgufType::kBool) refuse(key, "true or false");
  return value->integers[0] != 0;
}

const std::vector<std::string>* GgufMetadata::texts(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array || value->type != GgufType::kString) refuse(key, "an array of strings");
  return &value->texts;
}

const std::vector<double>* GgufMetadata::numbers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array || (value->type != GgufType::kF32 && value->type != GgufType::kF64)) {
    refuse(key, "an array of f32");
  }
  return &value->numbers;
}

const std::vector<int64_t>* GgufMetadata::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array || value->integers.size() != value->size()) {
    refuse(key, "an array of integers");
  }
  return &value->integers;
}

}  // namespace partita::formats
