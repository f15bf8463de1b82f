// SPDX-License-Identifier: Apache-2.0
// Reshard paths: each step is executed on simulated ranks, costs are compared with brute force.
#include "spec/reshard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "spec/random_spec.h"
#include "support/error.h"

namespace partita::spec {
namespace {

using Shape = std::vector<int64_t>;
using Index = std::vector<int64_t>;
using Local = std::map<Index, std::set<int64_t>>;  // element -> the terms it is the reduction of
using World = std::vector<Local>;                  // per cell

// All indices of the ranges, row major.
std::vector<Index> indices(const std::vector<Range>& ranges) {
  std::vector<Index> result = {{}};
  for (const Range& range : ranges) {
    std::vector<Index> longer;
    for (const Index& index : result) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        longer.push_back(index);
        longer.back().push_back(i);
      }
    }
    result = std::move(longer);
  }
  return result;
}

struct Setting {
  Mesh mesh;
  Shape shape;

  std::vector<Index> held(const TensorSpec& spec, int64_t cell) const {
    return indices(local_ranges(spec, shape, mesh, cell));
  }

  // The terms of a cell are numbered by its position along the axes that are Partial in `first`;
  // along the axes that are Partial in `now` it holds its own, along the others all of them.
  // Along axes that are Partial in `now` only, the first cell holds them and the others nothing.
  std::set<int64_t> terms(const TensorSpec& first, const TensorSpec& now, int64_t cell) const {
    for (const PartialAxis& partial : now.partials) {
      const bool is_old =
          std::find(first.partials.begin(), first.partials.end(), partial) != first.partials.end();
      if (!is_old && mesh.coordinate(cell, partial.axis) != 0) return {};
    }
    std::vector<int> all;
    std::vector<int> reduced;
    for (const PartialAxis& partial : first.partials) {
      all.push_back(partial.axis);
      const bool is_left =
          std::find(now.partials.begin(), now.partials.end(), partial) != now.partials.end();
      if (!is_left) reduced.push_back(partial.axis);
    }
    std::set<int64_t> result;
    for (const int64_t other : mesh.group(cell, reduced)) result.insert(mesh.position(other, all));
    return result;
  }

  World world(const TensorSpec& first, const TensorSpec& now) const {
    World world(static_cast<size_t>(mesh.size()));
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      for (const Index& index : held(now, cell)) {
        world[static_cast<size_t>(cell)][index] = terms(first, now, cell);
      }
    }
    return world;
  }

  // The first cell along the axes keeps what it has, the others have nothing but zeros.
  World after_term(const World& before, const ReshardStep& step) const {
    World after = before;
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      if (mesh.position(cell, step.axes) == 0) continue;
      for (auto& [index, terms] : after[static_cast<size_t>(cell)]) terms.clear();
    }
    return after;
  }

  // Every cell has what one cell of its group had, and no two have the same cell's.
  World after_permute(const World& before, const TensorSpec& now, const ReshardStep& step) const {
    World after(before.size());
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      const std::vector<int64_t> group = mesh.group(cell, step.axes);
      const std::vector<int64_t> sources = permute_sources(now, step, mesh, cell);
      EXPECT_EQ(std::set<int64_t>(sources.begin(), sources.end()).size(), group.size());
      const auto own = std::find(group.begin(), group.end(), cell) - group.begin();
      const int64_t source = group[static_cast<size_t>(sources[static_cast<size_t>(own)])];
      after[static_cast<size_t>(cell)] = before[static_cast<size_t>(source)];
    }
    return after;
  }

  // What every cell holds after the step, taken only from its own group; fails when something is
  // not there.
  World apply(const World& before, const TensorSpec& now, const ReshardStep& step) const {
    if (step.kind == ReshardKind::kTerm) return after_term(before, step);
    if (step.kind == ReshardKind::kPermute) return after_permute(before, now, step);
    const bool is_local = step.kind == ReshardKind::kSlice;
    const bool reduces =
        step.kind == ReshardKind::kAllReduce || step.kind == ReshardKind::kReduceScatter;
    World after(before.size());
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      const auto group = is_local ? std::vector<int64_t>{cell} : mesh.group(cell, step.axes);
      for (const Index& index : held(step.result, cell)) {
        std::set<int64_t>& element = after[static_cast<size_t>(cell)][index];
        size_t holders = 0;
        for (const int64_t other : group) {
          const Local& local = before[static_cast<size_t>(other)];
          const auto found = local.find(index);
          if (found == local.end()) continue;
          ++holders;
          element.insert(found->second.begin(), found->second.end());
        }
        EXPECT_GE(holders, reduces ? group.size() : 1U) << "element is missing";
      }
    }
    return after;
  }
};

