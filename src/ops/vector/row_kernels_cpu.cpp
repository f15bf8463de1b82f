// SPDX-License-Identifier: Apache-2.0
// Choice of the row kernels of an instruction set.
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {

const RowKernels& row_kernels(device::Instructions level) {
  switch (level) {
    case device::Instructions::kPortable:
      return kRowKernelsPortable;
    case device::Instructions::kAvx2:
      return kRowKernelsAvx2;
    case device::Instructions::kAvx512:
      return kRowKernelsAvx512;
  }
  return kRowKernelsPortable;
}

BinaryRow gated_kernel(const RowKernels& kernels, std::string_view activation) {
  if (activation == "gelu") return kernels.gated_gelu;
  if (activation == "gelu_tanh") return kernels.gated_gelu_tanh;
  if (activation == "relu") return kernels.gated_relu;
  return activation == "silu" ? kernels.gated_silu : nullptr;
}

}  // namespace partita::ops
