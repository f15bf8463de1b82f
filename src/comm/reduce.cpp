// SPDX-License-Identifier: Apache-2.0
// Ordered reduction: checks, and the choice of the kernel.
#include "comm/reduce.h"

#include "comm/all_reduce.h"
#include "comm/reduce_kernels.h"
#include "device/cpu/instructions.h"
#include "support/error.h"

namespace partita::comm {
namespace {

bool use_avx2() {
  static const bool usable = device::usable_instructions() >= device::Instructions::kAvx2;
  return usable;
}

bool use_avx512() {
  static const bool usable = device::usable_instructions() == device::Instructions::kAvx512;
  return usable;
}

}  // namespace

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
  const ReduceArguments arguments{inputs.data(), static_cast<int>(inputs.size()), out, count,
                                  reduction};
  use_avx2() ? reduce_avx2(arguments) : reduce_baseline(arguments);
}

void add_terms(const Terms& terms,
               int64_t begin,
               std::span<const float* const> more,
               std::span<float> out) {
  CHECK(terms.dtype == DType::kF32 || terms.dtype == DType::kBF16, to_string(terms.dtype));
  const SumArguments arguments{terms.by_rank.data(),
                               static_cast<int>(terms.by_rank.size()),
                               terms.dtype == DType::kBF16,
                               begin,
                               more.data(),
                               static_cast<int>(more.size()),
                               out.data(),
                               static_cast<int64_t>(out.size())};
  if (arguments.is_bf16 && use_avx512()) return sum_bf16_avx512(arguments);
  use_avx2() ? sum_avx2(arguments) : sum_baseline(arguments);
}

void round_to_bf16(std::span<const float> from, std::byte* to) {
  const auto count = static_cast<int64_t>(from.size());
  auto* rounded = reinterpret_cast<uint16_t*>(to);
  if (use_avx512()) return round_avx512(from.data(), rounded, count);
  use_avx2() ? round_avx2(from.data(), rounded, count)
             : round_baseline(from.data(), rounded, count);
}

}  // namespace partita::comm
