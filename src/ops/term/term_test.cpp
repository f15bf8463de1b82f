// SPDX-License-Identifier: Apache-2.0
// term: the first rank's and the others'.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

HostTensor term(int64_t position, HostTensor x) {
  std::vector<HostTensor> inputs = {std::move(x)};
  return evaluate("term", attributes({{"position", position}}), inputs)[0];
}

TEST(Term, IsTheTensorOnTheFirstRankAndZeroOnTheOthers) {
  const HostTensor x = HostTensor::from_floats({3}, std::vector<float>{1, -2, 3});
  EXPECT_EQ(term(0, x), x);
  EXPECT_THAT(term(1, x).floats(), ElementsAre(0, 0, 0));
  EXPECT_THAT(term(5, x).floats(), ElementsAre(0, 0, 0));
}

TEST(Term, TakesIntegersAndRefusesBadPositions) {
  const HostTensor x = HostTensor::from_integers({2}, std::vector<int64_t>{7, 8}, DType::kI64);
  EXPECT_EQ(term(0, x), x);
  EXPECT_THAT(term(1, x).floats(), ElementsAre(0, 0));
  EXPECT_THROW(static_cast<void>(term(-1, x)), Error);
}

}  // namespace
}  // namespace partita::ops
