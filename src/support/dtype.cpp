// SPDX-License-Identifier: Apache-2.0
#include "support/dtype.h"

#include <array>
#include <cstring>

#include "support/checked_math.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita {
namespace {

struct DTypeInfo {
  DType dtype;
  int64_t bytes;  // of one block
  std::string_view name;
  std::string_view safetensors_name;
  std::string_view hugging_face_name;
  int64_t elements = 1;  // of one block
};

constexpr std::array<DTypeInfo, 12> kDTypes = {{
    {DType::kBool, 1, "bool", "BOOL", "bool"},
    {DType::kU8, 1, "u8", "U8", "uint8"},
    {DType::kI8, 1, "i8", "I8", "int8"},
    {DType::kI16, 2, "i16", "I16", "int16"},
    {DType::kI32, 4, "i32", "I32", "int32"},
    {DType::kI64, 8, "i64", "I64", "int64"},
    {DType::kF16, 2, "f16", "F16", "float16"},
    {DType::kBF16, 2, "bf16", "BF16", "bfloat16"},
    {DType::kF32, 4, "f32", "F32", "float32"},
    {DType::kF64, 8, "f64", "F64", "float64"},
    // Neither safetensors nor Hugging Face has them.
    {DType::kQ8_0, sizeof(Q8Block), "q8_0", "q8_0", "q8_0", kQuantBlock},
    {DType::kQ4_0, sizeof(Q4Block), "q4_0", "q4_0", "q4_0", kQuantBlock},
}};

const DTypeInfo& info_of(DType dtype) { return kDTypes.at(static_cast<size_t>(dtype)); }

template <typename T>
void widen(const void* from, float* to, int64_t count) {
  const auto* bytes = static_cast<const std::byte*>(from);
  for (int64_t i = 0; i < count; ++i) {
    T value;
    // File data need not be aligned to the element size.
    std::memcpy(&value, bytes + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
    if constexpr (requires { value.to_float(); }) {
      to[i] = value.to_float();
    } else {
      to[i] = static_cast<float>(value);
    }
  }
}

template <typename T>
void narrow(const float* from, void* to, int64_t count) {
  auto* out = static_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) out[i] = T::from_float(from[i]);
}

}  // namespace

int64_t size_of(DType dtype) {
  CHECK(!is_block_type(dtype), to_string(dtype), " has no bytes per element");
  return info_of(dtype).bytes;
}

int64_t block_elements(DType dtype) { return info_of(dtype).elements; }

int64_t block_bytes(DType dtype) { return info_of(dtype).bytes; }

int64_t bytes_of(DType dtype, int64_t elements) {
  const DTypeInfo& info = info_of(dtype);
  const int64_t blocks = elements / info.elements + (elements % info.elements != 0 ? 1 : 0);
  const auto bytes = checked_mul(blocks, info.bytes);
  CHECK(bytes, elements, " elements of ", info.name, " overflow");
  return *bytes;
}

std::string_view to_string(DType dtype) { return info_of(dtype).name; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (const DTypeInfo& info : kDTypes) {
    if (name == info.name || name == info.safetensors_name || name == info.hugging_face_name) {
      return info.dtype;
    }
  }
  return std::nullopt;
}

Float16 Float16::from_float(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((word >> 16) & 0x8000U);
  const uint32_t magnitude = word & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return {static_cast<uint16_t>(sign | 0x7e00U)};
  if (magnitude >= 0x477ff000U)
    return {static_cast<uint16_t>(sign | 0x7c00U)};  // rounds to infinity
  if (magnitude < 0x38800000U) {
    // Subnormal result: adding 0.5f aligns the mantissa so that the FPU rounds to nearest even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000U))};
  }
  const uint32_t odd = (magnitude >> 13) & 1U;
  return {static_cast<uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13))};
}

float Float16::to_float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fU;
  const uint32_t mantissa = bits & 0x3ffU;
  if (exponent == 0) {
    const float value = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
  }
  if (exponent == 0x1fU) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

void convert_to_f32(DType dtype, const void* from, float* to, int64_t count) {
  if (count == 0) return;  // memcpy takes no null pointers
  switch (dtype) {
    case DType::kF32:
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kBF16:
      widen<BFloat16>(from, to, count);
      return;
    case DType::kF16:
      widen<Float16>(from, to, count);
      return;
    case DType::kF64:
      widen<double>(from, to, count);
      return;
    case DType::kBool:
    case DType::kU8:
      widen<uint8_t>(from, to, count);
      return;
    case DType::kI8:
      widen<int8_t>(from, to, count);
      return;
    case DType::kI16:
      widen<int16_t>(from, to, count);
      return;
    case DType::kI32:
      widen<int32_t>(from, to, count);
      return;
    case DType::kI64:
      widen<int64_t>(from, to, count);
      return;
    case DType::kQ8_0:
    case DType::kQ4_0:
      dequantize(dtype, from, count, to);
      return;
  }
}

void convert_from_f32(const float* from, DType dtype, void* to, int64_t count) {
  if (count == 0) return;
  switch (dtype) {
    case DType::kF32:
      std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kBF16:
      narrow<BFloat16>(from, to, count);
      return;
    case DType::kF16:
      narrow<Float16>(from, to, count);
      return;
    case DType::kBool:
    case DType::kU8:
    case DType::kI8:
    case DType::kI16:
    case DType::kI32:
    case DType::kI64:
    case DType::kF64:
    case DType::kQ8_0:
    case DType::kQ4_0:
      CHECK(false, "convert_from_f32 to ", to_string(dtype));
  }
}

}  // namespace partita
