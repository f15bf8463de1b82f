// SPDX-License-Identifier: Apache-2.0
// The vector kernel that rms_norm and layer_norm share: rows in f32, divided among threads.
#pragma once

#include <memory>
#include <optional>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/product/quantised_output.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {

using NormFunction = void (*)(const NormRows& norm);

// Inputs x[rows, width], w[width] and, for layer_norm, b[width]; output y[rows, width], as f32 or
// quantised. `norm` is the row kernel.
class NormRowsKernel final : public BoundKernel {
 public:
  NormRowsKernel(const BindArgs& args, NormFunction norm, device::Instructions level)
      : norm_(norm), eps_(static_cast<float>(args.node.attributes.number("eps"))) {
    if (has_quantised_output(args)) quantised_.emplace(args, level);
  }

  void run(Views inputs, Views outputs) override {
    const int64_t width = inputs[1].shape[0];
    const Split split = {.items = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1),
                         .bytes_per_item = 2 * width * int64_t{sizeof(float)},
                         .least_bytes = 256 << 10};
    const auto norm = [&](Range rows, float* to) {
      norm_({.x = inputs[0].as<const float>() + rows.begin * width,
             .w = inputs[1].as<const float>(),
             .b = inputs.size() > 2 ? inputs[2].as<const float>() : nullptr,
             .y = to,
             .rows = rows.end - rows.begin,
             .width = width,
             .eps = eps_});
    };
    if (quantised_) {
      return quantised_->make_rows(split, outputs[0], [&](int64_t row, float* to) {
        norm({row, row + 1}, to);
      });
    }
    parallel_ranges(split,
                    [&](Range rows) { norm(rows, outputs[0].as<float>() + rows.begin * width); });
  }

 private:
  NormFunction norm_;
  float eps_;
  std::optional<QuantisedOutput> quantised_;
};

// Binds the row kernel `kNorm` of a level; null unless all is f32 but for a quantised output.
template <auto kNorm>
[[nodiscard]] std::unique_ptr<BoundKernel> bind_norm_rows(const BindArgs& args,
                                                          device::Instructions level) {
  if (!all_f32(args) && !has_quantised_output(args)) return nullptr;
  return std::make_unique<NormRowsKernel>(args, row_kernels(level).*kNorm, level);
}

}  // namespace partita::ops
