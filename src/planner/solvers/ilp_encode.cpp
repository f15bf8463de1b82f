// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/ilp_encode.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "support/error.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxTerms = 20'000'000;  // about 2 GB in the solver

// A table of pair costs, row major.
struct Table {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<Cost> cost;

  [[nodiscard]] Cost& at(size_t row, size_t column) { return cost[row * columns + column]; }
  [[nodiscard]] Table transposed() const {
    Table result{columns, rows, std::vector<Cost>(cost.size())};
    for (size_t row = 0; row < rows; ++row) {
      for (size_t column = 0; column < columns; ++column)
        result.cost[column * rows + row] = cost[row * columns + column];
    }
    return result;
  }
};

// Two variables with all their edges in one table, reduced to classes of rows and columns.
struct Pair {
  int first = 0;
  int second = 0;
  Table table;
  std::vector<int> row_class;     // per option of first; -1 = forbidden
  std::vector<int> column_class;  // per option of second
};

Cost saturated_sum(Cost a, Cost b) {
  return a >= kForbidden || b >= kForbidden ? kForbidden : a + b;
}

std::vector<Pair> merged_pairs(const Problem& problem) {
  std::vector<Pair> pairs;
  std::map<std::pair<int, int>, size_t> known;
  for (const Edge& edge : problem.edges) {
    const EdgeTable& table = problem.tables[static_cast<size_t>(edge.table)];
    const bool is_turned = edge.first > edge.second;
    const auto [low, high] = std::minmax(edge.first, edge.second);
    Table costs{static_cast<size_t>(table.rows), static_cast<size_t>(table.columns), table.cost};
    if (is_turned) costs = costs.transposed();
    const auto [found, is_new] = known.try_emplace({low, high}, pairs.size());
    if (is_new) {
      pairs.push_back({low, high, std::move(costs), {}, {}});
      continue;
    }
    std::vector<Cost>& sum = pairs[found->second].table.cost;
    std::transform(sum.begin(), sum.end(), costs.cost.begin(), sum.begin(), saturated_sum);
  }
  return pairs;
}

// Moves the least cost of every row to `unary`, joins equal rows, and forbids the options of rows
// that are all forbidden. Returns the class of each row.
std::vector<int> join_rows(Table& table, std::vector<Cost>& unary) {
  std::vector<int> row_class(table.rows, -1);
  std::map<std::vector<Cost>, int> classes;
  Table joined{0, table.columns, {}};
  for (size_t row = 0; row < table.rows; ++row) {
    const auto begin = table.cost.begin() + static_cast<int64_t>(row * table.columns);
    std::vector<Cost> costs(begin, begin + static_cast<int64_t>(table.columns));
    const Cost least = costs.empty() ? kForbidden : *std::min_element(costs.begin(), costs.end());
    unary[row] = saturated_sum(unary[row], least);
    if (unary[row] >= kForbidden) continue;
    for (Cost& cost : costs) {
      if (cost < kForbidden) cost -= least;
    }
    const auto [found, is_new] = classes.try_emplace(costs, static_cast<int>(joined.rows));
    row_class[row] = found->second;
    if (!is_new) continue;
    joined.cost.insert(joined.cost.end(), costs.begin(), costs.end());
    ++joined.rows;
  }
  table = std::move(joined);
  return row_class;
}

// Where the set of live timed usages is largest: the times at which, after some have begun, the
// next one ends.
std::vector<int64_t> crowded_times(const Problem& problem) {
  std::set<int64_t> begins;
  std::set<int64_t> ends;
  for (const Variable& variable : problem.variables) {
    for (const TimedUsage& usage : variable.timed) {
      if (usage.live.empty()) continue;
      begins.insert(usage.live.begin);
      ends.insert(usage.live.end);
    }
  }
  std::vector<int64_t> times;
  for (const int64_t begin : begins) {
    const auto next_begin = begins.upper_bound(begin);
    const auto next_end = ends.upper_bound(begin);
    if (next_begin == begins.end() || *next_end <= *next_begin) times.push_back(begin);
  }
  return times;
}