// Random but fixed cost of a step: an alpha and a beta per mesh axis, local steps free.
StepCost random_cost(std::mt19937& random, const Mesh& mesh) {
  std::vector<double> alpha;
  std::vector<double> beta;
  for (int axis = 0; axis < mesh.axis_count(); ++axis) {
    alpha.push_back(static_cast<double>(random() % 4) * 4);
    beta.push_back(static_cast<double>(1 + random() % 20));
  }
  return [alpha, beta](const StepShape& step) {
    if (is_local(step.kind)) return 0.0;
    double slowest_alpha = 0;
    double slowest_beta = 0;
    for (const int axis : step.axes) {
      slowest_alpha = std::max(slowest_alpha, alpha[static_cast<size_t>(axis)]);
      slowest_beta = std::max(slowest_beta, beta[static_cast<size_t>(axis)]);
    }
    const bool is_double = step.kind == ReshardKind::kAllReduce;
    const auto moved = static_cast<double>(std::max(step.elements_in, step.elements_out));
    const auto group = static_cast<double>(step.group_size);
    // An all_to_all moves only the part of the local piece that changes its owner.
    const auto local = step.kind == ReshardKind::kAllToAll ? moved / group : moved;
    if (step.kind == ReshardKind::kPermute) return slowest_alpha + slowest_beta * moved;
    return slowest_alpha + slowest_beta * local * (group - 1) / group * (is_double ? 2 : 1);
  };
}

const std::vector<Setting>& settings() {
  static const std::vector<Setting> all = {
      {Mesh::parse("a=2"), {6}},           {Mesh::parse("a=3"), {5, 4}},
      {Mesh::parse("a=2,b=2"), {4}},       {Mesh::parse("a=2,b=3"), {5, 6}},
      {Mesh::parse("a=2,b=2"), {3, 2, 4}}, {Mesh::parse("a=2,b=2,c=2"), {5, 4}}};
  return all;
}

// A random target; it keeps some partials of `from` and asks for some terms.
TensorSpec random_target(const Setting& at, const TensorSpec& from, std::mt19937& random) {
  TensorSpec to = random_spec(at.shape, at.mesh, random, {.partials = false});
  for (const PartialAxis& partial : from.partials) {
    const bool is_used = std::any_of(to.dims.begin(), to.dims.end(), [&](const DimSpec& dim) {
      return std::find(dim.axes.begin(), dim.axes.end(), partial.axis) != dim.axes.end();
    });
    if (!is_used && random() % 4 == 0) to.partials.push_back(partial);
  }
  for (int axis = 0; axis < at.mesh.axis_count(); ++axis) {
    const bool is_partial = std::any_of(from.partials.begin(), from.partials.end(),
                                        [&](const auto& partial) { return partial.axis == axis; });
    if (is_partial || random() % 6 != 0) continue;
    for (DimSpec& dim : to.dims) {
      if (std::find(dim.axes.begin(), dim.axes.end(), axis) != dim.axes.end()) dim = {};
    }
    to.partials.push_back({axis, ReduceKind::kSum});
  }
  std::sort(to.partials.begin(), to.partials.end());
  const bool only_sums = std::all_of(to.partials.begin(), to.partials.end(),
                                     [](const auto& p) { return p.kind == ReduceKind::kSum; });
  if (!only_sums) to.partials.clear();
  return to;
}

