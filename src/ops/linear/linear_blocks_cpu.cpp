// SPDX-License-Identifier: Apache-2.0
// The plain reference of linear for weights that are stored in blocks.
#include "ops/cpu_kernel.h"
#include "ops/linear/linear_blocks.h"
#include "ops/weight_rows.h"

namespace partita::ops {
namespace {

void blocks_linear(Views inputs, Views outputs, WeightRows& weight_rows) {
  const int64_t n = inputs[1].shape[0];
  const int64_t k = inputs[1].shape[1];
  const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  auto* y = outputs[0].as<float>();
  for (int64_t column = 0; column < n; ++column) {
    const float* w = weight_rows.row(inputs[1], column);
    const auto* x = inputs[0].as<const float>();
    for (int64_t row = 0; row < rows; ++row, x += k) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(w[i]);
      y[row * n + column] = static_cast<float>(sum);
    }
  }
}

}  // namespace

std::unique_ptr<BoundKernel> bind_blocks_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != DType::kF32 || !is_block_type(args.inputs[1].dtype)) return nullptr;
  return make_kernel([weight_rows = WeightRows()](Views inputs, Views outputs) mutable {
    blocks_linear(inputs, outputs, weight_rows);
  });
}

}  // namespace partita::ops
