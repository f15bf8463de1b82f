// SPDX-License-Identifier: Apache-2.0
// slice: ranges of the first and last dim.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor slice(int64_t dim, int64_t begin, int64_t end) {
  std::vector<HostTensor> inputs = {
      HostTensor::from_floats({3, 2}, std::vector<float>{0, 1, 2, 3, 4, 5})};
  return evaluate("slice", attributes({{"dim", dim}, {"begin", begin}, {"end", end}}), inputs)[0];
}

TEST(Slice, TakesRows) { EXPECT_THAT(slice(0, 1, 3).floats(), ElementsAre(2, 3, 4, 5)); }

TEST(Slice, TakesColumns) { EXPECT_THAT(slice(-1, 1, 2).floats(), ElementsAre(1, 3, 5)); }

TEST(Slice, MayBeEmpty) { EXPECT_THAT(slice(0, 2, 2).shape, ElementsAre(0, 2)); }

TEST(Slice, RefusesARangeOutside) {
  EXPECT_THROW(static_cast<void>(slice(0, 1, 4)), Error);
  EXPECT_THROW(static_cast<void>(slice(0, 2, 1)), Error);
  EXPECT_THROW(static_cast<void>(slice(2, 0, 1)), Error);
}

}  // namespace
}  // namespace partita::ops
