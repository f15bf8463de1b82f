// SPDX-License-Identifier: Apache-2.0
// Numbers, meshes and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spec/mesh.h"

namespace partita::planner {

// "12.30" with the given number of digits after the point; the same on every machine.
[[nodiscard]] std::string fixed_text(double value, int digits);

// "512 B", "1.5 GB": powers of 1000, as memory is given on the command line.
[[nodiscard]] std::string bytes_text(int64_t bytes);

// "12.0 us", "3.40 ms", "1.50 s"; a negative time keeps its sign.
[[nodiscard]] std::string seconds_text(double seconds);

// "+3.40 ms", "-1.0 us", "0".
[[nodiscard]] std::string signed_seconds_text(double seconds);
// "+1.5 GB", "-20 B", "0".
[[nodiscard]] std::string signed_bytes_text(int64_t bytes);

// "tp=4", or "1 rank" for the mesh without axes.
[[nodiscard]] std::string mesh_text(const spec::Mesh& mesh);

// Blanks in front up to `width`.
[[nodiscard]] std::string padded(const std::string& text, size_t width);

// Rows of cells as aligned columns, two blanks between them, no blanks at the end of a line. The
// columns named in `right` are aligned to the right.
using TextRow = std::vector<std::string>;
[[nodiscard]] std::string table_text(const std::vector<TextRow>& rows,
                                     const std::vector<size_t>& right);

}  // namespace partita::planner
