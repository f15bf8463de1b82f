// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/ilp_solver.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "planner/solvers/cbc.h"
#include "planner/solvers/descend.h"
#include "planner/solvers/ilp_encode.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// How far the bound that CBC gives is trusted. Its tolerances are 1e-7 on numbers that are scaled
// to 2^20, so 1e-13 per term; this leaves room for 10^4 terms that are all wrong the same way.
constexpr double kTrusted = 1e-9;
// CBC's memory rows hold up to a relative error; when the exact sum does not, the bound is lowered
// by what was missing and the program solved again, at most so often.
constexpr int kMostAttempts = 4;

// Sums of costs are multiples of this.
Cost common_divisor(const Problem& problem) {
  Cost divisor = 0;
  const auto add = [&](const std::vector<Cost>& costs) {
    for (const Cost cost : costs) {
      if (cost < kForbidden) divisor = std::gcd(divisor, cost);
    }
  };
  for (const Variable& variable : problem.variables) add(variable.cost);
  for (const EdgeTable& table : problem.tables) add(table.cost);
  return std::max<Cost>(divisor, 1);
}

Cost proven_bound(double bound, const Problem& problem) {
  const double trusted = bound - std::abs(bound) * kTrusted;
  if (!(trusted > 0)) return 0;
  const Cost divisor = common_divisor(problem);
  const auto multiples = std::ceil(trusted / static_cast<double>(divisor));
  const auto most = static_cast<double>(kMaxTotal / divisor);
  return static_cast<Cost>(std::min(multiples, most)) * divisor;
}

class IlpRun {
 public:
  IlpRun(const Problem& problem, double time_limit_s)
      : problem_(problem),
        time_limit_s_(time_limit_s),
        deadline_(Clock::now() + to_duration(time_limit_s)) {}

  Solution solve() {
    Problem tightened = problem_;
    Cost lower_bound = 0;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      const IlpEncoding encoding = encode_ilp(tightened);
      const IlpAnswer answer = solve_with_cbc(encoding.model, seconds_left());
      if (attempt == 0) lower_bound = proven_bound(answer.lower_bound, problem_);
      if (answer.is_infeasible && attempt == 0) return smallest();
      if (answer.columns.empty()) break;
      Solution solution = evaluated(encoding.choice(answer.columns), lower_bound);
      if (solution.feasible || solution.cost >= kForbidden) return solution;
      tightened.memory_bound = *tightened.memory_bound - (solution.bytes - *problem_.memory_bound);
    }
    return descended(lower_bound);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static Clock::duration to_duration(double seconds) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  [[nodiscard]] double seconds_left() const {
    return std::max(0.0, std::chrono::duration<double>(deadline_ - Clock::now()).count());
  }

  [[nodiscard]] Solution evaluated(std::vector<int> choice, Cost lower_bound) const {
    const Value value = evaluate(problem_, choice);
    Solution solution;
    solution.feasible = value.cost < kForbidden &&
                        (!problem_.memory_bound || value.bytes <= *problem_.memory_bound);
    solution.choice = std::move(choice);
    solution.cost = value.cost;
    solution.bytes = value.bytes;
    solution.lower_bound = std::min(lower_bound, value.cost);
    solution.solver = "ILP by CBC";
    return solution;
  }

  // Nothing fits: what comes closest.
  [[nodiscard]] Solution smallest() const {
    const IlpEncoding encoding = encode_ilp(problem_, IlpObjective::kPeakBytes);
    const IlpAnswer answer = solve_with_cbc(encoding.model, seconds_left());
    if (answer.is_infeasible) return illegal();
    if (answer.columns.empty()) return descended(0);
    Solution solution = evaluated(encoding.choice(answer.columns), 0);
    solution.feasible = false;
    solution.lower_bound = solution.cost;
    return solution;
  }

  // Every assignment uses a forbidden option or pair.
  [[nodiscard]] Solution illegal() const {
    Solution solution = evaluated(std::vector<int>(problem_.variables.size(), 0), 0);
    solution.feasible = false;
    solution.cost = kForbidden;
    solution.lower_bound = kForbidden;
    return solution;
  }

  // Out of time without an assignment of its own.
  [[nodiscard]] Solution descended(Cost lower_bound) const {
    Solution solution = DescendSolver().solve(problem_);
    if (!solution.feasible) {
      throw Error(ErrorCode::kDeadlineExceeded,
                  str("[ilp] CBC has found nothing legal in ", time_limit_s_,
                      " seconds; give it a longer time limit, or use the exact solver"));
    }
    solution.lower_bound = std::min(solution.cost, std::max(solution.lower_bound, lower_bound));
    solution.solver = "descent; CBC found nothing in time";
    return solution;
  }

  const Problem& problem_;
  double time_limit_s_;
  Clock::time_point deadline_;
};

}  // namespace

Solution IlpSolver::solve(const Problem& problem) const {
  return IlpRun(problem, time_limit_s_).solve();
}

}  // namespace partita::planner
