// SPDX-License-Identifier: Apache-2.0
// quantize_rows on the CPU.
#include <array>

#include "ops/cpu_kernel.h"
#include "ops/product/row_quantiser.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

RowQuantiser quantiser_of(const BindArgs& args, device::Instructions level) {
  return {*quantized_for(args.node.attributes), args.inputs[0].dims.back().size, level};
}

std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  if (!can_quantize(args.inputs[0])) return nullptr;
  return make_kernel([quantiser = quantiser_of(args, level)](Views inputs, Views outputs) {
    const TensorView& x = inputs[0];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - 1);
    quantiser.quantise(x.as<const float>(), rows, outputs[0].as<std::byte>());
  });
}

// Row by row with the plain loops.
std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!can_quantize(args.inputs[0])) return nullptr;
  const RowQuantiser quantiser = quantiser_of(args, device::Instructions::kPortable);
  return make_kernel([quantiser](Views inputs, Views outputs) {
    const TensorView& x = inputs[0];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - 1);
    for (int64_t row = 0; row < rows; ++row) {
      quantiser.quantise_row(x.as<const float>() + row * x.shape.back(), row, rows,
                             outputs[0].as<std::byte>());
    }
  });
}

constexpr auto kKernels = leveled_kernels<bind_rows>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"quantize_rows", kKernels}}};

}  // namespace

std::span<const KernelList> quantize_rows_cpu_kernels() { return kLists; }

}  // namespace partita::ops
