// SPDX-License-Identifier: Apache-2.0
// embedding: rows by id, zeros for rows held elsewhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

std::vector<HostTensor> table_and_ids(DType dtype, std::vector<int64_t> ids) {
  const auto count = static_cast<int64_t>(ids.size());
  return {HostTensor::from_floats({3, 2}, std::vector<float>{0, 1, 10, 11, 20, 21}, dtype),
          HostTensor::from_integers({count}, ids)};
}

TEST(Embedding, TakesRowsById) {
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    auto inputs = table_and_ids(dtype, {2, 0, 2});
    const auto y = evaluate("embedding", {}, inputs);
    EXPECT_THAT(y[0].floats(), ElementsAre(20, 21, 0, 1, 20, 21));
    EXPECT_EQ(y[0].dtype, DType::kF32);
  }
}

TEST(Embedding, GivesZerosOutsideThePiece) {
  // The piece holds the global rows 5, 6, 7.
  auto inputs = table_and_ids(DType::kF32, {4, 5, 7, 8});
  const auto y = evaluate("embedding", attributes({{"v_begin", int64_t{5}}}), inputs);
  EXPECT_THAT(y[0].floats(), ElementsAre(0, 0, 0, 1, 20, 21, 0, 0));
}

TEST(Embedding, KeepsTheDimsOfTheIds) {
  const std::vector<ir::TensorType> inputs = {f32({9, 4}), {DType::kI32, {"b", "s"}}};
  const ir::Attributes none;
  EXPECT_EQ(ir::to_string(infer_types({"embedding", none, inputs})[0]), "f32[b,s,4]");
}

}  // namespace
}  // namespace partita::ops
