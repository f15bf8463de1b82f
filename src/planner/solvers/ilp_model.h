// SPDX-License-Identifier: Apache-2.0
// An integer linear program with integer coefficients, and its text forms.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace partita::planner {

// minimise the sum of cost * column, so that every row holds. All numbers are exact.
struct IlpModel {
  enum class ColumnKind { kBinary, kUnitInterval, kNonNegative };
  struct Column {
    std::string name;
    int64_t cost = 0;
    ColumnKind kind = ColumnKind::kBinary;
    bool is_fixed_to_zero = false;
  };
  enum class Relation { kEqual, kAtMost };
  struct Term {
    int column = 0;
    int64_t coefficient = 0;
    auto operator<=>(const Term&) const = default;
  };
  struct Row {
    std::string name;
    std::vector<Term> terms;  // at least one
    Relation relation = Relation::kEqual;
    int64_t bound = 0;
  };
  std::vector<Column> columns;
  std::vector<Row> rows;
};

// The LP text format, as CBC, GLPK, HiGHS, SCIP and others read it.
[[nodiscard]] std::string to_lp_text(const IlpModel& model);

// The free MPS format.
[[nodiscard]] std::string to_mps_text(const IlpModel& model);

}  // namespace partita::planner