TEST(CheapestPath, StepsExecutedOnRanksEndInTheTarget) {
  std::mt19937 random(11);
  std::map<ReshardKind, int> kinds;
  for (int round = 0; round < 600; ++round) {
    const Setting& at = settings()[random() % settings().size()];
    const TensorSpec from = random_spec(at.shape, at.mesh, random, {.several_kinds = false});
    const TensorSpec to = random_target(at, from, random);
    const auto path = cheapest_path(from, to, at.shape, at.mesh, random_cost(random, at.mesh));
    const std::string what = to_string(from, at.shape, at.mesh) + " => " +
                             to_string(to, at.shape, at.mesh) + " on " + at.mesh.to_string();
    ASSERT_TRUE(path.has_value()) << what;
    World world = at.world(from, from);
    TensorSpec before = from;
    for (const ReshardStep& step : path->steps) {
      ASSERT_NO_THROW(validate(step.result, at.shape, at.mesh)) << what;
      world = at.apply(world, before, step);
      before = step.result;
      ++kinds[step.kind];
      ASSERT_EQ(world, at.world(from, step.result)) << what << " at " << to_string(step.kind);
    }
    ASSERT_EQ(path->steps.empty() ? from : path->steps.back().result, to) << what;
  }
  EXPECT_EQ(kinds.size(), 7U);  // every kind of step was taken
}

// Brute force: all specs over even pieces and those of `from` and `to`, all single steps between
// them, chains of three.
class BruteForce {
 public:
  BruteForce(const Setting& at, TensorSpec from, TensorSpec to)
      : at_(at), from_(std::move(from)), to_(std::move(to)) {
    specs_ = {{}};
    for (size_t dim = 0; dim < at.shape.size(); ++dim) {
      std::vector<TensorSpec> longer;
      for (const TensorSpec& spec : specs_) {
        for (const DimSpec& option : dim_options(dim)) {
          longer.push_back(spec);
          longer.back().dims.push_back(option);
        }
      }
      specs_ = std::move(longer);
    }
    for (const PartialAxis& partial : from_.partials) {
      for (size_t i = 0, count = specs_.size(); i < count; ++i) {
        specs_.push_back(specs_[i]);
        specs_.back().partials.push_back(partial);
      }
    }
    for (const PartialAxis& partial : to_.partials) {
      if (has(from_, partial)) continue;
      for (size_t i = 0, count = specs_.size(); i < count; ++i) {
        specs_.push_back(specs_[i]);
        specs_.back().partials.push_back(partial);
      }
    }
    for (TensorSpec& spec : specs_) std::sort(spec.partials.begin(), spec.partials.end());
    std::erase_if(specs_, [&](const TensorSpec& spec) { return !is_valid(spec); });
  }

  double cost(const StepCost& step_cost) const {
    constexpr double kNever = 1e30;
    std::map<TensorSpec, double> best = {{from_, 0.0}};
    for (int step = 0; step < 3; ++step) {
      std::map<TensorSpec, double> next = best;
      for (const auto& [spec, so_far] : best) {
        for (const TensorSpec& other : specs_) {
          const auto shape = step_between(spec, other);
          if (!shape) continue;
          const auto at = next.try_emplace(other, kNever).first;
          at->second = std::min(at->second, so_far + step_cost(*shape));
        }
      }
      best = std::move(next);
    }
    const auto found = best.find(to_);
    return found == best.end() ? kNever : found->second;
  }

 private:
  std::vector<DimSpec> dim_options(size_t dim) const {
    std::set<DimSpec> options = {{}, from_.dims[dim], to_.dims[dim]};
    std::vector<int> axes;
    for (int axis = 0; axis < at_.mesh.axis_count(); ++axis) axes.push_back(axis);
    do {
      for (size_t length = 1; length <= axes.size(); ++length) {
        DimSpec even;
        even.axes.assign(axes.begin(), axes.begin() + static_cast<int64_t>(length));
        Shape sizes;
        for (const int axis : even.axes) sizes.push_back(at_.mesh.size_of({&axis, 1}));
        even.pieces = balanced_pieces(at_.shape[dim], sizes);
        options.insert(even);
      }
    } while (std::next_permutation(axes.begin(), axes.end()));
    return {options.begin(), options.end()};
  }

