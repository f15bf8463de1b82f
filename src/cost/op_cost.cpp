// SPDX-License-Identifier: Apache-2.0
#include "cost/op_cost.h"

#include <algorithm>

#include "cost/memory.h"

namespace partita::cost {
namespace {

// Kernels run at the rate of their narrowest floating-point operand: bf16 weights with f32
// activations use the bf16 units.
DType rate_dtype(const ops::OpCall& call) {
  for (const ir::TensorType& type : call.inputs) {
    if (type.dtype == DType::kBF16 || type.dtype == DType::kF16) return type.dtype;
  }
  return DType::kF32;
}

// Records the largest piece of every factor that a split dim of the tensor shows whole.
void note_shares(const spec::TensorIndex& index,
                 const spec::TensorSpec& spec,
                 const spec::Notation& notation,
                 std::vector<double>& shares) {
  for (size_t dim = 0; dim < index.size(); ++dim) {
    if (spec.dims[dim].axes.empty() || index[dim][0].divide != 1) continue;
    int64_t longest = 0;
    int64_t size = notation.factors[static_cast<size_t>(index[dim][0].factor)].size;
    for (const Range& piece : spec.dims[dim].pieces) longest = std::max(longest, piece.size());
    for (size_t term = 1; term < index[dim].size(); ++term) {
      size *= notation.factors[static_cast<size_t>(index[dim][term].factor)].size;
    }
    shares[static_cast<size_t>(index[dim][0].factor)] =
        static_cast<double>(longest) / static_cast<double>(size);
  }
}

// The largest share of the op's index space on one rank, in (0, 1]. Factors are split along
// different axes, so some rank holds the largest piece of each.
double largest_share(const spec::Notation& notation, const spec::Strategy& strategy) {
  std::vector<double> shares(notation.factors.size(), 1.0);
  for (size_t i = 0; i < notation.inputs.size(); ++i) {
    note_shares(notation.inputs[i], strategy.inputs[i], notation, shares);
  }
  for (size_t i = 0; i < notation.outputs.size(); ++i) {
    note_shares(notation.outputs[i], strategy.outputs[i], notation, shares);
  }
  double product = 1;
  for (const double share : shares) product *= share;
  return product;
}

}  // namespace

Work whole_work(const ops::OpCall& call, const ir::SymbolSizes& symbols) {
  return {ops::flops_of(call, symbols), ops::bytes_of(call, symbols), rate_dtype(call)};
}

Work local_work(const PricedCall& priced,
                const Work& whole,
                const spec::Strategy& strategy,
                const ir::SymbolSizes& symbols) {
  Work work = whole;
  const double share = largest_share(priced.notation, strategy);
  work.flops *= share;
  if (ops::find_op(priced.call.op).bytes != nullptr) {
    work.bytes *= share;
    return work;
  }
  int64_t bytes = 0;
  for (size_t i = 0; i < priced.call.inputs.size(); ++i) {
    bytes += largest_local_bytes(priced.call.inputs[i], strategy.inputs[i], symbols);
  }
  for (size_t i = 0; i < priced.outputs.size(); ++i) {
    bytes += largest_local_bytes(priced.outputs[i], strategy.outputs[i], symbols);
  }
  work.bytes = static_cast<double>(bytes);
  return work;
}

double seconds_of(const Work& work, const Profile& profile) {
  const double compute_s = work.flops / profile.flops(work.dtype);
  const double memory_s = work.bytes / profile.device.memory_bandwidth;
  return std::max(compute_s, memory_s) + profile.device.launch_s;
}

}  // namespace partita::cost
