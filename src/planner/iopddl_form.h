// SPDX-License-Identifier: Apache-2.0
// The form of an instance file (iopddl.h): its JSON keys and arrays of numbers, not their meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace partita::planner {

using IopddlRows = std::vector<std::vector<int64_t>>;

// All keys the format knows are there, each once, with numbers of 0 .. 2^63-1.
struct IopddlForm {
  std::string name;                                     // may be absent
  std::optional<int64_t> usage_limit;                   // may be absent
  std::map<std::string, IopddlRows, std::less<>> rows;  // by path, such as "problem.nodes.costs"
};

// Reads without building a tree of JSON values: files may hold millions of numbers. Throws
// kInvalidFile naming `what`, the key, the index and the value.
[[nodiscard]] IopddlForm parse_iopddl_form(std::string_view json, std::string_view what);

}  // namespace partita::planner
