// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/eliminate.h"

#include <algorithm>

#include "planner/solvers/bucket_tree.h"
#include "planner/solvers/exact.h"
#include "planner/solvers/pareto.h"
#include "planner/solvers/simplify.h"

namespace partita::planner {
namespace {

// 4 million pairs take about 300 MB.
constexpr int64_t kMaxParetoEntries = int64_t{4} << 20;
constexpr Weights kCostFirst = {int64_t{1} << 52, 1};
constexpr Weights kBytesFirst = {1, int64_t{1} << 58};

// An assignment with its value.
struct Candidate {
  std::vector<int> choice;
  Value value;
};

class BoundedElimination {
 public:
  BoundedElimination(const Problem& problem, double time_limit_s)
      : problem_(problem), tree_(problem), time_limit_s_(time_limit_s) {}

  [[nodiscard]] bool fits() const { return tree_.fits(); }

  [[nodiscard]] Solution solve() const {
    const Candidate cheapest = minimum(kCostFirst);
    if (is_feasible(cheapest)) return exact(cheapest, "elimination");
    const Candidate smallest = minimum(kBytesFirst);
    if (!is_feasible(smallest)) {
      Solution none = exact(smallest, "elimination");
      none.feasible = false;
      return none;
    }
    return between(cheapest, smallest);
  }

 private:
  [[nodiscard]] Candidate minimum(Weights weights) const {
    Candidate result;
    result.choice = tree_.choice(tree_.upward(weights));
    result.value = evaluate(problem_, result.choice);
    return result;
  }

  [[nodiscard]] bool is_feasible(const Candidate& candidate) const {
    return candidate.value.cost < kForbidden &&
           (!problem_.memory_bound || candidate.value.bytes <= *problem_.memory_bound);
  }

  static Solution exact(const Candidate& candidate, const char* solver) {
    return {
        true,  candidate.choice, candidate.value.cost, candidate.value.bytes, candidate.value.cost,
        solver};
  }

  // Walks along the lower hull of all (cost, bytes) between an assignment that is too large and one
  // that fits; the slope of their line is the next multiplier. Ends when no assignment lies below
  // the line.
  [[nodiscard]] Solution between(Candidate too_large, Candidate fitting) const {
    const int64_t bound = *problem_.memory_bound;
    Weights slope;
    Cost lower_bound = too_large.value.cost;
    while (true) {
      slope = {too_large.value.bytes - fitting.value.bytes,
               std::max<Cost>(0, fitting.value.cost - too_large.value.cost)};
      const Candidate next = minimum(slope);
      const Key dual = key_of(next.value, slope) - Key{bound} * slope.bytes;
      // Rounded up: costs are integers.
      const auto bound_here = static_cast<Cost>((dual + slope.cost - 1) / slope.cost);
      lower_bound = std::max(lower_bound, bound_here);
      if (key_of(next.value, slope) >= key_of(fitting.value, slope)) break;
      (is_feasible(next) ? fitting : too_large) = next;
    }
    return closed(best_mix(too_large, fitting, slope), slope, lower_bound);
  }

  // The best assignment that takes each option from one of the two: a small problem, and with many
  // alike layers close to the optimum. It leaves little to enumerate.
  [[nodiscard]] Candidate best_mix(const Candidate& too_large,
                                   const Candidate& fitting,
                                   Weights slope) const {
    std::vector<std::vector<int>> options;
    for (size_t i = 0; i < fitting.choice.size(); ++i) {
      const auto [low, high] = std::minmax(too_large.choice[i], fitting.choice[i]);
      options.push_back(low == high ? std::vector<int>{low} : std::vector<int>{low, high});
    }
    const SimplifiedProblem mix = restricted(problem_, std::move(options));
    const ParetoResult result = solve_pareto(BucketTree(mix.problem), limits(fitting, slope));
    if (!result.choice) return fitting;
    Candidate best = {mix.original_choice(*result.choice), {}};
    best.value = evaluate(problem_, best.choice);
    return best;
  }

  [[nodiscard]] ParetoLimits limits(const Candidate& incumbent, Weights slope) const {
    return {.memory_bound = *problem_.memory_bound,
            .incumbent = incumbent.value,
            .multiplier = slope,
            .max_entries = kMaxParetoEntries,
            .time_limit_s = time_limit_s_};
  }

  // The optimum between the bound and the feasible assignment, if it can be found in time.
  [[nodiscard]] Solution closed(const Candidate& fitting, Weights slope, Cost lower_bound) const {
    const ParetoResult result = solve_pareto(tree_, limits(fitting, slope));
    if (result.finished && result.choice) {
      const Candidate best = {*result.choice, evaluate(problem_, *result.choice)};
      return exact(best, "elimination, Lagrange and Pareto");
    }
    Solution solution = exact(fitting, "elimination and Lagrange");
    if (!result.finished) solution.lower_bound = std::min(lower_bound, fitting.value.cost);
    return solution;
  }

  const Problem& problem_;
  BucketTree tree_;
  double time_limit_s_;
};

}  // namespace

Solution EliminationSolver::solve(const Problem& problem) const {
  check_problem(problem);
  const bool has_timed =
      std::any_of(problem.variables.begin(), problem.variables.end(),
                  [](const Variable& variable) { return !variable.timed.empty(); });
  if (has_timed) return ExactSolver(time_limit_s_).solve(problem);
  const SimplifiedProblem simplified = simplify(problem);
  const BoundedElimination elimination(simplified.problem, time_limit_s_);
  if (!elimination.fits()) return ExactSolver(time_limit_s_).solve(problem);
  Solution solution = elimination.solve();
  solution.choice = simplified.original_choice(solution.choice);
  return solution;
}

}  // namespace partita::planner
