// SPDX-License-Identifier: Apache-2.0
// The same reduction compiled for several instruction sets; reduce.cpp picks one.
#pragma once

#include "comm/reduce.h"

namespace partita::comm {

// inputs[rank]: `count` elements each, rank in [0, ranks). See reduce_in_order().
struct ReduceArguments {
  const std::byte* const* inputs;
  int ranks;
  std::byte* out;
  int64_t count;
  Reduction reduction;
};

void reduce_baseline(const ReduceArguments& arguments);
void reduce_avx2(const ReduceArguments& arguments);  // needs avx2_usable()
[[nodiscard]] bool avx2_usable();  // AVX2 and F16C, on this processor and in this build

}  // namespace partita::comm
