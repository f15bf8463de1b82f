// SPDX-License-Identifier: Apache-2.0
// Strict access to the members of plan.json objects: every key is known, every number in its range.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"
#include "support/range.h"

namespace partita::plan {

// One JSON object of a plan with its place in the file, e.g. "plan.json: reshards[3]". Borrows the
// JSON. All functions throw Error(kInvalidFile) naming the place, the key and the rule.
class KeyedObject {
 public:
  // The kind of file, for messages: who reads it, and the page that lists its keys.
  struct File {
    std::string_view component = "plan";
    std::string_view page = "docs/formats/plan.md";
  };
  // `keys` = all keys that may appear.
  KeyedObject(const Json& json, std::string place, std::initializer_list<std::string_view> keys);
  KeyedObject(const Json& json,
              std::string place,
              std::initializer_list<std::string_view> keys,
              const File& file);

  [[nodiscard]] std::string text(std::string_view key) const;
  // An integer within [range.begin, range.end).
  [[nodiscard]] int64_t integer(std::string_view key, Range range) const;
  // A finite number >= 0.
  [[nodiscard]] double number(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const;  // absent = false
  [[nodiscard]] const Json& object(std::string_view key) const;
  [[nodiscard]] const Json& array(std::string_view key) const;
  [[nodiscard]] std::vector<int> integers(std::string_view key, Range range) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;

  // "place.key", to open a nested object.
  [[nodiscard]] std::string place_of(std::string_view key) const;
  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const;

 private:
  [[nodiscard]] const Json& member(std::string_view key, std::string_view expected) const;

  const Json& json_;
  std::string place_;
  File file_;
};

}  // namespace partita::plan
