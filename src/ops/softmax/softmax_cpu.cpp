// SPDX-License-Identifier: Apache-2.0
// softmax on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

// One line of `count` elements at distance `stride`; the sum is taken in double.
void softmax_line(const float* x, float* y, int64_t count, int64_t stride) {
  float highest = -std::numeric_limits<float>::infinity();
  for (int64_t i = 0; i < count; ++i) highest = std::max(highest, x[i * stride]);
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    y[i * stride] = std::exp(x[i * stride] - highest);
    sum += y[i * stride];
  }
  for (int64_t i = 0; i < count; ++i) y[i * stride] = static_cast<float>(y[i * stride] / sum);
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const size_t dim = node_dim(args.node, args.inputs[0].dims.size());
  return make_kernel([dim](Views inputs, Views outputs) {
    const AroundDim in = around(inputs[0].shape, dim);
    for (int64_t outer = 0; outer < in.outer; ++outer) {
      for (int64_t inner = 0; inner < in.inner; ++inner) {
        const int64_t first = outer * in.size * in.inner + inner;
        softmax_line(inputs[0].as<const float>() + first, outputs[0].as<float>() + first, in.size,
                     in.inner);
      }
    }
  });
}

// Rows where they lie together, else the lines of the reference.
std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  const size_t rank = args.inputs[0].dims.size();
  if (!all_f32(args)) return nullptr;
  if (node_dim(args.node, rank) + 1 != rank) return bind_reference(args);
  return make_kernel([softmax = row_kernels(level).softmax](Views inputs, Views outputs) {
    const int64_t width = inputs[0].shape.back();
    if (width == 0) return;
    const Split split = {.items = inputs[0].elements() / width,
                         .bytes_per_item = 4 * width * int64_t{sizeof(float)},
                         .least_bytes = 256 << 10};
    parallel_ranges(split, [&](Range rows) {
      for (int64_t row = rows.begin; row < rows.end; ++row) {
        softmax(inputs[0].as<const float>() + row * width, outputs[0].as<float>() + row * width,
                width);
      }
    });
  });
}

constexpr auto kKernels = leveled_kernels<bind_rows>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"softmax", kKernels}}};

}  // namespace

std::span<const KernelList> softmax_cpu_kernels() { return kLists; }

}  // namespace partita::ops
