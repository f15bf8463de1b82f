// SPDX-License-Identifier: Apache-2.0
// gated on the CPU.
#include <array>

#include "ops/activations.h"
#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/product/quantised_output.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

// The same with rows that are quantised: see ops/quantized_rows.h.
std::unique_ptr<BoundKernel> bind_quantised(const BindArgs& args,
                                            BinaryRow row_kernel,
                                            device::Instructions level) {
  return make_kernel(
      [row_kernel, quantised = QuantisedOutput(args, level)](Views inputs, Views outputs) {
        const std::vector<int64_t>& shape = inputs[0].shape;
        const int64_t width = shape.back();
        const Split rows = {.items = elements_of(shape, 0, shape.size() - 1),
                            .bytes_per_item = 4 * width * int64_t{sizeof(float)},
                            .least_bytes = 256 << 10};
        quantised.make_rows(rows, outputs[0], [&](int64_t row, float* to) {
          row_kernel(inputs[0].as<const float>() + row * width,
                     inputs[1].as<const float>() + row * width, to, width);
        });
      });
}

// y[i] = f(gate[i]) * up[i] over any shape, in ranges of whole cache lines.
std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  const BinaryRow row = gated_kernel(row_kernels(level), args.node.attributes.text("activation"));
  if (row == nullptr) return nullptr;
  if (has_quantised_output(args)) return bind_quantised(args, row, level);
  if (!all_f32(args)) return nullptr;
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
  if (has_quantised_output(args)) return bind_and_quantise(args, bind_reference);
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
