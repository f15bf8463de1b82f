// SPDX-License-Identifier: Apache-2.0
// Strict reading of TOML tables: known keys only, numbers with units and ranges.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::cost {

// A number in a file: its key, the factor from the file's unit to SI units, and the range of values
// (in the file's unit) that any machine of the last and next decade can have. What lies outside is
// a typing error.
struct NumberKey {
  std::string_view key;
  double unit = 1;
  double min = 0;
  double max = 0;
};

// The file as nested objects and lists. Throws kInvalidFile naming `what` and the line.
[[nodiscard]] Json parse_toml(std::string_view text, std::string_view what);

// "key = value" and a line feed, with 12 significant digits: the three that a division by the unit
// may add would read as noise.
[[nodiscard]] std::string number_line(const NumberKey& key, double value);
// The number alone, as TOML wants floats.
[[nodiscard]] std::string number_text(double value, double unit);

// One table of a file. Borrowed: file, place and table outlive it. All getters throw kInvalidFile
// naming the file, the key and the rule.
class TomlFields {
 public:
  TomlFields(const Json& table, std::string_view what, std::string_view place)
      : table_(table), what_(what), place_(place) {}

  void allow_only(std::initializer_list<std::string_view> known) const;
  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }
  [[nodiscard]] bool is_list(std::string_view key) const { return table_.at(key).is_array(); }
  // A name of letters, digits, '_', '-' and '.'; `also` is one more text that is allowed.
  [[nodiscard]] std::string name(std::string_view key, std::string_view also = "") const;
  // In SI units.
  [[nodiscard]] double number(const NumberKey& key) const;
  [[nodiscard]] int64_t integer(std::string_view key, int64_t min, int64_t max) const;
  // A list of integers, not empty, ascending.
  [[nodiscard]] std::vector<int64_t> integers(std::string_view key, int64_t min, int64_t max) const;
  // A list of [integer, number] pairs, integers ascending; numbers in SI units.
  [[nodiscard]] std::vector<std::pair<int64_t, double>> pairs(const NumberKey& key) const;
  // The elements of a list of tables; empty when the key is absent.
  [[nodiscard]] std::vector<TomlFields> tables(std::string_view key, std::string_view place) const;
  [[nodiscard]] TomlFields table(std::string_view key, std::string_view place) const;

  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const;

 private:
  [[nodiscard]] double checked(const Json& value, const NumberKey& key) const;

  const Json& table_;
  std::string_view what_;
  std::string_view place_;
};

}  // namespace partita::cost
