// SPDX-License-Identifier: Apache-2.0
// Paths of collectives that turn one spec of a tensor into another. The path that is priced is the path that is injected.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spec/mesh.h"
#include "spec/tensor_spec.h"

namespace partita::spec {

enum class ReshardKind : uint8_t { kSlice, kAllGather, kReduceScatter, kAllReduce, kAllToAll };

// One collective (or a local slice) over the group of ranks that `axes` span (major first).
// kSlice: dim gets `axes`. kAllGather: dim loses `axes`. kReduceScatter: the partial over `axes` goes, dim gets them.
// kAllReduce: the partial over `axes` goes. kAllToAll: `from_dim` loses `axes`, dim gets them.
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

// Seconds of one step: `local_shape` = the largest local input of the step (elements per dim, symbols bound).
struct StepShape {
  ReshardKind kind;
  int64_t group_size;
  int64_t elements_in;   // largest over ranks, before the step
  int64_t elements_out;  // largest over ranks, after the step
  std::span<const int> axes;
};
using StepCost = std::function<double(const StepShape&)>;

// The cheapest path from `from` to `to` (Dijkstra over specs reachable by the steps above; at most one axis set per step), with
// its cost; nothing when `to` asks for a Partial that `from` has not. Equal specs give an empty path of cost 0. `shape` has
// symbols bound to positive sizes. Ties are broken by fewer steps, then by the order of ReshardKind.
struct PricedPath {
  ReshardPath steps;
  double cost = 0;
};
[[nodiscard]] std::optional<PricedPath> cheapest_path(const TensorSpec& from, const TensorSpec& to,
                                                      std::span<const int64_t> shape, const Mesh& mesh,
                                                      const StepCost& cost);

[[nodiscard]] std::string_view to_string(ReshardKind kind);  // "slice", "all_gather", ...

}  // namespace partita::spec
