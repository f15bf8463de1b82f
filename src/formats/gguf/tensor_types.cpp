// SPDX-License-Identifier: Apache-2.0
// The table of tensor types. Source: enum ggml_type of the format's reference implementation.
#include "formats/gguf/tensor_types.h"

#include <array>
#include <string_view>

#include "support/error.h"

namespace partita::formats {
namespace {

struct Row {
  uint32_t number;
  std::string_view name;
  std::optional<DType> dtype = {};
};

constexpr std::array<Row, 38> kRows = {{
    {0, "F32", DType::kF32},
    {1, "F16", DType::kF16},
    {2, "Q4_0", DType::kQ4_0},
    {3, "Q4_1"},
    {6, "Q5_0"},
    {7, "Q5_1"},
    {8, "Q8_0", DType::kQ8_0},
    {9, "Q8_1"},
    {10, "Q2_K"},
    {11, "Q3_K"},
    {12, "Q4_K"},
    {13, "Q5_K"},
    {14, "Q6_K"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {20, "IQ4_NL"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {23, "IQ4_XS"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {30, "BF16", DType::kBF16},
    {31, "Q4_0_4_4"},
    {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"},
    {34, "TQ1_0"},
    {35, "TQ2_0"},
    {39, "MXFP4"},
    {40, "NVFP4"},
    {41, "Q1_0"},
    {42, "Q2_0"},
}};

}  // namespace

std::string gguf_tensor_type_name(uint32_t number) {
  for (const Row& row : kRows) {
    if (row.number == number) return std::string(row.name);
  }
  return str("type ", number);
}

std::optional<DType> dtype_of_gguf(uint32_t number) {
  for (const Row& row : kRows) {
    if (row.number == number) return row.dtype;
  }
  return std::nullopt;
}

std::optional<uint32_t> gguf_tensor_type_of(DType dtype) {
  for (const Row& row : kRows) {
    if (row.dtype == dtype) return row.number;
  }
  return std::nullopt;
}

std::string readable_gguf_tensor_types() {
  std::string names;
  for (const Row& row : kRows) {
    if (row.dtype) names += str(names.empty() ? "" : ", ", row.name);
  }
  return names;
}

}  // namespace partita::formats
