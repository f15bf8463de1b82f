// SPDX-License-Identifier: Apache-2.0
// The plain reference of linear for weights that are stored in blocks.
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/linear/linear_blocks.h"
#include "ops/product/row_quantiser.h"
#include "ops/quantized_rows.h"
#include "ops/weight_rows.h"

namespace partita::ops {
namespace {

// x[rows, k] times w[n, k]; sums in double.
void blocks_linear(
    const float* all, int64_t rows, const TensorView& w, float* y, WeightRows& weight_rows) {
  const int64_t n = w.shape[0];
  const int64_t k = w.shape[1];
  for (int64_t column = 0; column < n; ++column) {
    const float* weights = weight_rows.row(w, column);
    const float* x = all;
    for (int64_t row = 0; row < rows; ++row, x += k) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i)
        sum += static_cast<double>(x[i]) * static_cast<double>(weights[i]);
      y[row * n + column] = static_cast<float>(sum);
    }
  }
}

// Rows that were quantised for weights of that type, as floats again.
std::vector<float> read_rows(const TensorView& quantised, const TensorView& w) {
  const int64_t k = w.shape[1];
  const int64_t rows = elements_of(quantised.shape, 0, quantised.shape.size() - 2);
  const RowQuantiser quantiser(w.dtype, k);
  std::vector<float> x(static_cast<size_t>(rows * k));
  for (int64_t row = 0; row < rows; ++row) {
    quantiser.read_row(quantised.as<const std::byte>(), row, rows, x.data() + row * k);
  }
  return x;
}

}  // namespace

std::unique_ptr<BoundKernel> bind_blocks_reference(const BindArgs& args) {
  const bool is_quantised = is_quantized_rows(args.inputs[0]);
  if (args.inputs[0].dtype != DType::kF32 && !is_quantised) return nullptr;
  if (!is_block_type(args.inputs[1].dtype)) return nullptr;
  return make_kernel([is_quantised, weight_rows = WeightRows()](Views inputs,
                                                                Views outputs) mutable {
    const TensorView& x = inputs[0];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - (is_quantised ? 2 : 1));
    const std::vector<float> read = is_quantised ? read_rows(x, inputs[1]) : std::vector<float>();
    blocks_linear(is_quantised ? read.data() : x.as<const float>(), rows, inputs[1],
                  outputs[0].as<float>(), weight_rows);
  });
}

}  // namespace partita::ops
