// SPDX-License-Identifier: Apache-2.0
// The key-value part of a GGUF file, and typed access to it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partita::formats {

// Numbers as in the file.
enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};
inline constexpr uint32_t kGgufTypes = 13;

// Name in messages, e.g. "u32".
[[nodiscard]] std::string_view to_string(GgufType type);

// One value, or an array of one element type. A scalar is the single entry of the list of its kind.
struct GgufValue {
  GgufType type = GgufType::kU32;  // of the scalar, or of the elements
  bool is_array = false;
  std::vector<int64_t> integers;  // of all integer types and kBool; u64 above 2^63-1 wrap around
  std::vector<double> numbers;    // kF32, kF64
  std::vector<std::string> texts;
  std::vector<GgufValue> arrays;  // elements that are arrays themselves

  [[nodiscard]] size_t size() const;
  bool operator==(const GgufValue&) const = default;

  [[nodiscard]] static GgufValue u32(uint32_t value);
  [[nodiscard]] static GgufValue f32(float value);
  [[nodiscard]] static GgufValue boolean(bool value);
  [[nodiscard]] static GgufValue text(std::string value);
  [[nodiscard]] static GgufValue list_of_texts(std::vector<std::string> values);
  [[nodiscard]] static GgufValue list_of_f32(std::vector<double> values);
  [[nodiscard]] static GgufValue list_of_i32(std::vector<int64_t> values);
};

// A name or text of a file as messages show it, which are lines of ASCII: at most 100 bytes, and
// "?" for each that is not printable.
[[nodiscard]] std::string printable(std::string_view text);

// Short form for messages: 7, "llama", 3 x string.
[[nodiscard]] std::string to_string(const GgufValue& value);

// All values of one file. Getters throw kInvalidFile naming file, key, value and what was expected;
// integers of every width count as integers. Immutable once filled.
class GgufMetadata {
 public:
  explicit GgufMetadata(std::string what = {}) : what_(std::move(what)) {}

  // False when the key is there already.
  bool add(std::string key, GgufValue value);

  // Null when the key is not there.
  [[nodiscard]] const GgufValue* find(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  // An integer of 0 .. 2^31-1.
  [[nodiscard]] int64_t integer(std::string_view key) const;
  [[nodiscard]] std::optional<int64_t> integer_if(std::string_view key) const;
  // A finite number; integers count.
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] double number_or(std::string_view key, double fallback) const;
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::string text_or(std::string_view key, std::string fallback) const;
  [[nodiscard]] bool flag_or(std::string_view key, bool fallback) const;
  // Arrays; null when the key is not there.
  [[nodiscard]] const std::vector<std::string>* texts(std::string_view key) const;
  [[nodiscard]] const std::vector<double>* numbers(std::string_view key) const;
  [[nodiscard]] const std::vector<int64_t>* integers(std::string_view key) const;

  [[nodiscard]] const std::map<std::string, GgufValue, std::less<>>& values() const {
    return values_;
  }
  [[nodiscard]] const std::string& what() const { return what_; }  // the file, for messages

  // Throws kInvalidFile: the key is missing, or its value is not what was expected.
  [[noreturn]] void refuse(std::string_view key, std::string_view expected) const;

 private:
  const GgufValue& require(std::string_view key, std::string_view expected) const;

  std::map<std::string, GgufValue, std::less<>> values_;
  std::string what_;
};

}  // namespace partita::formats
