// SPDX-License-Identifier: Apache-2.0
// softmax on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/cpu_kernel.h"

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

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"softmax", kKernels}}};

}  // namespace

std::span<const KernelList> softmax_cpu_kernels() { return kLists; }

}  // namespace partita::ops
