// SPDX-License-Identifier: Apache-2.0
// Operators on weights that are stored in blocks: the values are those of the restored weights, and
// cuts keep to the blocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "ops/rules.h"
#include "spec/strategy.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor restored(const HostTensor& tensor) {
  return HostTensor::from_floats(tensor.shape, tensor.floats());
}

class Blocks : public testing::TestWithParam<DType> {};

TEST_P(Blocks, ReferenceEqualsTheRunOnRestoredWeights) {
  for (const OpDef* op : all_ops()) {
    if (!op->reads_blocks) continue;
    int samples = 0;
    for (OpSample sample : op->samples()) {
      bool has_blocks = false;
      for (ir::TensorType& type : sample.inputs) {
        if (!is_block_type(type.dtype)) continue;
        type.dtype = GetParam();
        has_blocks = true;
      }
      if (!has_blocks) continue;
      std::vector<HostTensor> inputs = random_inputs(sample, 5);
      std::vector<HostTensor> plain = inputs;
      for (HostTensor& input : plain) {
        if (is_block_type(input.dtype)) input = restored(input);
      }
      const auto found = evaluate(op->name, sample.attributes, inputs, {.kernel = "reference"});
      const auto expected = evaluate(op->name, sample.attributes, plain, {.kernel = "reference"});
      const std::vector<float> a = found[0].floats();
      const std::vector<float> b = expected[0].floats();
      ASSERT_EQ(a.size(), b.size());
      for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-5) << op->name << i;
      ++samples;
    }
    EXPECT_GT(samples, 0) << op->name;
  }
}

TEST_P(Blocks, CutsOfRowsKeepToBlocksAndAreUnevenWhereNeeded) {
  const std::vector<ir::TensorType> inputs = {f32({4, 160}), {GetParam(), {6, 160}}};
  const ir::Attributes none;
  const spec::Notation notation = find_op("linear").bind({"linear", none, inputs});
  const spec::Mesh mesh = spec::Mesh::parse("tp=3");
  std::vector<std::vector<Range>> cuts;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    const spec::DimSpec& k = strategy.inputs[1].dims[1];
    if (!k.axes.empty()) cuts.push_back(k.pieces);
  }
  EXPECT_THAT(cuts, ElementsAre(std::vector<Range>{{0, 64}, {64, 128}, {128, 160}}));
}

TEST_P(Blocks, OtherOperatorsAndRaggedRowsAreRefused) {
  const ir::Attributes none;
  const std::vector<ir::TensorType> product = {f32({4, 32}), {GetParam(), {32, 32}}};
  EXPECT_THROW(static_cast<void>(infer_types({"matmul", none, product})), Error);
  const std::vector<ir::TensorType> ragged = {f32({4, 33}), {GetParam(), {5, 33}}};
  EXPECT_THROW(static_cast<void>(infer_types({"linear", none, ragged})), Error);
}

INSTANTIATE_TEST_SUITE_P(DTypes, Blocks, testing::Values(DType::kQ8_0, DType::kQ4_0));

}  // namespace
}  // namespace partita::ops
