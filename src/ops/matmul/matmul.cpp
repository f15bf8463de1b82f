// SPDX-License-Identifier: Apache-2.0
// matmul: product of two batches of matrices.
#include <algorithm>
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// The batch dims of both operands, aligned at the end; a size of 1 (or a missing dim) is broadcast.
void add_batch_dims(const OpCall& call,
                    spec::Notation& notation,
                    std::vector<int>& out,
                    std::array<std::vector<int>, 2>& in) {
  const std::array ranks = {call.inputs[0].dims.size() - 2, call.inputs[1].dims.size() - 2};
  const size_t rank = std::max(ranks[0], ranks[1]);
  for (size_t dim = 0; dim < rank; ++dim) {
    std::array<ir::Dim, 2> sizes = {ir::Dim(1), ir::Dim(1)};
    for (size_t i = 0; i < 2; ++i) {
      if (dim + ranks[i] >= rank) sizes[i] = call.inputs[i].dims[dim + ranks[i] - rank];
    }
    int factor = -1;
    if (sizes[0].size != 1 || sizes[1].size != 1) {
      factor = add_factor(notation, str("b", dim), spec::FactorKind::kMap);
    }
    out.push_back(factor);
    for (size_t i = 0; i < 2; ++i) {
      if (dim + ranks[i] >= rank) in[i].push_back(sizes[i].size == 1 ? -1 : factor);
    }
  }
}

spec::Notation bind_matmul(const OpCall& call) {
  require_inputs(call, 2);
  require_min_rank(call, 0, 2);
  require_min_rank(call, 1, 2);
  spec::Notation notation;
  std::vector<int> out;
  std::array<std::vector<int>, 2> in;
  add_batch_dims(call, notation, out, in);
  const int rows = add_factor(notation, "m", spec::FactorKind::kMap);
  const int columns = add_factor(notation, "n", spec::FactorKind::kMap);
  const int inner = add_factor(notation, "k", spec::FactorKind::kReduce);
  in[0].insert(in[0].end(), {rows, inner});
  in[1].insert(in[1].end(), {inner, columns});
  out.insert(out.end(), {rows, columns});
  notation.inputs = {index_of(in[0]), index_of(in[1])};
  notation.outputs = {index_of(out)};
  notation.linear_in = {{0}, {1}};
  return bound(call, std::move(notation));
}

double matmul_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const ir::TensorType out = infer_types(call).front();
  const size_t rank = call.inputs[0].dims.size();
  return 2 * product_of_dims(out, symbols) *
         product_of_dims(call.inputs[0], symbols, rank - 1, rank);
}

std::vector<OpSample> matmul_samples() {
  return {float_sample({f32({5, 6}), f32({6, 7})}), float_sample({f32({3, 5, 4}), f32({3, 4, 6})}),
          float_sample({f32({2, 1, 5, 7}), f32({3, 7, 2})}),
          float_sample({bf16({4, 5}), bf16({5, 6})})};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "matmul",
     .summary = "Matrix product; batch dims are equal or broadcast. Operands are f32 or bf16, the "
                "result is f32.",
     .notation = "y[..,m,n] += a[..,m,k] * b[..,k,n]; map .. m n; sum k; linear a | b",
     .bind = bind_matmul,
     .output_dtypes = f32_output,
     .flops = matmul_flops,
     .samples = matmul_samples},
}};

}  // namespace

std::span<const OpDef> matmul_ops() { return kOps; }

}  // namespace partita::ops
