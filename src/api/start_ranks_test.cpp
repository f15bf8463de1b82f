// SPDX-License-Identifier: Apache-2.0
// How long a step may take.
#include "api/start_ranks.h"

#include <gtest/gtest.h>

namespace partita::api {
namespace {

using std::chrono::milliseconds;

TEST(StepTimeout, IsWhatIsAskedElseTenTimesThePrediction) {
  plan::Plan plan;
  EXPECT_EQ(step_timeout_of(plan, {}), milliseconds(10000));
  plan.predicted = {.decode_compute_s = 0.5, .prefill_compute_s = 30, .prefill_comm_s = 3};
  EXPECT_EQ(step_timeout_of(plan, {}), milliseconds(330000));
  plan.predicted = {.decode_compute_s = 40, .decode_comm_s = 2};
  EXPECT_EQ(step_timeout_of(plan, {}), milliseconds(420000));
  EXPECT_EQ(step_timeout_of(plan, {.step_timeout_ms = 7}), milliseconds(7));
  plan.predicted = {.decode_compute_s = 1e300};
  EXPECT_LE(step_timeout_of(plan, {}), std::chrono::hours(7 * 24));
}

}  // namespace
}  // namespace partita::api
