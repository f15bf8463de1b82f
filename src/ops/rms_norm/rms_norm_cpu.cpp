// SPDX-License-Identifier: Apache-2.0
// rms_norm on the CPU.
#include <array>
#include <cmath>

#include "ops/cpu_kernel.h"
#include "ops/vector/norm_cpu.h"

namespace partita::ops {
namespace {

// x[rows, width], w[width]; y = x / sqrt(mean(x^2) + eps) * w. The mean is taken in double, as the
// only reduction.
void rms_norm(double eps, Views inputs, Views outputs) {
  const int64_t width = inputs[1].shape[0];
  const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  const auto* x = inputs[0].as<const float>();
  const auto* w = inputs[1].as<const float>();
  auto* y = outputs[0].as<float>();
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    double squares = 0;
    for (int64_t i = 0; i < width; ++i) squares += static_cast<double>(x[i]) * x[i];
    const auto scale =
        static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(width) + eps));
    for (int64_t i = 0; i < width; ++i) y[i] = x[i] * scale * w[i];
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (has_quantised_output(args)) return bind_and_quantise(args, bind_reference);
  if (!all_f32(args)) return nullptr;
  const double eps = args.node.attributes.number("eps");
  return make_kernel([eps](Views inputs, Views outputs) { rms_norm(eps, inputs, outputs); });
}

constexpr auto kKernels = leveled_kernels<bind_norm_rows<&RowKernels::rms_norm>>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"rms_norm", kKernels}}};

}  // namespace

std::span<const KernelList> rms_norm_cpu_kernels() { return kLists; }

}  // namespace partita::ops
