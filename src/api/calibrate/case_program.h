// SPDX-License-Identifier: Apache-2.0
// What the measured programs have in common: their sizes, and their text.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace partita::api {

// The step size that plans are made for by default, and a quarter of it for a quick look.
inline constexpr int64_t kMostRows = 512;
inline constexpr int64_t kQuickRows = 128;
inline constexpr int64_t kWidth = 2048;  // of the rows that operators of middle size work on

// A program of `nodes` alike nodes; `inputs` are its first lines, `node(i)` gives the lines of node
// i: its weights, then the node, whose result is "%y<i>".
[[nodiscard]] std::string program_text(const std::string& inputs,
                                       int nodes,
                                       const std::function<std::string(int)>& node);

}  // namespace partita::api
