// SPDX-License-Identifier: Apache-2.0
// The planner's problem as an integer linear program with a tight relaxation.
#pragma once

#include <span>
#include <vector>

#include "planner/solvers/ilp_model.h"
#include "planner/solvers/solver.h"

namespace partita::planner {

enum class IlpObjective {
  kCost,       // least cost under the memory bound
  kPeakBytes,  // least bytes at the fullest time; the memory bound is ignored
};

// s_v_i is 1 when variable v takes option i; e_n_a_b is 1 when edge n (in the order of its first
// appearance, parallel edges merged) sees row class a and column class b:
//
//   one_v:        sum_i s_v_i = 1
//   row_n_a:      sum_b e_n_a_b = sum of s_first_i, i in class a
//   column_n_b:   sum_a e_n_a_b = sum of s_second_j, j in class b
//   memory_t:     sum over the variables of their bytes at a time <= bound
//
// Rows of a table that differ by a constant are one class and the constant is a cost of the option,
// likewise columns; an edge that is the sum of a row's and a column's cost needs no e at all.
// Forbidden options are fixed to 0, forbidden pairs have no e. Memory rows stand for the times at
// which the set of live usages is largest. Only s must be integer: e follows.
struct IlpEncoding {
  IlpModel model;
  std::vector<int> first_column;  // per variable: s of its option 0; the others follow
  std::vector<int> options;       // per variable

  // The option of each variable whose column is largest.
  [[nodiscard]] std::vector<int> choice(std::span<const double> columns) const;
};

// Shares no code with the other solvers. Throws kUnsupported when the program would have more than
// 20 million terms.
[[nodiscard]] IlpEncoding encode_ilp(const Problem& problem,
                                     IlpObjective objective = IlpObjective::kCost);

}  // namespace partita::planner
