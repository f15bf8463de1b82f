// SPDX-License-Identifier: Apache-2.0
// Every kernel of every operator equals the operator's reference, on samples and on larger and
// empty shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// Kernels for weights in blocks round activations to 8 bits in blocks of 32: of random values about
// 0.4 % of the result's size, which their own tests bound exactly.
constexpr float kBlocksShare = 0.03F;

void expect_close_to_scale(const std::vector<float>& found,
                           const std::vector<float>& expected,
                           const std::string& what) {
  float scale = 0;
  for (const float value : expected) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i], expected[i], kBlocksShare * scale) << what << " at " << i;
  }
}

void expect_close(const HostTensor& found, const HostTensor& expected, const std::string& what) {
  ASSERT_EQ(found.dtype, expected.dtype) << what;
  ASSERT_EQ(found.shape, expected.shape) << what;
  const std::vector<float> a = found.floats();
  const std::vector<float> b = expected.floats();
  // The reference accumulates in double, the others in f32 over at most a few hundred terms of
  // size 1.
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_NEAR(a[i], b[i], 2e-5 + 2e-5 * std::abs(b[i])) << what << " at " << i;
  }
}

bool has_blocks(const OpSample& sample) {
  return std::ranges::any_of(sample.inputs,
                             [](const ir::TensorType& type) { return is_block_type(type.dtype); });
}

// Runs `kernel` and the reference on equal inputs and compares the outputs and the state inputs.
void expect_same(const OpDef& op, const OpSample& sample, std::string_view kernel, uint64_t seed) {
  for (const bool is_weight_given : {false, true}) {
    std::vector<HostTensor> inputs = random_inputs(sample, seed);
    std::vector<HostTensor> reference_inputs = inputs;
    const auto outputs = evaluate(op.name, sample.attributes, inputs,
                                  {.kernel = kernel, .is_weight_given = is_weight_given});
    const auto expected =
        evaluate(op.name, sample.attributes, reference_inputs, {.kernel = "reference"});
    std::string what = str(op.name, "/", kernel, is_weight_given ? " packed" : "");
    for (const HostTensor& input : inputs) what += " " + ir::to_string(input.type());
    ASSERT_EQ(outputs.size(), expected.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (has_blocks(sample)) {
        expect_close_to_scale(outputs[i].floats(), expected[i].floats(), what);
      } else {
        expect_close(outputs[i], expected[i], what);
      }
    }
    // A kernel that is given its weight may use it up.
    const size_t kept = is_weight_given ? 1 : inputs.size();
    for (size_t i = 0; i < kept; ++i)
      EXPECT_TRUE(inputs[i] == reference_inputs[i]) << what << ": input " << i;
  }
}

// All kernels that accept the call at this instruction level, and at least one where the operator
// has any beside its reference: what is fast at one level must not fall to the reference at
// another.
void expect_all_kernels_same(std::string_view name, const OpSample& sample, uint64_t seed) {
  std::vector<HostTensor> inputs = random_inputs(sample, 1);
  const std::vector<std::string_view> kernels = accepting_kernels(name, sample.attributes, inputs);
  ASSERT_FALSE(kernels.empty());
  EXPECT_EQ(kernels.back(), "reference");
  if (cpu_kernels_of(name).size() > 1) {
    EXPECT_GE(kernels.size(), 2U) << name;
  }
  for (const std::string_view kernel : kernels) {
    if (kernel != "reference") expect_same(find_op(name), sample, kernel, seed);
  }
}

TEST(KernelConformance, SamplesOfEveryOperator) {
  for (const OpDef* op : all_ops()) {
    if (op->is_collective) continue;
    uint64_t seed = 1;
    for (const OpSample& sample : op->samples()) expect_all_kernels_same(op->name, sample, seed++);
  }
}

TEST(KernelConformance, ReferencesRunOnTheirSamples) {
  for (const OpDef* op : all_ops()) {
    if (op->is_collective) continue;
    for (const OpSample& sample : op->samples()) {
      std::vector<HostTensor> inputs = random_inputs(sample, 7);
      for (const HostTensor& output : evaluate(op->name, sample.attributes, inputs)) {
        for (const float value : output.floats()) EXPECT_TRUE(std::isfinite(value)) << op->name;
      }
    }
  }
}

TEST(KernelConformance, LinearOfManyRowCounts) {
  for (const int64_t rows : {1, 2, 5, 7, 17, 31, 64, 100, 513, 700}) {
    expect_all_kernels_same("linear", float_sample({f32({rows, 100}), f32({37, 100})}), 11);
    expect_all_kernels_same("linear", float_sample({f32({rows, 96}), bf16({67, 96})}), 12);
  }
}

TEST(KernelConformance, LinearOfWideWeights) {
  for (const int64_t rows : {1, 9}) {
    expect_all_kernels_same("linear", float_sample({f32({rows, 320}), f32({1000, 320})}), 13);
    expect_all_kernels_same("linear", float_sample({f32({rows, 333}), bf16({515, 333})}), 14);
  }
}

