// SPDX-License-Identifier: Apache-2.0
#include "ops/onednn_limit.h"

#include <dnnl.hpp>

#include "device/cpu/instructions.h"
#include "support/error.h"

namespace partita::ops {
namespace {

dnnl_status_t set_limit() {
  switch (device::usable_instructions()) {
    case device::Instructions::kPortable:
      return dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41);
    case device::Instructions::kAvx2:
      return dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
    case device::Instructions::kAvx512:
      return dnnl_success;  // whatever the processor has
  }
  return dnnl_success;
}

}  // namespace

OneDnnLimit::OneDnnLimit() {
  static const dnnl_status_t status = set_limit();
  if (status != dnnl_success) {
    throw Error(ErrorCode::kSystem,
                str("[ops] oneDNN refuses to be limited to ",
                    device::to_string(device::usable_instructions()), ": status ", status));
  }
}

}  // namespace partita::ops