class Encoder {
 public:
  Encoder(const Problem& problem, IlpObjective objective)
      : problem_(problem), objective_(objective), pairs_(merged_pairs(problem)) {
    for (const Variable& variable : problem.variables) cost_.push_back(variable.cost);
  }

  IlpEncoding encode() {
    for (Pair& pair : pairs_) reduce(pair);
    for (size_t i = 0; i < cost_.size(); ++i) add_variable(i);
    for (size_t i = 0; i < pairs_.size(); ++i) add_pair(pairs_[i], i);
    const bool is_peak = objective_ == IlpObjective::kPeakBytes;
    if (is_peak) {
      // No other column costs anything then.
      model().columns.push_back({"peak", 1, IlpModel::ColumnKind::kNonNegative, false});
    }
    if (is_peak || problem_.memory_bound) add_memory();
    return std::move(encoding_);
  }

 private:
  IlpModel& model() { return encoding_.model; }

  void reduce(Pair& pair) {
    pair.row_class = join_rows(pair.table, cost_[static_cast<size_t>(pair.first)]);
    Table turned = pair.table.transposed();
    pair.column_class = join_rows(turned, cost_[static_cast<size_t>(pair.second)]);
    pair.table = turned.transposed();
  }

  void add_variable(size_t variable) {
    encoding_.first_column.push_back(static_cast<int>(model().columns.size()));
    encoding_.options.push_back(static_cast<int>(cost_[variable].size()));
    IlpModel::Row one = {str("one_", variable), {}, IlpModel::Relation::kEqual, 1};
    for (size_t i = 0; i < cost_[variable].size(); ++i) {
      const bool is_forbidden = cost_[variable][i] >= kForbidden;
      one.terms.push_back({column_of(variable, i), 1});
      model().columns.push_back({str("s_", variable, "_", i),
                                 is_forbidden ? 0 : objective_cost(cost_[variable][i]),
                                 IlpModel::ColumnKind::kBinary, is_forbidden});
    }
    add_row(std::move(one));
  }

  [[nodiscard]] Cost objective_cost(Cost cost) const {
    return objective_ == IlpObjective::kCost ? cost : 0;
  }
  [[nodiscard]] int column_of(size_t variable, size_t option) const {
    return encoding_.first_column[variable] + static_cast<int>(option);
  }

  void add_pair(Pair& pair, size_t number) {
    Table& table = pair.table;
    if (table.rows == 1 && table.columns == 1) return;  // all of it is in the options' costs
    std::vector<IlpModel::Row> rows = flow_rows(pair.first, pair.row_class, table.rows);
    std::vector<IlpModel::Row> columns = flow_rows(pair.second, pair.column_class, table.columns);
    for (size_t row = 0; row < table.rows; ++row) {
      rows[row].name = str("row_", number, "_", row);
      for (size_t column = 0; column < table.columns; ++column) {
        columns[column].name = str("column_", number, "_", column);
        const Cost cost = table.at(row, column);
        if (cost >= kForbidden) continue;
        const auto index = static_cast<int>(model().columns.size());
        model().columns.push_back({str("e_", number, "_", row, "_", column), objective_cost(cost),
                                   IlpModel::ColumnKind::kUnitInterval, false});
        rows[row].terms.push_back({index, 1});
        columns[column].terms.push_back({index, 1});
      }
    }
    for (IlpModel::Row& row : rows) add_row(std::move(row));
    for (IlpModel::Row& column : columns) add_row(std::move(column));
  }

  // Per class the row that says: its pairs are chosen as often as its options.
  std::vector<IlpModel::Row> flow_rows(int variable,
                                       const std::vector<int>& class_of,
                                       size_t classes) const {
    std::vector<IlpModel::Row> rows(classes);
    for (size_t i = 0; i < class_of.size(); ++i) {
      if (class_of[i] < 0) continue;
      rows[static_cast<size_t>(class_of[i])].terms.push_back(
          {column_of(static_cast<size_t>(variable), i), -1});
    }
    return rows;
  }

