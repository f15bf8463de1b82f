// SPDX-License-Identifier: Apache-2.0
// take_rows: rows by index.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

std::vector<HostTensor> rows_of(std::vector<int64_t> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  return {HostTensor::from_floats({3, 2}, std::vector<float>{0, 1, 10, 11, 20, 21}),
          HostTensor::from_integers({count}, rows)};
}

TEST(TakeRows, TakesRowsInTheGivenOrder) {
  auto inputs = rows_of({2, 0, 2});
  EXPECT_THAT(evaluate("take_rows", {}, inputs)[0].floats(), ElementsAre(20, 21, 0, 1, 20, 21));
}

TEST(TakeRows, MayTakeNone) {
  auto inputs = rows_of({});
  EXPECT_THAT(evaluate("take_rows", {}, inputs)[0].shape, ElementsAre(0, 2));
}

TEST(TakeRows, RefusesARowOutside) {
  auto inputs = rows_of({3});
  EXPECT_THROW(static_cast<void>(evaluate("take_rows", {}, inputs)), Error);
}

TEST(TakeRows, KeepsBothSymbols) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 8}}, {DType::kI32, {"r"}}};
  const ir::Attributes none;
  EXPECT_EQ(ir::to_string(infer_types({"take_rows", none, inputs})[0]), "f32[r,8]");
}

}  // namespace
}  // namespace partita::ops
