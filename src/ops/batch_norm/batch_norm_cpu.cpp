// SPDX-License-Identifier: Apache-2.0
// batch_norm on the CPU.
#include <array>
#include <cmath>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

// x[n, c, rest], the others [c]; y = (x - mean) / sqrt(var + eps) * w + b.
void batch_norm(double eps, Views inputs, Views outputs) {
  const AroundDim in = around(inputs[0].shape, 1);
  const auto* x = inputs[0].as<const float>();
  const auto* w = inputs[1].as<const float>();
  const auto* b = inputs[2].as<const float>();
  const auto* mean = inputs[3].as<const float>();
  const auto* var = inputs[4].as<const float>();
  auto* y = outputs[0].as<float>();
  for (int64_t image = 0; image < in.outer; ++image) {
    for (int64_t channel = 0; channel < in.size; ++channel) {
      const double scale = w[channel] / std::sqrt(static_cast<double>(var[channel]) + eps);
      for (int64_t i = 0; i < in.inner; ++i) {
        const double centred = static_cast<double>(*x++) - mean[channel];
        *y++ = static_cast<float>(centred * scale + b[channel]);
      }
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const double eps = args.node.attributes.number("eps");
  return make_kernel([eps](Views inputs, Views outputs) { batch_norm(eps, inputs, outputs); });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"batch_norm", kKernels}}};

}  // namespace

std::span<const KernelList> batch_norm_cpu_kernels() { return kLists; }

}  // namespace partita::ops
