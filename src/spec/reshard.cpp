// SPDX-License-Identifier: Apache-2.0
// Dijkstra over the specs of a tensor: the cheapest path of collectives.
#include "spec/reshard.h"

#include <algorithm>
#include <array>
#include <map>
#include <queue>

#include "spec/reshard_moves.h"
#include "support/error.h"

namespace partita::spec {
namespace {

// What makes one path better than another: less cost, then fewer steps, then the order of kinds.
struct Label {
  double cost = 0;
  std::vector<ReshardKind> kinds;

  bool operator<(const Label& other) const {
    if (cost != other.cost) return cost < other.cost;
    if (kinds.size() != other.kinds.size()) return kinds.size() < other.kinds.size();
    return kinds < other.kinds;
  }
};

struct Visit {
  Label label;
  const ReshardState* previous = nullptr;  // key of the table; null for the start
  ReshardMove move;                        // the step from there
  bool is_final = false;
};
using VisitTable = std::map<ReshardState, Visit>;

struct Candidate {
  Label label;
  const ReshardState* state;
  bool operator>(const Candidate& other) const {
    if (label < other.label || other.label < label) return other.label < label;
    return *other.state < *state;
  }
};

class Search {
 public:
  Search(const ReshardSpace& space, const Mesh& mesh, const StepCost& cost)
      : space_(space), mesh_(mesh), cost_(cost) {}

  // Fills the table until the goal is final; false when it cannot be reached.
  bool run() {
    const auto start = visits_.try_emplace(space_.start()).first;
    queue_.push({{}, &start->first});
    while (!queue_.empty()) {
      const ReshardState& state = *queue_.top().state;
      queue_.pop();
      Visit& visit = visits_.at(state);
      if (visit.is_final) continue;
      visit.is_final = true;
      if (state == space_.goal()) return true;
      for (ReshardMove& move : space_.moves(state)) relax(state, visit.label, std::move(move));
    }
    return false;
  }

  PricedPath path() const {
    PricedPath result;
    const auto goal = visits_.find(space_.goal());
    result.cost = goal->second.label.cost;
    for (auto at = goal; at->second.previous != nullptr; at = visits_.find(*at->second.previous)) {
      const ReshardMove& move = at->second.move;
      result.steps.push_back({move.kind,
                              {move.axes.begin(), move.axes.end()},
                              move.dim,
                              move.from_dim,
                              move.reduce,
                              space_.spec_of(at->first)});
    }
    std::reverse(result.steps.begin(), result.steps.end());
    return result;
  }

 private:
  void relax(const ReshardState& state, const Label& label, ReshardMove move) {
    const StepShape shape{move.kind, mesh_.size_of(move.axes), space_.elements(state),
                          space_.elements(move.next), move.axes};
    const double step_cost = cost_(shape);
    CHECK(step_cost >= 0, "cost ", step_cost, " of a ", to_string(move.kind));
    Label longer{label.cost + step_cost, label.kinds};
    longer.kinds.push_back(move.kind);
    const auto [at, is_new] = visits_.try_emplace(move.next);
    Visit& visit = at->second;
    if (!is_new && (visit.is_final || !(longer < visit.label))) return;
    visit.label = longer;
    visit.previous = &visits_.find(state)->first;
    visit.move = std::move(move);
    queue_.push({std::move(longer), &at->first});
  }

  const ReshardSpace& space_;
  const Mesh& mesh_;
  const StepCost& cost_;
  VisitTable visits_;  // a map: pointers to its keys stay valid
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

// Which shard a cell holds of a spec, among the dims that another spec splits otherwise: its
// position along each of them, and its position along the axes of the step that none of them uses
// (the copies of a shard).
class ShardKey {
 public:
  ShardKey(const TensorSpec& spec, const TensorSpec& other, const std::vector<int>& axes)
      : free_(axes) {
    for (size_t dim = 0; dim < spec.dims.size(); ++dim) {
      if (spec.dims[dim] == other.dims[dim]) continue;
      lists_.push_back(spec.dims[dim].axes);
      for (const int axis : lists_.back()) std::erase(free_, axis);
    }
  }

  [[nodiscard]] std::vector<int64_t> of(int64_t cell, const Mesh& mesh) const {
    std::vector<int64_t> key;
    for (const std::vector<int>& axes : lists_) key.push_back(mesh.position(cell, axes));
    key.push_back(mesh.position(cell, free_));
    return key;
  }

 private:
  std::vector<int> free_;
  std::vector<std::vector<int>> lists_;  // per dim that changes
};

}  // namespace

std::optional<PricedPath> cheapest_path(const TensorSpec& from,
                                        const TensorSpec& to,
                                        std::span<const int64_t> shape,
                                        const Mesh& mesh,
                                        const StepCost& cost) {
  if (from == to) return PricedPath{};
  const ReshardSpace space(from, to, shape, mesh);
  if (!space.is_reachable()) return std::nullopt;
  Search search(space, mesh, cost);
  if (!search.run()) return std::nullopt;
  return search.path();
}

std::string_view to_string(ReshardKind kind) {
  static constexpr std::array<std::string_view, 7> kNames = {
      "slice", "all_gather", "reduce_scatter", "all_reduce", "all_to_all", "permute", "term"};
  return kNames.at(static_cast<size_t>(kind));
}

bool is_local(ReshardKind kind) {
  return kind == ReshardKind::kSlice || kind == ReshardKind::kTerm;
}

std::vector<int64_t> permute_sources(const TensorSpec& before,
                                     const ReshardStep& step,
                                     const Mesh& mesh,
                                     int64_t cell) {
  const std::vector<int64_t> group = mesh.group(cell, step.axes);
  const ShardKey old_key(before, step.result, step.axes);
  const ShardKey new_key(step.result, before, step.axes);
  std::map<std::vector<int64_t>, int64_t> holders;
  for (size_t i = 0; i < group.size(); ++i) {
    holders.emplace(old_key.of(group[i], mesh), static_cast<int64_t>(i));
  }
  CHECK(holders.size() == group.size(), "two ranks of a permute hold one shard");
  std::vector<int64_t> sources;
  for (const int64_t member : group) sources.push_back(holders.at(new_key.of(member, mesh)));
  return sources;
}

}  // namespace partita::spec