TEST(KernelConformance, LinearOfEmptyDims) {
  expect_all_kernels_same("linear", float_sample({f32({0, 6}), f32({5, 6})}), 1);
  expect_all_kernels_same("linear", float_sample({f32({3, 6}), f32({0, 6})}), 1);
  expect_all_kernels_same("linear", float_sample({f32({3, 0}), f32({5, 0})}), 1);
  expect_all_kernels_same("linear", float_sample({f32({3, 0}), bf16({5, 0})}), 1);
}

TEST(KernelConformance, MatmulOfLargerAndEmptyShapes) {
  expect_all_kernels_same("matmul", float_sample({f32({65, 130}), f32({130, 33})}), 1);
  expect_all_kernels_same("matmul", float_sample({f32({4, 1, 9, 16}), f32({4, 3, 16, 70})}), 2);
  expect_all_kernels_same("matmul", float_sample({bf16({2, 40, 48}), bf16({48, 50})}), 3);
  expect_all_kernels_same("matmul", float_sample({f32({0, 4}), f32({4, 3})}), 4);
  expect_all_kernels_same("matmul", float_sample({f32({2, 5, 0}), f32({2, 0, 3})}), 5);
}

TEST(KernelConformance, RowsOfAnyWidth) {
  uint64_t seed = 20;
  for (const int64_t width : {1, 2, 15, 16, 17, 63, 64, 100, 513, 2048}) {
    for (const int64_t rows : {0, 1, 3, 90}) {
      ++seed;
      const ir::TensorType x = f32({rows, width});
      OpSample norm = float_sample({x, f32({width})});
      norm.attributes.set("eps", 1e-5);
      expect_all_kernels_same("rms_norm", norm, seed);
      OpSample layer_norm = float_sample({x, f32({width}), f32({width})});
      layer_norm.attributes = norm.attributes;
      expect_all_kernels_same("layer_norm", layer_norm, seed);
      OpSample wide = float_sample({x});  // where functions bend and where they are flat
      wide.low = -12;
      wide.high = 12;
      for (const char* op : {"softmax", "silu", "gelu", "gelu_tanh", "sigmoid", "relu"}) {
        expect_all_kernels_same(op, wide, seed);
      }
      wide.high = 0;
      expect_all_kernels_same("exp", wide, seed);
      for (const char* op : {"add", "sub", "mul"}) {
        expect_all_kernels_same(op, float_sample({x, x}), seed);
        expect_all_kernels_same(op, float_sample({x, f32({width})}), seed);
        expect_all_kernels_same(op, float_sample({f32({width}), x}), seed);
      }
      OpSample gated = float_sample({x, x});
      gated.attributes.set("activation", std::string("silu"));
      expect_all_kernels_same("gated", gated, seed);
    }
  }
}

TEST(KernelConformance, RopeOfAnyWidthAtAnyPosition) {
  uint64_t seed = 50;
  for (const int64_t head_dim : {2, 6, 30, 32, 64, 128, 200}) {
    OpSample sample = find_op("rope").samples().front();
    sample.inputs = {f32({40, 3, head_dim}), i32({40})};
    for (const int64_t most : {300, 130000, 3000000}) {
      sample.integer_below = {0, most};
      expect_all_kernels_same("rope", sample, ++seed);
    }
    sample.inputs = {f32({0, 3, head_dim}), i32({0})};
    expect_all_kernels_same("rope", sample, ++seed);
  }
}

OpSample long_attention(int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t tokens) {
  OpSample sample = find_op("attention").samples().front();
  sample.attributes =
      attributes({{"scale", 0.125}, {"group", heads / std::max<int64_t>(kv_heads, 1)}});
  sample.inputs = {f32({tokens, heads, head_dim}),
                   f32({tokens, kv_heads, head_dim}),
                   f32({tokens, kv_heads, head_dim}),
                   f32({kv_heads, 12, head_dim, 16}),
                   f32({kv_heads, 12, 16, head_dim}),
                   i32({tokens}),
                   i32({tokens}),
                   i32({2, 5})};
  sample.integer_values[5].clear();
  sample.integer_values[6].clear();
  for (int64_t token = 0; token < tokens;
       ++token) {  // a chunk of one sequence, then one token of another
    sample.integer_values[5].push_back(token + 1 == tokens ? 70 : 3 + token);
    sample.integer_values[6].push_back(token + 1 == tokens ? 1 : 0);
  }
  sample.integer_values[7] = {3, 9, 1, 0, 7, 11, 2, 4, 10, 5};
  return sample;
}

TEST(KernelConformance, AttentionOfLargerAndEmptyShapes) {
  expect_all_kernels_same("attention", long_attention(8, 2, 64, 60), 1);
  expect_all_kernels_same("attention", long_attention(3, 3, 33, 20), 2);
  expect_all_kernels_same("attention", long_attention(4, 2, 8, 0), 3);
  OpSample no_heads = long_attention(0, 0, 8, 5);
  no_heads.attributes.set("group", int64_t{3});
  expect_all_kernels_same("attention", no_heads, 4);
  OpSample half_cache = long_attention(6, 2, 16, 30);
  half_cache.inputs[3].dtype = half_cache.inputs[4].dtype = DType::kBF16;
  half_cache.attributes.set("products", std::string("near_f32"));
  expect_all_kernels_same("attention", half_cache, 5);
}

}  // namespace
}  // namespace partita::ops
