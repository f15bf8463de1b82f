// SPDX-License-Identifier: Apache-2.0
// Proves a sharding strategy numerically: the same kernel on the pieces gives the pieces of the
// result. For tests and for `partita ops --prove`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/evaluate.h"
#include "ops/op.h"
#include "spec/mesh.h"
#include "spec/strategy.h"

namespace partita::ops {

// One call of an op on whole tensors: what every strategy of it is compared with. Value type.
class UncutCall {
 public:
  // Runs the plain reference kernel of `op` once on random inputs of the sample.
  UncutCall(const OpDef& op, const OpSample& sample, uint64_t seed);

  [[nodiscard]] spec::Notation notation() const;

  // Cuts the inputs as the strategy says (a Partial input becomes unequal terms of both signs that
  // sum to it), runs the reference kernel on the pieces of every cell with its local attributes,
  // reduces Partial outputs over their groups, and compares all outputs and all inputs changed in
  // place with the uncut call. Nothing when all agree, else what differs.
  [[nodiscard]] std::optional<std::string> disprove(const spec::Strategy& strategy,
                                                    const spec::Notation& notation,
                                                    const spec::Mesh& mesh) const;

 private:
  using Tensors = std::vector<HostTensor>;

  [[nodiscard]] Tensors cut_inputs(const spec::Strategy& strategy,
                                   const spec::Mesh& mesh,
                                   int64_t cell) const;
  [[nodiscard]] ir::Attributes attributes_of(const spec::Strategy& strategy,
                                             const spec::Notation& notation,
                                             const spec::Mesh& mesh,
                                             int64_t cell) const;
  void require_types(const ir::Attributes& attributes,
                     const Tensors& inputs,
                     const std::vector<ir::TensorType>& expected) const;
  [[nodiscard]] Tensors run_piece(const spec::Strategy& strategy,
                                  const spec::Notation& notation,
                                  const spec::Mesh& mesh,
                                  int64_t cell,
                                  Tensors& inputs) const;

  const OpDef& op_;
  OpSample sample_;
  Tensors inputs_;
  Tensors inputs_after_;  // states are changed in place
  Tensors outputs_;
  // Times the largest value: f32 sums of a few dozen terms in another order; halves round every
  // term.
  double tolerance_ = 2e-5;
};

// Pieces that grow along the ranks: the first are empty or small, the last is the largest. They
// begin at multiples of `granularity`, which divides `size`.
[[nodiscard]] std::vector<Range> growing_pieces(int64_t size,
                                                int64_t count,
                                                int64_t granularity = 1);

}  // namespace partita::ops
