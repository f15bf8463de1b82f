// SPDX-License-Identifier: Apache-2.0
// The rules of an operator on a mesh as people count them: a strategy and what becomes of the terms
// of its outputs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/op.h"
#include "spec/mesh.h"
#include "spec/strategy.h"

namespace partita::ops {

// What is done with outputs of which every rank holds a term of a reduction.
enum class RuleReduction : uint8_t {
  kNone,           // the strategy leaves no terms
  kAllReduce,      // every rank gets the whole
  kReduceScatter,  // every rank gets its piece of one dim
  kPassed,         // the terms come from an input and go on to the next operator
};

// One rule. Value type. The matmul on p=4 that splits k has two: "[m, k:p], [k:p, n] -> [m, n],
// all_reduce" and "... -> [m:p, n], reduce_scatter".
struct OpRule {
  spec::Strategy strategy;
  RuleReduction reduction = RuleReduction::kNone;
  std::vector<spec::TensorSpec> outputs;  // after the reduction
  // The call on the pieces is the call itself: no attribute changes (the sizes of a reshape) and
  // none is added (the first row of an embedding's piece).
  bool keeps_attributes = true;
  bool is_even = true;  // all pieces of a dim are of one size
  double flops = 0;     // of the rank with the largest pieces; 0 with symbolic dims
  double bytes = 0;     // the same for bytes read and written
  bool operator==(const OpRule&) const = default;
};

// All rules of a call in the order of spec::derive_strategies(), whose facts they restate. The
// outputs are reduced over all their Partial axes at once; reduce_scatter is a rule of its own
// where every output has a whole dim of at least as many elements as ranks: the first that they
// divide, else the first. Throws what binding throws, and kInvalidArgument when the mesh has so
// many cells or axes that the list would be of no use.
[[nodiscard]] std::vector<OpRule> rules_of(const OpCall& call, const spec::Mesh& mesh);

// "none", "all_reduce", "reduce_scatter", "passed".
[[nodiscard]] std::string_view to_string(RuleReduction reduction);

// Names for spec::to_string(): the factors of every dim of a tensor, joined.
[[nodiscard]] std::vector<std::string> dim_names(const spec::Notation& notation,
                                                 const spec::TensorIndex& tensor);

}  // namespace partita::ops
