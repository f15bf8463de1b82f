// SPDX-License-Identifier: Apache-2.0
// Patterns over names of tensors and operators, and the names nearest to a pattern without match.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita::planner {

// A glob: '*' stands for any run of characters (also none, also dots), '?' for one, "{a,b}" for a
// or b (not nested), everything else for itself. The whole name must match. Immutable.
class NamePattern {
 public:
  // Throws kInvalidArgument naming `source`, the pattern and the rule (braces that do not pair,
  // more than 1000 alternatives).
  NamePattern(std::string_view text, std::string_view source);

  [[nodiscard]] bool matches(std::string_view name) const;
  // The one name it can match, when it has no wildcard; else empty.
  [[nodiscard]] std::string_view only_name() const;

 private:
  std::vector<std::string> globs_;  // without braces
};

// Up to `count` of `names` that are nearest to `text`: those that begin with more of its parts
// between dots first, then by edit distance. Layer numbers do not count, and of names that differ
// in them only the first is given.
[[nodiscard]] std::vector<std::string> nearest_names(std::string_view text,
                                                     std::span<const std::string> names,
                                                     size_t count);
// The same as "a, b, c".
[[nodiscard]] std::string nearest_text(std::string_view text,
                                       std::span<const std::string> names,
                                       size_t count);

// "; the numbers behind layers are 0 .. 7" when `text` has a number after "layers." that no name
// has there; else empty.
[[nodiscard]] std::string missing_number(std::string_view text, std::span<const std::string> names);

}  // namespace partita::planner
