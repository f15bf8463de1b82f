// SPDX-License-Identifier: Apache-2.0
// layer_norm on the CPU.
#include <array>
#include <cmath>

#include "ops/cpu_kernel.h"
#include "ops/vector/norm_cpu.h"

namespace partita::ops {
namespace {

// x[rows, width], w[width], b[width]; y = (x - mean) / sqrt(var + eps) * w + b. Mean and variance
// (divided by width) are taken in double, in two passes.
void layer_norm(double eps, Views inputs, Views outputs) {
  const int64_t width = inputs[1].shape[0];
  const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  const auto* x = inputs[0].as<const float>();
  const auto* w = inputs[1].as<const float>();
  const auto* b = inputs[2].as<const float>();
  auto* y = outputs[0].as<float>();
  const auto count = static_cast<double>(width);
  for (int64_t row = 0; row < rows; ++row, x += width, y += width) {
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += x[i];
    const double mean = sum / count;
    double squares = 0;
    for (int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const double scale = 1.0 / std::sqrt(squares / count + eps);
    for (int64_t i = 0; i < width; ++i) {
      y[i] = static_cast<float>((x[i] - mean) * scale) * w[i] + b[i];
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (has_quantised_output(args)) return bind_and_quantise(args, bind_reference);
  if (!all_f32(args)) return nullptr;
  const double eps = args.node.attributes.number("eps");
  return make_kernel([eps](Views inputs, Views outputs) { layer_norm(eps, inputs, outputs); });
}

constexpr auto kKernels = leveled_kernels<bind_norm_rows<&RowKernels::layer_norm>>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"layer_norm", kKernels}}};

}  // namespace

std::span<const KernelList> layer_norm_cpu_kernels() { return kLists; }

}  // namespace partita::ops
