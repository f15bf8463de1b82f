// SPDX-License-Identifier: Apache-2.0
// Element types of tensors, their names and sizes, and conversions of half-precision values.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

namespace partita {

enum class DType : uint8_t { kBool, kU8, kI8, kI16, kI32, kI64, kF16, kBF16, kF32, kF64 };

// Bytes of one element.
[[nodiscard]] int64_t size_of(DType dtype);

// Lower-case name: "bool", "u8", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64".
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

// Converts `count` elements from `from` to f32. Accepts f16, bf16, f32, f64 and the integer types.
void convert_to_f32(DType dtype, const void* from, float* to, int64_t count);

// Converts `count` f32 values to `dtype` (f16, bf16, f32 only; CHECKs otherwise).
void convert_from_f32(const float* from, DType dtype, void* to, int64_t count);

}  // namespace partita