  bool is_valid(const TensorSpec& spec) const {
    try {
      validate(spec, at_.shape, at_.mesh);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  int64_t largest(const TensorSpec& spec) const {
    int64_t most = 0;
    for (int64_t cell = 0; cell < at_.mesh.size(); ++cell) {
      int64_t elements = 1;
      for (const Range& range : local_ranges(spec, at_.shape, at_.mesh, cell)) {
        elements *= range.size();
      }
      most = std::max(most, elements);
    }
    return most;
  }

  static bool has_overlap(const DimSpec& dim) {
    int64_t end = 0;
    for (const Range& piece : dim.pieces) {
      if (piece.empty()) continue;
      if (piece.begin < end) return true;
      end = piece.end;
    }
    return false;
  }

  // The axes that `longer` has after those of `shorter`; nothing when that is no prefix.
  static std::optional<std::vector<int>> extra_axes(const DimSpec& shorter, const DimSpec& longer) {
    if (shorter.axes.size() >= longer.axes.size()) return std::nullopt;
    if (!std::equal(shorter.axes.begin(), shorter.axes.end(), longer.axes.begin())) {
      return std::nullopt;
    }
    return std::vector<int>(longer.axes.begin() + static_cast<int64_t>(shorter.axes.size()),
                            longer.axes.end());
  }

  static bool has(const TensorSpec& spec, const PartialAxis& partial) {
    return std::find(spec.partials.begin(), spec.partials.end(), partial) != spec.partials.end();
  }

  // All dims that changed have their pieces on other axes.
  static std::optional<ReshardStep> permutation(const TensorSpec& before,
                                                const TensorSpec& after,
                                                const std::vector<size_t>& changed) {
    std::set<int> axes;
    for (const size_t dim : changed) {
      const DimSpec& old_dim = before.dims[dim];
      const DimSpec& new_dim = after.dims[dim];
      if (old_dim.axes.empty() || old_dim.pieces != new_dim.pieces) return std::nullopt;
      axes.insert(old_dim.axes.begin(), old_dim.axes.end());
      axes.insert(new_dim.axes.begin(), new_dim.axes.end());
    }
    return ReshardStep{
        .kind = ReshardKind::kPermute, .axes = {axes.begin(), axes.end()}, .result = after};
  }

  // Only new terms of a sum.
  static std::optional<ReshardStep> terms(const TensorSpec& before, const TensorSpec& after) {
    ReshardStep step{.kind = ReshardKind::kTerm, .axes = {}, .result = after};
    for (const PartialAxis& partial : before.partials) {
      if (!has(after, partial)) return std::nullopt;
    }
    for (const PartialAxis& partial : after.partials) {
      if (!has(before, partial)) step.axes.push_back(partial.axis);
    }
    return before.dims == after.dims ? std::optional(step) : std::nullopt;
  }

  static std::vector<int> reduced_axes(const TensorSpec& before, const TensorSpec& after) {
    std::vector<int> axes;
    for (const PartialAxis& partial : before.partials) {
      const auto& left = after.partials;
      if (std::find(left.begin(), left.end(), partial) == left.end()) axes.push_back(partial.axis);
    }
    return axes;
  }

  // The kind of the one step from `before` to `after`, by what changed; execution on ranks decides
  // whether it is possible.
  std::optional<ReshardStep> guess(const TensorSpec& before, const TensorSpec& after) const {
    ReshardStep step{.axes = {}, .result = after};
    const std::vector<int> reduced = reduced_axes(before, after);
    if (before.partials.size() < after.partials.size() + reduced.size()) {
      return terms(before, after);
    }
    std::vector<size_t> changed;
    for (size_t dim = 0; dim < before.dims.size(); ++dim) {
      if (before.dims[dim] != after.dims[dim]) changed.push_back(dim);
    }
    if (changed.empty()) {
      step.kind = ReshardKind::kAllReduce;
      step.axes = reduced;
      return reduced.empty() ? std::nullopt : std::optional(step);
    }
    if (const auto moved = permutation(before, after, changed); moved && reduced.empty()) {
      return moved;
    }
    if (changed.size() == 1) {
      const DimSpec& old_dim = before.dims[changed[0]];
      const DimSpec& new_dim = after.dims[changed[0]];
      if (const auto lost = extra_axes(new_dim, old_dim); lost && reduced.empty()) {
        step.kind = ReshardKind::kAllGather;
        step.axes = *lost;
        return step;
      }
      const auto got = extra_axes(old_dim, new_dim);
      if (!got) return std::nullopt;
      step.kind = reduced.empty() ? ReshardKind::kSlice : ReshardKind::kReduceScatter;
      step.axes = *got;
      std::vector<int> sorted = *got;
      std::sort(sorted.begin(), sorted.end());
      if (!reduced.empty() && (sorted != reduced || has_overlap(new_dim))) return std::nullopt;
      return step;
    }
    if (changed.size() != 2 || !reduced.empty()) return std::nullopt;
    for (const auto& [loser, gainer] :
         {std::pair(changed[0], changed[1]), {changed[1], changed[0]}}) {
      const auto lost = extra_axes(after.dims[loser], before.dims[loser]);
      const auto got = extra_axes(before.dims[gainer], after.dims[gainer]);
      if (!lost || !got || *lost != *got || has_overlap(after.dims[gainer])) continue;
      step.kind = ReshardKind::kAllToAll;
      step.axes = *lost;
      return step;
    }
    return std::nullopt;
  }

  // Every element that a cell holds afterwards is in its group before.
  bool is_possible(const TensorSpec& before, const ReshardStep& step) const {
    const bool is_alone = is_local(step.kind);
    for (int64_t cell = 0; cell < at_.mesh.size(); ++cell) {
      std::set<Index> reachable;
      for (const int64_t other : at_.mesh.group(cell, step.axes)) {
        if (is_alone && other != cell) continue;
        for (Index& index : at_.held(before, other)) reachable.insert(std::move(index));
      }
      for (const Index& index : at_.held(step.result, cell)) {
        if (!reachable.contains(index)) return false;
      }
    }
    return true;
  }

  std::optional<StepShape> step_between(const TensorSpec& before, const TensorSpec& after) const {
    const auto [known, is_new] = steps_.try_emplace({before, after});
    if (is_new) {
      known->second = guess(before, after);
      if (known->second && !is_possible(before, *known->second)) known->second.reset();
    }
    if (!known->second) return std::nullopt;
    const std::vector<int>& axes = known->second->axes;
    return StepShape{known->second->kind, at_.mesh.size_of(axes), largest(before), largest(after),
                     axes};
  }

  const Setting& at_;
  TensorSpec from_;
  TensorSpec to_;
  std::vector<TensorSpec> specs_;
  mutable std::map<std::pair<TensorSpec, TensorSpec>, std::optional<ReshardStep>> steps_;
};

TEST(CheapestPath, IsNeverDearerThanBruteForceOverThreeSteps) {
  std::mt19937 random(23);
  for (int round = 0; round < 60; ++round) {
    const Setting& at = settings()[random() % 4];  // one and two axes, at most two dims
    const TensorSpec from = random_spec(at.shape, at.mesh, random, {.several_kinds = false});
    const TensorSpec to = random_target(at, from, random);
    const BruteForce brute_force(at, from, to);
    for (int costs = 0; costs < 3; ++costs) {
      const StepCost cost = random_cost(random, at.mesh);
      const auto path = cheapest_path(from, to, at.shape, at.mesh, cost);
      ASSERT_TRUE(path.has_value());
      EXPECT_LE(path->cost, brute_force.cost(cost) + 1e-9)
          << to_string(from, at.shape, at.mesh) << " => " << to_string(to, at.shape, at.mesh);
    }
  }
}

// Bytes that leave a rank, in a ring.
double ring_elements(const StepShape& step) {
  const auto rest = static_cast<double>(step.group_size - 1) / static_cast<double>(step.group_size);
  switch (step.kind) {
    case ReshardKind::kSlice:
      return 0;
    case ReshardKind::kAllGather:
      return static_cast<double>(step.elements_out) * rest;
    case ReshardKind::kReduceScatter:
    case ReshardKind::kAllToAll:
      return static_cast<double>(step.elements_in) * rest;
    case ReshardKind::kAllReduce:
      return 2 * static_cast<double>(step.elements_in) * rest;
    case ReshardKind::kPermute:
      return static_cast<double>(step.elements_in);
    case ReshardKind::kTerm:
      return 0;
  }
  return 0;
}

// "all_gather(a) slice(b)" and the cost.
std::string path_text(std::string_view from,
                      std::string_view to,
                      const Setting& at,
                      const StepCost& cost = ring_elements) {
  const auto path =
      cheapest_path(parse_tensor_spec(from, at.shape, at.mesh),
                    parse_tensor_spec(to, at.shape, at.mesh), at.shape, at.mesh, cost);
  if (!path) return "none";
  std::string text;
  for (const ReshardStep& step : path->steps) {
    text += str(to_string(step.kind), "(");
    for (const int axis : step.axes) text += at.mesh.axes()[static_cast<size_t>(axis)].name;
    text += ") ";
  }
  return str(text, path->cost);
}

TEST(CheapestPath, TableOnOneAxis) {
  const Setting at{Mesh::parse("p=4"), {8, 8}};
  EXPECT_EQ(path_text("(R, R)", "(R, R)", at), "0");
  EXPECT_EQ(path_text("(R, R)", "(S0, R)", at), "slice(p) 0");
  EXPECT_EQ(path_text("(S0, R)", "(R, R)", at), "all_gather(p) 48");
  EXPECT_EQ(path_text("(S0, R)", "(R, S0)", at), "all_to_all(p) 12");
  EXPECT_EQ(path_text("(R, R) +sum(p)", "(R, R)", at), "all_reduce(p) 96");
  EXPECT_EQ(path_text("(R, R) +sum(p)", "(R, S0)", at), "reduce_scatter(p) 48");
  EXPECT_EQ(path_text("(R, R)", "(R, R) +sum(p)", at), "term(p) 0");
  EXPECT_EQ(path_text("(S0, R)", "(R, R) +sum(p)", at), "all_gather(p) term(p) 48");
  EXPECT_EQ(path_text("(R, R)", "(R, R) +max(p)", at), "none");
  EXPECT_EQ(path_text("(R, R) +max(p)", "(R, R) +sum(p)", at), "none");
  EXPECT_EQ(path_text("(R, R) +sum(p)", "(R, R) +sum(p)", at), "0");
}

TEST(CheapestPath, FallsBackToGatherAndSliceWhenAllToAllIsDear) {
  const Setting at{Mesh::parse("p=4"), {8, 8}};
  const auto cost = [](const StepShape& step) {
    return step.kind == ReshardKind::kAllToAll ? 1000 : ring_elements(step);
  };
  EXPECT_EQ(path_text("(S0, R)", "(R, S0)", at, cost), "all_gather(p) slice(p) 48");
}

TEST(CheapestPath, OtherPiecesOnTheSameAxisGoThroughTheWhole) {
  const Setting at{Mesh::parse("p=2"), {8, 8}};
  EXPECT_EQ(path_text("[a:p{0-6,6-8}, b]", "[a:p, b]", at), "all_gather(p) slice(p) 32");
}

TEST(CheapestPath, OverlappingTargetIsNotScattered) {
  const Setting at{Mesh::parse("p=2"), {3, 4}};
  EXPECT_EQ(path_text("[a, b] +sum(p)", "[a:p{0-2,1-3}, b]", at), "all_reduce(p) slice(p) 12");
  EXPECT_EQ(path_text("[a, b:p]", "[a:p{0-2,1-3}, b]", at), "all_gather(p) slice(p) 6");
  EXPECT_EQ(path_text("[a:p{0-2,1-3}, b]", "[a, b]", at), "all_gather(p) 6");
}

TEST(CheapestPath, AllReduceGoesThroughTheFastAxisFirst) {
  const Setting at{Mesh::parse("host=2,gpu=4"), {8, 8}};
  const auto cost = [](const StepShape& step) {
    const bool is_slow = std::find(step.axes.begin(), step.axes.end(), 0) != step.axes.end();
    return ring_elements(step) * (is_slow ? 10 : 1);
  };
  // 48 + 16 * 10 + 48 instead of 640 + 96 for one axis after the other.
  EXPECT_EQ(path_text("(R, R) +sum(host*gpu)", "(R, R)", at, cost),
            "reduce_scatter(gpu) all_reduce(host) all_gather(gpu) 256");
}

TEST(CheapestPath, SymbolicDimIsNeverSplit) {
  const Mesh mesh = Mesh::parse("host=2,gpu=4");
  const TensorSpec from = {{{}, {}}, {{0, ReduceKind::kSum}, {1, ReduceKind::kSum}}};
  const auto path =
      cheapest_path(from, TensorSpec::replicated(2), Shape{-1000, 8}, mesh, ring_elements);
  ASSERT_TRUE(path.has_value());
  EXPECT_FALSE(path->steps.empty());
  for (const ReshardStep& step : path->steps) {
    EXPECT_TRUE(step.result.dims[0].axes.empty());
    EXPECT_NO_THROW(validate(step.result, Shape{-1, 8}, mesh));
  }
}

TEST(CheapestPath, OneAllReduceOverBothAxesWhenLatencyCounts) {
  const Setting at{Mesh::parse("a=2,b=2"), {8, 8}};
  const auto cost = [](const StepShape& step) { return 1000 + ring_elements(step); };
  EXPECT_EQ(path_text("(R, R) +sum(a*b)", "(R, R)", at, cost), "all_reduce(ab) 1096");
}

TEST(CheapestPath, MovesTwoAxes) {
  const Setting at{Mesh::parse("a=2,b=2"), {8, 8}};
  EXPECT_EQ(path_text("(S0, S1)", "(S1, S0)", at), "permute(ab) 16");
  EXPECT_EQ(path_text("(S01, R)", "(S0, S1)", at), "all_to_all(b) 8");
}

TEST(CheapestPath, PermutesPiecesToOtherAxes) {
  const Setting at{Mesh::parse("a=2,b=2"), {8, 8}};
  EXPECT_EQ(path_text("(S01, R)", "[x:b*a, y]", at), "permute(ab) 16");
  // The pieces are held twice; each rank gets one from a rank that holds it.
  EXPECT_EQ(path_text("(S0, R)", "(S1, R)", at), "permute(ab) 32");
  const Setting large{Mesh::parse("a=4,b=4"), {8, 8}};
  EXPECT_EQ(path_text("[x:a{0-3,3-5,5-7,7-8}, y]", "[x:b{0-3,3-5,5-7,7-8}, y]", large),
            "permute(ab) 24");
  // Axes of other sizes cut otherwise: only what both cut into is permuted.
  const Setting uneven{Mesh::parse("a=2,b=4"), {8, 8}};
  EXPECT_EQ(path_text("(S0, R)", "(S1, R)", uneven), "slice(b) permute(ab) all_gather(a) 16");
}

TEST(CheapestPath, PermutesTheOrderOfAxesOfOtherSizes) {
  const Setting at{Mesh::parse("a=2,b=4"), {8, 8}};
  const auto path = cheapest_path(parse_tensor_spec("(S01, R)", at.shape, at.mesh),
                                  parse_tensor_spec("[x:b*a, y]", at.shape, at.mesh), at.shape,
                                  at.mesh, ring_elements);
  ASSERT_TRUE(path.has_value());
  ASSERT_EQ(path->steps.size(), 1U);
  // Cell (a, b) holds piece 4 a + b and needs piece 2 b + a.
  const auto sources =
      permute_sources(parse_tensor_spec("(S01, R)", at.shape, at.mesh), path->steps[0], at.mesh, 5);
  EXPECT_THAT(sources, testing::ElementsAre(0, 2, 4, 6, 1, 3, 5, 7));
}

TEST(CheapestPath, TiesPreferFewerStepsThenTheOrderOfKinds) {
  const Setting at{Mesh::parse("a=2,b=2"), {8, 8}};
  const auto free = [](const StepShape&) { return 0.0; };
  EXPECT_EQ(path_text("(S0, S1)", "(R, R)", at, free), "all_gather(b) all_gather(a) 0");
  EXPECT_EQ(path_text("(R, R)", "(S01, R)", at, free), "slice(ab) 0");
  EXPECT_EQ(path_text("(S0, R)", "(R, S0)", at, free), "all_to_all(a) 0");
}

TEST(CheapestPath, DifferentReductionsAreNotMerged) {
  const Setting at{Mesh::parse("a=2,b=2"), {8, 8}};
  EXPECT_EQ(path_text("(R, R) +sum(a) +max(b)", "(R, R)", at, [](const StepShape&) { return 1.0; }),
            "all_reduce(b) all_reduce(a) 2");
}

TEST(ReshardKind, HasNames) {
  EXPECT_EQ(to_string(ReshardKind::kSlice), "slice");
  EXPECT_EQ(to_string(ReshardKind::kAllToAll), "all_to_all");
  EXPECT_EQ(to_string(ReshardKind::kTerm), "term");
}

}  // namespace
}  // namespace partita::spec
