// SPDX-License-Identifier: Apache-2.0
// gated on the CPU.
#include <array>

#include "ops/activations.h"
#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

BinaryRow gated_row(const RowKernels& kernels, std::string_view activation) {
  if (activation == "gelu") return kernels.gated_gelu;
  if (activation == "gelu_tanh") return kernels.gated_gelu_tanh;
  if (activation == "relu") return kernels.gated_relu;
  return activation == "silu" ? kernels.gated_silu : nullptr;
}

// y[i] = f(gate[i]) * up[i] over any shape, in ranges of whole cache lines.
std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  const BinaryRow row = gated_row(row_kernels(level), args.node.attributes.text("activation"));
  if (!all_f32(args) || row == nullptr) return nullptr;
  return make_kernel([row](Views inputs, Views outputs) {
    const Split split = {.items = outputs[0].elements(),
                         .bytes_per_item = 3 * int64_t{sizeof(float)},
                         .multiple = 16,
                         .least_bytes = 256 << 10};
    parallel_ranges(split, [&](Range range) {
      row(inputs[0].as<const float>() + range.begin, inputs[1].as<const float>() + range.begin,
          outputs[0].as<float>() + range.begin, range.end - range.begin);
    });
  });
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_activation(args.node.attributes.text("activation"), [&]<typename Function>(Function) {
    kernel = make_kernel([](Views inputs, Views outputs) {
      const auto* gate = inputs[0].as<const float>();
      const auto* up = inputs[1].as<const float>();
      auto* y = outputs[0].as<float>();
      const int64_t count = outputs[0].elements();
      for (int64_t i = 0; i < count; ++i) y[i] = Function{}(gate[i]) * up[i];
    });
  });
  return kernel;
}

constexpr auto kKernels = leveled_kernels<bind_rows>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"gated", kKernels}}};

}  // namespace

std::span<const KernelList> gated_cpu_kernels() { return kLists; }

}  // namespace partita::ops
