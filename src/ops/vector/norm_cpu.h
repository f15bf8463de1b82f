// SPDX-License-Identifier: Apache-2.0
// The vector kernel that rms_norm and layer_norm share: rows in f32, divided among threads.
#pragma once

#include <memory>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {

// Inputs x[rows, width], w[width] and, for layer_norm, b[width]; output y[rows, width]. `norm` is
// the row kernel.
inline void norm_rows(void (*norm)(const NormRows&), float eps, Views inputs, Views outputs) {
  const int64_t width = inputs[1].shape[0];
  const Split split = {.items = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1),
                       .bytes_per_item = 2 * width * int64_t{sizeof(float)},
                       .least_bytes = 256 << 10};
  const float* b = inputs.size() > 2 ? inputs[2].as<const float>() : nullptr;
  parallel_ranges(split, [&](Range rows) {
    norm({.x = inputs[0].as<const float>() + rows.begin * width,
          .w = inputs[1].as<const float>(),
          .b = b,
          .y = outputs[0].as<float>() + rows.begin * width,
          .rows = rows.end - rows.begin,
          .width = width,
          .eps = eps});
  });
}

// Binds the row kernel `kNorm` of a level; null unless all is f32.
template <auto kNorm>
[[nodiscard]] std::unique_ptr<BoundKernel> bind_norm_rows(const BindArgs& args,
                                                          device::Instructions level) {
  if (!all_f32(args)) return nullptr;
  const auto eps = static_cast<float>(args.node.attributes.number("eps"));
  return make_kernel([eps, norm = row_kernels(level).*kNorm](Views inputs, Views outputs) {
    norm_rows(norm, eps, inputs, outputs);
  });
}

}  // namespace partita::ops
