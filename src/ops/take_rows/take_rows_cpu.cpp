// SPDX-License-Identifier: Apache-2.0
// take_rows on the CPU.
#include <array>
#include <cstddef>
#include <cstring>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

// x[t, d..], rows[r]; y[r, d..]. Any element type.
void take_rows(Views inputs, Views outputs) {
  const TensorView& x = inputs[0];
  const int64_t row_bytes = elements_of(x.shape, 1, x.shape.size()) * size_of(x.dtype);
  const auto* from = x.as<const std::byte>();
  auto* to = outputs[0].as<std::byte>();
  if (row_bytes == 0) return;
  for (int64_t i = 0; i < inputs[1].shape[0]; ++i) {
    const int64_t row = integer_at(inputs[1], i);
    CHECK(row >= 0 && row < x.shape[0], "take_rows: row ", row, " of ", x.shape[0]);
    std::memcpy(to + i * row_bytes, from + row * row_bytes, static_cast<size_t>(row_bytes));
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != args.outputs[0].dtype) return nullptr;
  return make_kernel(take_rows);
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"take_rows", kKernels}}};

}  // namespace

std::span<const KernelList> take_rows_cpu_kernels() { return kLists; }

}  // namespace partita::ops
