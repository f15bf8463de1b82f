// SPDX-License-Identifier: Apache-2.0
// Element types of tensors, their names and sizes, and conversions of half-precision values.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace partita {

// The last two are stored in blocks (support/quant_blocks.h), only along the last dim of a tensor.
enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kI16,
  kI32,
  kI64,
  kF16,
  kBF16,
  kF32,
  kF64,
  kQ8_0,
  kQ4_0
};

// Bytes of one element. CHECKs that the type has elements of their own: see bytes_of().
[[nodiscard]] int64_t size_of(DType dtype);

// Elements that are stored together: 32 of the block types, else 1. The last dim of a tensor, and
// of every piece of it, is a multiple.
[[nodiscard]] int64_t block_elements(DType dtype);
[[nodiscard]] int64_t block_bytes(DType dtype);  // that one block takes
[[nodiscard]] inline bool is_block_type(DType dtype) { return block_elements(dtype) > 1; }

// Bytes of so many elements in a row, rounded up to whole blocks. CHECKs against overflow.
[[nodiscard]] int64_t bytes_of(DType dtype, int64_t elements);

// Lower-case name: "bool", "u8", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64", "q8_0",
// "q4_0".
[[nodiscard]] std::string_view to_string(DType dtype);

// Inverse of to_string(); also accepts the upper-case safetensors names ("F32", "BF16", "I64", ...)
// and the Hugging Face names ("float32", "bfloat16", "float16"). Empty when unknown.
[[nodiscard]] std::optional<DType> parse_dtype(std::string_view name);

// bfloat16: the upper half of an IEEE f32. Rounds to nearest even; NaN stays NaN.
struct BFloat16 {
  uint16_t bits = 0;

  static BFloat16 from_float(float value) {
    const auto word = std::bit_cast<uint32_t>(value);
    if ((word & 0x7fffffffU) > 0x7f800000U) return {static_cast<uint16_t>((word >> 16) | 0x40U)};
    return {static_cast<uint16_t>((word + 0x7fffU + ((word >> 16) & 1U)) >> 16)};
  }
  [[nodiscard]] float to_float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

// IEEE binary16. Conversions round to nearest even and keep subnormals, infinities and NaN.
struct Float16 {
  uint16_t bits = 0;

  static Float16 from_float(float value);
  [[nodiscard]] float to_float() const;
};

// Converts `count` elements from `from` to f32. Accepts every type; whole blocks of block types.
void convert_to_f32(DType dtype, const void* from, float* to, int64_t count);

// Converts `count` f32 values to `dtype` (f16, bf16, f32 only; CHECKs otherwise).
void convert_from_f32(const float* from, DType dtype, void* to, int64_t count);

}  // namespace partita
