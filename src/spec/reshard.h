// SPDX-License-Identifier: Apache-2.0
// Paths of collectives that turn one spec of a tensor into another. The path that is priced is the
// path that is injected.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "spec/mesh.h"
#include "spec/tensor_spec.h"

namespace partita::spec {

enum class ReshardKind : uint8_t {
  kSlice,
  kAllGather,
  kReduceScatter,
  kAllReduce,
  kAllToAll,
  kPermute,
  kTerm
};

// One collective (or a local step) over the group of ranks that `axes` span (major first).
// kSlice: dim gets `axes`. kAllGather: dim loses `axes`. kReduceScatter: the partial over `axes`
// goes, dim gets them. kAllReduce: the partial over `axes` goes. kAllToAll: `from_dim` loses
// `axes`, dim gets them. kPermute: the dims that change keep their pieces and get other axes, every
// rank takes over the shard of one rank of the group; `axes` = all axes they lose or get, in mesh
// order. kTerm: becomes Partial(sum) over `axes`: the first rank keeps its shard, the others have
// zeros.
struct ReshardStep {
  ReshardKind kind = ReshardKind::kSlice;
  std::vector<int> axes;
  int dim = -1;
  int from_dim = -1;
  ReduceKind reduce = ReduceKind::kSum;
  TensorSpec result;  // the spec after this step
  bool operator==(const ReshardStep&) const = default;
};
using ReshardPath = std::vector<ReshardStep>;

// What the cost of one step depends on.
struct StepShape {
  ReshardKind kind;
  int64_t group_size;
  int64_t elements_in;   // largest over ranks, before the step
  int64_t elements_out;  // largest over ranks, after the step
  std::span<const int> axes;
};
// True for the steps that need no other rank: kSlice and kTerm.
[[nodiscard]] bool is_local(ReshardKind kind);

// Of a kPermute that starts from `before`: for each rank of the group of `cell`, in group order,
// the position in the group of the rank whose shard it gets.
[[nodiscard]] std::vector<int64_t> permute_sources(const TensorSpec& before,
                                                   const ReshardStep& step,
                                                   const Mesh& mesh,
                                                   int64_t cell);

// Seconds of one step, >= 0.
using StepCost = std::function<double(const StepShape&)>;

// The cheapest path from `from` to `to` with its cost; nothing when `to` asks for a Partial other
// than a sum that `from` has not. Equal specs give an empty path of cost 0. Both specs are valid
// for `shape`, which has symbols bound to sizes; a symbolic dim is given as minus its size, and no
// path splits it. Ties are broken by fewer steps, then by the order of ReshardKind.
//
// Dijkstra over specs whose dims are split as in `to` or `from`, or by a prefix of their axes (a
// piece is then the hull of the pieces it stands for). On meshes of one or two axes a dim may also
// be split evenly over any axes on the way, which finds hierarchical paths (reduce_scatter on the
// fast axis, all_reduce on the slow one, all_gather back). all_gather and all_to_all take the
// minor-most axes of a dim; a permute changes the axes of several dims at once, also to axes over
// which the tensor was replicated; terms are made last, when their axes are free; a dim gets axes
// only where each new piece lies within the old one, and by reduce_scatter or all_to_all only when
// the new pieces do not overlap. Costs about 0.1 ms on two axes: callers memoise.
struct PricedPath {
  ReshardPath steps;
  double cost = 0;
};
[[nodiscard]] std::optional<PricedPath> cheapest_path(const TensorSpec& from,
                                                      const TensorSpec& to,
                                                      std::span<const int64_t> shape,
                                                      const Mesh& mesh,
                                                      const StepCost& cost);

[[nodiscard]] std::string_view to_string(ReshardKind kind);  // "slice", "all_gather", ...

}  // namespace partita::spec
