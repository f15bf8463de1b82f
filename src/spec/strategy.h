// SPDX-License-Identifier: Apache-2.0
// Sharding strategies of an operator, derived from its index notation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "spec/mesh.h"
#include "spec/notation.h"
#include "spec/tensor_spec.h"

namespace partita::spec {

// Specs of all inputs and outputs of one op on one mesh.
struct Strategy {
  std::vector<int> axis_factor;  // per mesh axis: index of the factor it splits; kNone; or kPassPartial - set of linear_in
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool operator==(const Strategy&) const = default;

  static constexpr int kNone = -1;         // the op is replicated along the axis
  static constexpr int kPassPartial = -2;  // -2 - i: the inputs of linear_in[i] and all outputs are Partial(sum)
};

// The pieces of factor `factor` over the listed mesh axes (major first).
using PiecesOf = std::function<std::vector<Range>(int factor, std::span<const int> axes)>;

// All strategies: every mesh axis takes one splittable factor (kMap, kReduce, kGather; major in compound dims; size known), or
// none, or passes a Partial through; several axes may split one factor. Deterministic order; the first is "all replicated".
// pieces_of decides uneven pieces; the default is balanced_pieces() of granularity 1.
[[nodiscard]] std::vector<Strategy> derive_strategies(const Notation& notation, const Mesh& mesh,
                                                      const PiecesOf& pieces_of = {});

// The one strategy with the given axis_factor. CHECKs that it is legal.
[[nodiscard]] Strategy make_strategy(const Notation& notation, const Mesh& mesh,
                                     std::vector<int> axis_factor, const PiecesOf& pieces_of = {});

// The global range of every factor that the rank at `cell` works on: its piece, or {0, size} ({0,-1} when symbolic).
[[nodiscard]] std::vector<Range> factor_ranges(const Notation& notation, const Strategy& strategy,
                                               const Mesh& mesh, int64_t cell);

// What a kernel must know about its pieces, without knowing its rank: "<factor>_begin" for split gather factors and
// "<factor>_phase" for factors that some dim divides, as (name, value). Empty when nothing is split.
[[nodiscard]] std::vector<std::pair<std::string, int64_t>> local_attributes(
    const Notation& notation, std::span<const Range> factor_ranges);

// "n:tp k:dp" or "replicated"; factor names and axis names.
[[nodiscard]] std::string to_string(const Strategy& strategy, const Notation& notation, const Mesh& mesh);

}  // namespace partita::spec
