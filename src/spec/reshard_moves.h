// SPDX-License-Identifier: Apache-2.0
// The search space of resharding: ways to lie of every dim, and the steps between them. Private to
// spec/.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "spec/reshard.h"

namespace partita::spec {

// Sets of mesh axes.
using AxisMask = uint64_t;

// From one way to lie of a dim to another by losing or getting the minor-most `axes`.
struct DimChange {
  int target;
  std::vector<int> axes;
  AxisMask mask;
};

// One way for a dim to lie on the mesh.
struct DimOption {
  DimSpec spec;
  AxisMask mask = 0;
  int64_t largest_piece = 0;
  bool overlaps = false;
  std::vector<DimChange> losses = {};
  std::vector<DimChange> gains = {};
  std::vector<int> permuted = {};  // options of the same pieces over other axes
};

// A spec in short: per dim the number of its option, and the axes that are still Partial.
struct ReshardState {
  std::vector<int> options;
  AxisMask partials = 0;
  auto operator<=>(const ReshardState&) const = default;
};

// A step and the state it leads to. `axes` lives as long as the space.
struct ReshardMove {
  ReshardKind kind;
  std::span<const int> axes;
  int dim = -1;
  int from_dim = -1;
  ReduceKind reduce = ReduceKind::kSum;
  ReshardState next = {};
};

// All states that may lie on a path between two specs of one tensor. Thread-compatible; keeps
// references to `from` and `mesh`.
class ReshardSpace {
 public:
  ReshardSpace(const TensorSpec& from,
               const TensorSpec& to,
               std::span<const int64_t> shape,
               const Mesh& mesh);

  // False when `to` asks for a Partial other than a sum that `from` has not.
  [[nodiscard]] bool is_reachable() const { return is_reachable_; }
  [[nodiscard]] const ReshardState& start() const { return start_; }
  [[nodiscard]] const ReshardState& goal() const { return goal_; }
  // All moves out of a state, in a fixed order.
  [[nodiscard]] std::vector<ReshardMove> moves(const ReshardState& state) const;
  // Elements of the largest shard.
  [[nodiscard]] int64_t elements(const ReshardState& state) const;
  [[nodiscard]] TensorSpec spec_of(const ReshardState& state) const;

 private:
  using Moves = std::vector<ReshardMove>;

  void add_options(size_t dim, const DimSpec& spec);
  void add_even_options(size_t dim);
  void connect(size_t dim);
  [[nodiscard]] int option_index(size_t dim, const DimSpec& spec) const;
  [[nodiscard]] AxisMask used_axes(const ReshardState& state) const;
  [[nodiscard]] const DimOption& option(const ReshardState& state, size_t dim) const;
  void add_partials(const TensorSpec& to);
  void add_gains(const ReshardState& state, size_t dim, Moves& moves) const;
  void add_exchanges(const ReshardState& state, size_t dim, Moves& moves) const;
  void add_reductions(const ReshardState& state, Moves& moves) const;
  void add_permutes(const ReshardState& state, Moves& moves) const;
  void add_terms(const ReshardState& state, Moves& moves) const;
  [[nodiscard]] bool has_free_axes(const ReshardState& state) const;
  [[nodiscard]] std::span<const int> axes_of(AxisMask mask) const;
  [[nodiscard]] bool may_reduce(const ReshardState& state, AxisMask mask) const;
  [[nodiscard]] ReduceKind reduce_kind(AxisMask mask) const;

  const TensorSpec& from_;
  const Mesh& mesh_;
  std::vector<int64_t> shape_;                   // sizes also of symbolic dims
  std::vector<std::vector<DimOption>> options_;  // per dim
  std::vector<std::vector<int>>
      reducible_sets_;  // subsets of the partial axes that must go, of one kind each
  AxisMask reducible_ = 0;
  AxisMask wanted_ = 0;                // axes of the Partials that only `to` has
  std::vector<PartialAxis> partials_;  // of `from`, and those that only `to` has
  // Lists of the axes in masks; a map, because moves keep spans of them.
  mutable std::map<AxisMask, std::vector<int>> axis_lists_;
  bool is_reachable_ = true;
  ReshardState start_;
  ReshardState goal_;
};

}  // namespace partita::spec
