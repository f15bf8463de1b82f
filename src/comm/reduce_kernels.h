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

// See add_terms(): terms[rank][first_term + i], f32 or bf16, then more[k][i].
struct SumArguments {
  const std::byte* const* terms;
  int ranks;
  bool is_bf16;
  int64_t first_term;
  const float* const* more;
  int addends;
  float* out;
  int64_t count;
};

void reduce_baseline(const ReduceArguments& arguments);
void sum_baseline(const SumArguments& arguments);
void round_baseline(const float* from, uint16_t* to, int64_t count);
// These need the level avx2 (device/cpu/instructions.h).
void reduce_avx2(const ReduceArguments& arguments);
void sum_avx2(const SumArguments& arguments);
void round_avx2(const float* from, uint16_t* to, int64_t count);
// These need the level avx512, and terms in bf16.
void sum_bf16_avx512(const SumArguments& arguments);
void round_avx512(const float* from, uint16_t* to, int64_t count);

}  // namespace partita::comm
