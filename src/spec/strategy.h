// SPDX-License-Identifier: Apache-2.0
// Sharding strategies of an operator, derived from its index notation.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "spec/mesh.h"
#include "spec/notation.h"
#include "spec/tensor_spec.h"

namespace partita::spec {

// Specs of all inputs and outputs of one op on one mesh.
struct Strategy {
  // Per mesh axis: index of the factor it splits; kNone; or kPassPartial - set of linear_in.
  std::vector<int> axis_factor;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool operator==(const Strategy&) const = default;

  // The op is replicated along the axis.
  static constexpr int kNone = -1;
  // kPassPartial - i: the inputs of linear_in[i] and all outputs are Partial(sum).
  static constexpr int kPassPartial = -2;
};

// The pieces of factor `factor` over the listed mesh axes (major first).
using PiecesOf = std::function<std::vector<Range>(int factor, std::span<const int> axes)>;

// True when `factor` may be split over ranks: kMap, kReduce or kGather of known size > 0; the major
// term of every compound dim it is in (the minor ones known); at most once per tensor and somewhere
// undivided; kReduce and kGather in no output.
[[nodiscard]] bool is_splittable(const Notation& notation, int factor);

// True for an operator that the notation cannot express: it has indices, but every one must stay
// whole, whatever the sizes. Its one strategy is "all replicated".
[[nodiscard]] bool is_whole(const Notation& notation);

// How pieces reach the tensors: a plain dim has the pieces of its factor; a divided one (h/r) has
// [floor(a/r), ceil(b/r)); in a compound dim they are multiplied by the size of the minor terms.
// Tensors without the factor stay whole along its axes.
//
// All strategies: every mesh axis of size > 1 takes one splittable factor, or none, or passes a
// Partial through; several axes may split one factor (in mesh order, major first). Outputs never
// mix kinds of Partial. Deterministic order; the first is "all replicated". A factor smaller than
// its number of pieces gives empty pieces. pieces_of decides uneven pieces; the default is
// balanced_pieces() of the factor's granularity.
[[nodiscard]] std::vector<Strategy> derive_strategies(const Notation& notation,
                                                      const Mesh& mesh,
                                                      const PiecesOf& pieces_of = {});

// The one strategy with the given axis_factor. CHECKs that it is legal.
[[nodiscard]] Strategy make_strategy(const Notation& notation,
                                     const Mesh& mesh,
                                     std::vector<int> axis_factor,
                                     const PiecesOf& pieces_of = {});

// The global range of every factor that the rank at `cell` works on: its piece, or {0, size}
// ({0,-1} when symbolic).
[[nodiscard]] std::vector<Range> factor_ranges(const Notation& notation,
                                               const Strategy& strategy,
                                               const Mesh& mesh,
                                               int64_t cell);

// What a kernel must know about its pieces, without knowing its rank: "<factor>_begin" for split
// gather factors and "<factor>_phase" for split factors that some dim divides, as (name, value).
// Empty when nothing is split.
[[nodiscard]] std::vector<std::pair<std::string, int64_t>> local_attributes(
    const Notation& notation, std::span<const Range> factor_ranges);

// "n:tp k:dp", "partial0:tp" for kPassPartial of linear_in[0], or "replicated"; factor and axis
// names, in mesh order.
[[nodiscard]] std::string to_string(const Strategy& strategy,
                                    const Notation& notation,
                                    const Mesh& mesh);

}  // namespace partita::spec
