// SPDX-License-Identifier: Apache-2.0
// Writing the planner's problem for other solvers.
#pragma once

#include <filesystem>

#include "planner/solvers/solver.h"

namespace partita::planner {

// Writes the integer program of the problem (ilp_encode.h) to `path`: LP text for .lp, MPS for
// .mps. Throws kInvalidArgument for another extension, kSystem when the file cannot be written,
// kUnsupported when the program is too large.
void export_ilp(const Problem& problem, const std::filesystem::path& path);

}  // namespace partita::planner
