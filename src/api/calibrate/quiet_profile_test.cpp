// SPDX-License-Identifier: Apache-2.0
// When a measurement is repeated, and what is said of a disturbed one.
#include "api/calibrate/quiet_profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "api/calibrate/host_state.h"

namespace partita::api {
namespace {

using testing::HasSubstr;

// Gives these measurements one after the other and counts them.
class Measurements {
 public:
  explicit Measurements(std::vector<QuietProfile> given) : given_(std::move(given)) {}
  QuietProfile next() { return given_.at(static_cast<size_t>(calls_++)); }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  std::vector<QuietProfile> given_;
  int calls_ = 0;
};

QuietProfile measured(double others_share, bool has_moved = false) {
  QuietProfile result;
  result.others_share = others_share;
  result.has_moved = has_moved;
  return result;
}

TEST(QuietProfile, IsTakenAtOnceFromAMachineThatRests) {
  Measurements given({measured(0.02)});
  const QuietProfile taken = least_disturbed(3, [&] { return given.next(); });
  EXPECT_EQ(given.calls(), 1);
  EXPECT_TRUE(taken.is_quiet());
  EXPECT_EQ(taken.warning(), "");
}

TEST(QuietProfile, IsMeasuredAgainUntilNothingDisturbs) {
  Measurements given({measured(0.5), measured(0.01, true), measured(0.03), measured(0)});
  const QuietProfile taken = least_disturbed(4, [&] { return given.next(); });
  EXPECT_EQ(given.calls(), 3);
  EXPECT_EQ(taken.others_share, 0.03);
}

TEST(QuietProfile, OfABusyMachineIsTheLeastDisturbedAndSaysSo) {
  Measurements given({measured(0.5), measured(0.2), measured(0.4)});
  const QuietProfile taken = least_disturbed(3, [&] { return given.next(); });
  EXPECT_EQ(given.calls(), 3);
  EXPECT_EQ(taken.others_share, 0.2);
  EXPECT_FALSE(taken.is_quiet());
  EXPECT_THAT(taken.warning(), HasSubstr("20 %"));
  EXPECT_THAT(measured(0, true).warning(), HasSubstr("moved"));
}

TEST(OtherWork, IsAShare) {
  const OtherWork others;
  EXPECT_GE(others.share(), 0);
  EXPECT_LE(others.share(), 1);
}

}  // namespace
}  // namespace partita::api