  void add_memory() {
    std::vector<int64_t> times = crowded_times(problem_);
    if (times.empty()) times.push_back(0);  // only what is always occupied
    std::map<std::vector<IlpModel::Term>, size_t> known;
    for (size_t i = 0; i < times.size(); ++i) {
      IlpModel::Row row = memory_row(times[i], str("memory_", i));
      const auto [found, is_new] = known.try_emplace(row.terms, model().rows.size());
      if (is_new) {
        add_row(std::move(row));
      } else {
        IlpModel::Row& same = model().rows[found->second];
        same.bound = std::min(same.bound, row.bound);
      }
    }
  }

  // What every option of a variable takes is taken from the bound, so that coefficients are small.
  IlpModel::Row memory_row(int64_t time, std::string name) {
    IlpModel::Row row = {std::move(name), {}, IlpModel::Relation::kAtMost, 0};
    const bool is_peak = objective_ == IlpObjective::kPeakBytes;
    if (!is_peak) row.bound = *problem_.memory_bound;
    for (size_t i = 0; i < problem_.variables.size(); ++i) {
      const std::vector<int64_t> bytes = bytes_at(problem_.variables[i], time);
      if (bytes.empty()) continue;
      const int64_t least = *std::min_element(bytes.begin(), bytes.end());
      row.bound -= least;
      for (size_t option = 0; option < bytes.size(); ++option) {
        if (bytes[option] > least)
          row.terms.push_back({column_of(i, option), bytes[option] - least});
      }
    }
    if (is_peak) row.terms.push_back({static_cast<int>(model().columns.size()) - 1, -1});
    if (row.terms.empty()) row.terms.push_back({0, 0});
    return row;
  }

  // Per option; empty when the variable occupies nothing then.
  static std::vector<int64_t> bytes_at(const Variable& variable, int64_t time) {
    const auto is_live = [&](const TimedUsage& usage) {
      return usage.live.begin <= time && time < usage.live.end;
    };
    const bool has_bytes = std::any_of(variable.bytes.begin(), variable.bytes.end(),
                                       [](int64_t bytes) { return bytes > 0; });
    if (!has_bytes && std::none_of(variable.timed.begin(), variable.timed.end(), is_live))
      return {};
    std::vector<int64_t> bytes = variable.bytes;
    for (const TimedUsage& usage : variable.timed) {
      if (!is_live(usage)) continue;
      std::transform(bytes.begin(), bytes.end(), usage.bytes.begin(), bytes.begin(), std::plus<>());
    }
    return bytes;
  }

  void add_row(IlpModel::Row row) {
    terms_ += static_cast<int64_t>(row.terms.size());
    if (terms_ > kMaxTerms) {
      throw Error(ErrorCode::kUnsupported,
                  str("[ilp] the integer program has more than ", kMaxTerms,
                      " terms; use the exact solver for a problem of this size"));
    }
    model().rows.push_back(std::move(row));
  }

  const Problem& problem_;
  IlpObjective objective_;
  std::vector<Pair> pairs_;
  std::vector<std::vector<Cost>> cost_;  // per variable and option, constants of tables included
  IlpEncoding encoding_;
  int64_t terms_ = 0;
};

}  // namespace

std::vector<int> IlpEncoding::choice(std::span<const double> columns) const {
  std::vector<int> result;
  for (size_t i = 0; i < options.size(); ++i) {
    const auto begin = columns.begin() + first_column[i];
    result.push_back(static_cast<int>(std::max_element(begin, begin + options[i]) - begin));
  }
  return result;
}

IlpEncoding encode_ilp(const Problem& problem, IlpObjective objective) {
  check_problem(problem);
  return Encoder(problem, objective).encode();
}

}  // namespace partita::planner
