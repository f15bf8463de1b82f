// SPDX-License-Identifier: Apache-2.0
// Rows that are quantised once: products, norms and gates give the same bits as when every product
// quantised the rows itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "comm/local/local.h"
#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "ops/quantized_rows.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::HasSubstr;

// Around the sizes of panels (8 rows) and runs (512).
constexpr std::array<int64_t, 9> kRowCounts = {0, 1, 7, 8, 9, 20, 511, 513, 1030};

ir::Attributes with_type(DType weight, ir::Attributes attributes = {}) {
  attributes.set(kQuantizedFor, std::string(to_string(weight)));
  return attributes;
}

HostTensor quantized(const HostTensor& rows, DType weight, std::string_view kernel = {}) {
  std::vector<HostTensor> inputs = {rows};
  return evaluate("quantize_rows", with_type(weight), inputs, {.kernel = kernel})[0];
}

class QuantizeRows : public testing::TestWithParam<DType> {};

TEST_P(QuantizeRows, AProductOfThemHasTheBitsOfThatOfFloats) {
  for (const int64_t rows : kRowCounts) {
    for (const bool is_packed : {false, true}) {
      const OpSample sample = float_sample({f32({rows, 96}), {GetParam(), {37, 96}}});
      std::vector<HostTensor> inputs = random_inputs(sample, 3);
      std::vector<HostTensor> same = inputs;
      same[0] = quantized(inputs[0], GetParam());
      const EvaluateOptions options = {.kernel = "packed", .is_weight_given = is_packed};
      EXPECT_EQ(evaluate("linear", {}, same, options), evaluate("linear", {}, inputs, options))
          << rows << (is_packed ? " packed" : "");
    }
  }
}

TEST_P(QuantizeRows, TheReferenceReadsTheRoundedRows) {
  for (const int64_t rows : {1, 20, 513}) {
    const OpSample sample = float_sample({f32({rows, 64}), {GetParam(), {5, 64}}});
    std::vector<HostTensor> inputs = random_inputs(sample, 4);
    inputs[0] = quantized(inputs[0], GetParam());
    const auto packed = evaluate("linear", {}, inputs, {.kernel = "packed"})[0].floats();
    const auto plain = evaluate("linear", {}, inputs, {.kernel = "reference"})[0].floats();
    for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(packed[i], plain[i], 2e-4) << rows;
  }
}

TEST_P(QuantizeRows, EveryKernelGivesTheSameBytes) {
  for (const int64_t rows : kRowCounts) {
    const HostTensor x = random_inputs(float_sample({f32({rows, 160})}), 5)[0];
    for (const std::string_view kernel : usable_kernels_of("quantize_rows")) {
      EXPECT_EQ(quantized(x, GetParam(), kernel), quantized(x, GetParam(), "reference")) << kernel;
    }
  }
}

class OneGroup final : public Groups {
 public:
  comm::Communicator& group(std::string_view /*name*/) override { return *group_[0]; }

 private:
  std::vector<std::unique_ptr<comm::Communicator>> group_ = comm::make_local_group(1);
};

// Inputs of an operator with that many rows of `width`.
std::vector<HostTensor> inputs_of(std::string_view op, int64_t rows, int64_t width) {
  OpSample sample = find_op(op).samples().front();
  for (ir::TensorType& type : sample.inputs) {
    type = type.dims.size() == 1 ? f32({width}) : f32({rows, width});
  }
  return random_inputs(sample, 6);
}

TEST_P(QuantizeRows, OperatorsGiveTheBytesOfTheirFloatsQuantised) {
  OneGroup groups;
  for (const std::string_view op : kQuantizingOps) {
    const ir::Attributes plain = find_op(op).samples().front().attributes;
    for (const int64_t rows : kRowCounts) {
      std::vector<HostTensor> inputs = inputs_of(op, rows, 192);
      for (const std::string_view kernel : usable_kernels_of(op)) {
        const EvaluateOptions options = {.kernel = kernel, .groups = &groups};
        std::vector<HostTensor> expected = evaluate(op, plain, inputs, options);
        expected.back() = quantized(expected.back(), GetParam());
        EXPECT_EQ(evaluate(op, with_type(GetParam(), plain), inputs, options), expected)
            << op << " " << kernel << " " << rows;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, QuantizeRows, testing::Values(DType::kQ8_0, DType::kQ4_0));

TEST(QuantizedRows, NamesWhatItCannotQuantise) {
  const auto message = [](std::string_view op, const ir::Attributes& attributes,
                          std::vector<ir::TensorType> inputs) -> std::string {
    try {
      static_cast<void>(infer_types({op, attributes, inputs}));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  const ir::Attributes silu = attributes({{"activation", std::string("silu")}});
  EXPECT_THAT(message("quantize_rows", with_type(DType::kQ8_0), {f32({3, 33})}),
              HasSubstr("f32[3,33]"));
  EXPECT_THAT(message("quantize_rows", with_type(DType::kQ8_0), {bf16({3, 32})}),
              HasSubstr("bf16[3,32]"));
  EXPECT_THAT(message("quantize_rows", with_type(DType::kF32), {f32({3, 32})}),
              HasSubstr("expected q8_0 or q4_0"));
  EXPECT_THAT(message("quantize_rows", {}, {f32({3, 32})}), HasSubstr(kQuantizedFor));
  EXPECT_THAT(message("gated", with_type(DType::kQ4_0, silu), {f32({3, 40}), f32({3, 40})}),
              HasSubstr("f32[3,40]"));
  const ir::TensorType rows = quantized_rows_type(f32({3, 64}));
  EXPECT_EQ(ir::to_string(rows), "u8[3,2,40]");
  EXPECT_THAT(message("linear", {}, {rows, q8({5, 96})}), HasSubstr("q8_0[5,96]"));
  EXPECT_THAT(message("linear", {}, {rows, f32({5, 64})}), HasSubstr("f32[5,64]"));
}

}  // namespace
}  // namespace partita::ops
