// SPDX-License-Identifier: Apache-2.0
// The loops of ordered reduction. Included by one source file per instruction set, each compiled
// with its own flags; everything is local to that file, so that no code of one set is linked into
// another.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "comm/reduce_kernels.h"
#include "support/error.h"

namespace partita::comm {
namespace {

// Elements per block: with 4 or 8 bytes each, its buffers take a quarter of the smallest usual L1
// cache.
constexpr int64_t kBlock = 512;

template <ReduceKind kKind, typename A>
A combine(A left, A right) {
  if constexpr (kKind == ReduceKind::kMin) {
    return right < left || right != right ? right : left;  // a NaN on either side stays
  } else if constexpr (kKind == ReduceKind::kMax) {
    return left < right || right != right ? right : left;
  } else if constexpr (std::is_integral_v<A>) {
    const auto a = static_cast<uint64_t>(left);  // where overflow is defined
    const auto b = static_cast<uint64_t>(right);
    return static_cast<A>(kKind == ReduceKind::kProd ? a * b : a + b);
  } else {
    return kKind == ReduceKind::kProd ? left * right : left + right;
  }
}

// How elements in memory become numbers to compute with, and back. `omp simd` says that the
// iterations are independent; that holds for `to` == `from` as well.
template <typename Element>
struct IntegerCodec {
  using Stored = Element;
  using Number = int64_t;
  static void widen(const Stored* from, Number* to, int64_t size) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) to[i] = static_cast<Number>(from[i]);
  }
  static void narrow(const Number* from, Stored* to, int64_t size) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) to[i] = static_cast<Stored>(from[i]);
  }
};

// As BFloat16 of support/dtype.h, without branches.
struct BFloat16Codec {
  using Stored = uint16_t;
  using Number = float;
  static void widen(const Stored* from, Number* to, int64_t size) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      to[i] = std::bit_cast<float>(static_cast<uint32_t>(from[i]) << 16);
    }
  }
  static void narrow(const Number* from, Stored* to, int64_t size) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      const auto word = std::bit_cast<uint32_t>(from[i]);
      const uint32_t rounded = (word + 0x7fffU + ((word >> 16) & 1U)) >> 16;
      const uint32_t quiet_nan = (word >> 16) | 0x40U;
      to[i] = static_cast<Stored>((word & 0x7fffffffU) > 0x7f800000U ? quiet_nan : rounded);
    }
  }
};

struct Float16Codec {
  using Stored = uint16_t;
  using Number = float;
  static void widen(const Stored* from, Number* to, int64_t size) {
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= size; i += 8) {
      const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
      _mm256_storeu_ps(to + i, _mm256_cvtph_ps(halves));
    }
#endif
    for (; i < size; ++i) to[i] = Float16{from[i]}.to_float();
  }
  static void narrow(const Number* from, Stored* to, int64_t size) {
    int64_t i = 0;
#if defined(__F16C__)
    for (; i + 8 <= size; i += 8) {
      const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), halves);
    }
#endif
    for (; i < size; ++i) to[i] = Float16::from_float(from[i]).bits;
  }
};

// to[i] = left[i] op right[i]
template <ReduceKind kKind, typename A>
void combine_block(const A* left, const A* right, A* to, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) to[i] = combine<kKind>(left[i], right[i]);
}

template <ReduceKind kKind, typename A>
void finish_block(A* values, int64_t size, int64_t ranks) {
  if constexpr (kKind == ReduceKind::kAvg) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) values[i] = values[i] / static_cast<A>(ranks);
  }
}

// Elements that are computed with as they are. `out` is written in the last step only, since it may
// be the same as any input.
template <typename A>
struct Direct {
  template <ReduceKind kKind>
  static void reduce(const ReduceArguments& arguments, int64_t begin, int64_t size) {
    alignas(64) A sums[kBlock];  // NOLINT: std::array would be code shared between instruction sets
    const auto input = [&](int rank) {
      return reinterpret_cast<const A*>(arguments.inputs[rank]) + begin;
    };
    A* out = reinterpret_cast<A*>(arguments.out) + begin;
    const A* left = input(0);
    for (int rank = 1; rank < arguments.ranks; ++rank) {
      A* to = rank + 1 == arguments.ranks ? out : sums;
      combine_block<kKind>(left, input(rank), to, size);
      left = to;
    }
    for (int64_t i = 0; arguments.ranks == 1 && i < size; ++i) out[i] = left[i];
    finish_block<kKind>(out, size, arguments.ranks);
  }
};

// Elements that are converted first.
template <typename Codec>
struct Coded {
  template <ReduceKind kKind>
  static void reduce(const ReduceArguments& arguments, int64_t begin, int64_t size) {
    using Stored = typename Codec::Stored;
    using A = typename Codec::Number;
    alignas(64) A sums[kBlock];  // NOLINT
    alignas(64) A next[kBlock];  // NOLINT
    const auto input = [&](int rank) {
      return reinterpret_cast<const Stored*>(arguments.inputs[rank]) + begin;
    };
    Codec::widen(input(0), sums, size);
    for (int rank = 1; rank < arguments.ranks; ++rank) {
      Codec::widen(input(rank), next, size);
      combine_block<kKind>(sums, next, sums, size);
    }
    finish_block<kKind>(sums, size, arguments.ranks);
    Codec::narrow(sums, reinterpret_cast<Stored*>(arguments.out) + begin, size);
  }
};

