// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/cbc.h"

#include <Cbc_C_Interface.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>

#include "support/error.h"

namespace partita::planner {
namespace {

// CBC compares with absolute tolerances of about 1e-7: numbers are brought below this, by powers of
// two, so that no digit is lost.
constexpr double kLargestNumber = 1 << 20;
constexpr double kUnbounded = std::numeric_limits<double>::max();  // as CBC wants it
// Beyond this CBC means that it knows no bound.
constexpr double kCbcInfinity = 1e49;

struct DeleteModel {
  void operator()(Cbc_Model* model) const { Cbc_deleteModel(model); }
};
using CbcModel = std::unique_ptr<Cbc_Model, DeleteModel>;

double scale_for(double largest) {
  double scale = 1;
  while (largest / scale > kLargestNumber) scale *= 2;
  return scale;
}

double objective_scale(const IlpModel& model) {
  double largest = 0;
  for (const IlpModel::Column& column : model.columns)
    largest = std::max(largest, std::abs(static_cast<double>(column.cost)));
  return scale_for(largest);
}

double row_scale(const IlpModel::Row& row) {
  double largest = 0;
  for (const IlpModel::Term& term : row.terms)
    largest = std::max(largest, std::abs(static_cast<double>(term.coefficient)));
  return scale_for(largest);
}

// The model column by column, as CBC takes it.
struct ColumnMatrix {
  std::vector<int> start;
  std::vector<int> row;
  std::vector<double> value;
};

ColumnMatrix by_column(const IlpModel& model) {
  ColumnMatrix matrix;
  matrix.start.assign(model.columns.size() + 1, 0);
  for (const IlpModel::Row& row : model.rows) {
    for (const IlpModel::Term& term : row.terms)
      ++matrix.start[static_cast<size_t>(term.column) + 1];
  }
  for (size_t i = 1; i < matrix.start.size(); ++i) matrix.start[i] += matrix.start[i - 1];
  std::vector<int> next = matrix.start;
  matrix.row.resize(static_cast<size_t>(matrix.start.back()));
  matrix.value.resize(matrix.row.size());
  for (size_t i = 0; i < model.rows.size(); ++i) {
    const double scale = row_scale(model.rows[i]);
    for (const IlpModel::Term& term : model.rows[i].terms) {
      const auto at = static_cast<size_t>(next[static_cast<size_t>(term.column)]++);
      matrix.row[at] = static_cast<int>(i);
      matrix.value[at] = static_cast<double>(term.coefficient) / scale;
    }
  }
  return matrix;
}

CbcModel load(const IlpModel& model, double scale) {
  const ColumnMatrix matrix = by_column(model);
  std::vector<double> upper;
  std::vector<double> cost;
  for (const IlpModel::Column& column : model.columns) {
    const bool is_free = column.kind == IlpModel::ColumnKind::kNonNegative;
    upper.push_back(column.is_fixed_to_zero ? 0 : is_free ? kUnbounded : 1);
    cost.push_back(static_cast<double>(column.cost) / scale);
  }
  std::vector<double> row_lower;
  std::vector<double> row_upper;
  for (const IlpModel::Row& row : model.rows) {
    row_upper.push_back(static_cast<double>(row.bound) / row_scale(row));
    const bool is_equal = row.relation == IlpModel::Relation::kEqual;
    row_lower.push_back(is_equal ? row_upper.back() : -kUnbounded);
  }
  const std::vector<double> lower(model.columns.size(), 0);
  CbcModel cbc(Cbc_newModel());
  Cbc_loadProblem(cbc.get(), static_cast<int>(model.columns.size()),
                  static_cast<int>(model.rows.size()), matrix.start.data(), matrix.row.data(),
                  matrix.value.data(), lower.data(), upper.data(), cost.data(), row_lower.data(),
                  row_upper.data());
  for (size_t i = 0; i < model.columns.size(); ++i) {
    if (model.columns[i].kind == IlpModel::ColumnKind::kBinary)
      Cbc_setInteger(cbc.get(), static_cast<int>(i));
  }
  return cbc;
}

}  // namespace

bool has_cbc() { return true; }

IlpAnswer solve_with_cbc(const IlpModel& model, double time_limit_s) {
  const double scale = objective_scale(model);
  const CbcModel cbc = load(model, scale);
  Cbc_setLogLevel(cbc.get(), 0);
  Cbc_setMaximumSeconds(cbc.get(), time_limit_s);
  Cbc_solve(cbc.get());
  IlpAnswer answer;
  answer.is_infeasible = Cbc_isProvenInfeasible(cbc.get()) != 0;
  answer.is_optimal = Cbc_isProvenOptimal(cbc.get()) != 0;
  const double* best = Cbc_bestSolution(cbc.get());
  if (best != nullptr && !answer.is_infeasible)
    answer.columns.assign(best, best + model.columns.size());
  const double bound = Cbc_getBestPossibleObjValue(cbc.get());
  if (!answer.is_infeasible && std::abs(bound) < kCbcInfinity) answer.lower_bound = bound * scale;
  return answer;
}

}  // namespace partita::planner
