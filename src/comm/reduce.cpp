// SPDX-License-Identifier: Apache-2.0
// Ordered reduction: checks, and the choice of the kernel.
#include "comm/reduce.h"

#include "comm/reduce_kernels.h"
#include "support/error.h"

namespace partita::comm {

void check_reducible(Reduction reduction) {
  const bool ordered = reduction.kind == ReduceKind::kMin || reduction.kind == ReduceKind::kMax;
  if (reduction.dtype == DType::kBool && !ordered) {
    throw Error(ErrorCode::kUnsupported,
                str("[comm] ", to_string(reduction.kind),
                    " of bool is not defined; use max for or, min for and, or convert first"));
  }
}

void reduce_in_order(std::span<const std::byte* const> inputs,
                     std::byte* out,
                     int64_t count,
                     Reduction reduction) {
  static const bool use_avx2 = avx2_usable();
  const ReduceArguments arguments{inputs.data(), static_cast<int>(inputs.size()), out, count,
                                  reduction};
  use_avx2 ? reduce_avx2(arguments) : reduce_baseline(arguments);
}

}  // namespace partita::comm