template <typename Kernel, ReduceKind kKind>
void reduce_blocks(const ReduceArguments& arguments) {
  for (int64_t begin = 0; begin < arguments.count; begin += kBlock) {
    const int64_t left = arguments.count - begin;
    Kernel::template reduce<kKind>(arguments, begin, left < kBlock ? left : kBlock);
  }
}

template <typename Kernel>
void reduce_kind(const ReduceArguments& arguments) {
  switch (arguments.reduction.kind) {
    case ReduceKind::kSum:
      return reduce_blocks<Kernel, ReduceKind::kSum>(arguments);
    case ReduceKind::kProd:
      return reduce_blocks<Kernel, ReduceKind::kProd>(arguments);
    case ReduceKind::kMin:
      return reduce_blocks<Kernel, ReduceKind::kMin>(arguments);
    case ReduceKind::kMax:
      return reduce_blocks<Kernel, ReduceKind::kMax>(arguments);
    case ReduceKind::kAvg:
      return reduce_blocks<Kernel, ReduceKind::kAvg>(arguments);
  }
}

void reduce_any(const ReduceArguments& arguments) {
  switch (arguments.reduction.dtype) {
    case DType::kBool:
    case DType::kU8:
      return reduce_kind<Coded<IntegerCodec<uint8_t>>>(arguments);
    case DType::kI8:
      return reduce_kind<Coded<IntegerCodec<int8_t>>>(arguments);
    case DType::kI16:
      return reduce_kind<Coded<IntegerCodec<int16_t>>>(arguments);
    case DType::kI32:
      return reduce_kind<Coded<IntegerCodec<int32_t>>>(arguments);
    case DType::kI64:
      return reduce_kind<Direct<int64_t>>(arguments);
    case DType::kF16:
      return reduce_kind<Coded<Float16Codec>>(arguments);
    case DType::kBF16:
      return reduce_kind<Coded<BFloat16Codec>>(arguments);
    case DType::kF32:
      return reduce_kind<Direct<float>>(arguments);
    case DType::kF64:
      return reduce_kind<Direct<double>>(arguments);
    case DType::kQ8_0:
    case DType::kQ4_0:
      CHECK(false, "blocks of ", to_string(arguments.reduction.dtype), " cannot be reduced");
  }
}

// Sums of so many inputs are one loop each, which reads every input once and keeps the sum in a
// register: the terms of 2 to 6 ranks with a residual and a bias.
constexpr int kMostInOneLoop = 8;

template <int kInputs>
void sum_in_one_loop(const float* const* inputs, float* out, int64_t count) {
  if constexpr (kInputs <= kMostInOneLoop) {
    const float* in[kInputs];  // NOLINT: copies, that the stores cannot change
    for (int input = 0; input < kInputs; ++input) in[input] = inputs[input];
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      float sum = in[0][i];
      for (int input = 1; input < kInputs; ++input) sum += in[input][i];
      out[i] = sum;
    }
  }
}

void sum_floats(const float* const* inputs, int count_inputs, float* out, int64_t count) {
  switch (count_inputs) {
    case 1:
      return sum_in_one_loop<1>(inputs, out, count);
    case 2:
      return sum_in_one_loop<2>(inputs, out, count);
    case 3:
      return sum_in_one_loop<3>(inputs, out, count);
    case 4:
      return sum_in_one_loop<4>(inputs, out, count);
    case 5:
      return sum_in_one_loop<5>(inputs, out, count);
    case 6:
      return sum_in_one_loop<6>(inputs, out, count);
    case 7:
      return sum_in_one_loop<7>(inputs, out, count);
    default:
      return sum_in_one_loop<kMostInOneLoop>(inputs, out, count);
  }
}

// Block by block: the terms of up to kMostInOneLoop ranks at once, then what is left on top of the
// sum so far.
void sum_float_block(const SumArguments& arguments, int64_t begin, int64_t size) {
  const int inputs = arguments.ranks + arguments.addends;
  float* out = arguments.out + begin;
  for (int input = 0; input < inputs;) {
    const float* in[kMostInOneLoop];  // NOLINT
    int filled = 0;
    if (input > 0) in[filled++] = out;
    for (; filled < kMostInOneLoop && input < inputs; ++input) {
      in[filled++] = input < arguments.ranks
                         ? reinterpret_cast<const float*>(arguments.terms[input]) +
                               arguments.first_term + begin
                         : arguments.more[input - arguments.ranks] + begin;
    }
    sum_floats(in, filled, out, size);
  }
}

void sum_bf16_block(const SumArguments& arguments, int64_t begin, int64_t size) {
  alignas(64) float next[kBlock];  // NOLINT
  float* out = arguments.out + begin;
  for (int rank = 0; rank < arguments.ranks; ++rank) {
    const auto* term =
        reinterpret_cast<const uint16_t*>(arguments.terms[rank]) + arguments.first_term + begin;
    BFloat16Codec::widen(term, rank == 0 ? out : next, size);
    if (rank > 0) combine_block<ReduceKind::kSum>(out, next, out, size);
  }
  for (int addend = 0; addend < arguments.addends; ++addend) {
    combine_block<ReduceKind::kSum>(out, arguments.more[addend] + begin, out, size);
  }
}

void sum_any(const SumArguments& arguments) {
  for (int64_t begin = 0; begin < arguments.count; begin += kBlock) {
    const int64_t left = arguments.count - begin;
    const int64_t size = left < kBlock ? left : kBlock;
    arguments.is_bf16 ? sum_bf16_block(arguments, begin, size)
                      : sum_float_block(arguments, begin, size);
  }
}

}  // namespace
}  // namespace partita::comm
