// SPDX-License-Identifier: Apache-2.0
// router: which experts are kept, with what weight, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ops/declaration.h"
#include "ops/evaluate.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;

// One token whose logits are log(weights), so that the softmax is weights / their sum.
std::vector<float> route(const std::vector<float>& weights, int64_t top_k, int64_t normalize) {
  std::vector<float> logits;
  for (const float weight : weights) logits.push_back(std::log(weight));
  const auto experts = static_cast<int64_t>(weights.size());
  std::vector<HostTensor> inputs = {HostTensor::from_floats({1, 1}, std::vector<float>{1}),
                                    HostTensor::from_floats({experts, 1}, logits)};
  const auto attributes_of_call = attributes({{"top_k", top_k}, {"normalize", normalize}});
  return evaluate("router", attributes_of_call, inputs)[0].floats();
}

MATCHER_P(Near, value, "") { return std::abs(arg - value) < 1e-6; }

TEST(Router, KeepsTheLargestShares) {
  EXPECT_THAT(route({1, 4, 2, 3}, 2, 0), ElementsAre(0, Near(0.4), 0, Near(0.3)));
  EXPECT_THAT(route({1, 4, 2, 3}, 4, 0), ElementsAre(Near(0.1), Near(0.4), Near(0.2), Near(0.3)));
}

TEST(Router, NormalizesWhatIsKept) {
  EXPECT_THAT(route({1, 4, 2, 4}, 2, 1), ElementsAre(0, Near(0.5), 0, Near(0.5)));
  EXPECT_THAT(route({1, 3}, 1, 1), ElementsAre(0, Near(1.0)));
}

TEST(Router, TakesTheFirstOfEqualOnes) {
  EXPECT_THAT(route({1, 1, 1, 1}, 2, 0), ElementsAre(Near(0.25), Near(0.25), 0, 0));
}

TEST(Router, LargeLogitsDoNotOverflow) {
  std::vector<HostTensor> inputs = {HostTensor::from_floats({1, 1}, std::vector<float>{1000}),
                                    HostTensor::from_floats({3, 1}, std::vector<float>{1, 3, 2})};
  const auto top_2 = attributes({{"top_k", int64_t{2}}, {"normalize", int64_t{1}}});
  for (const std::string_view kernel : accepting_kernels("router", top_2, inputs)) {
    const auto weights = evaluate("router", top_2, inputs, {.kernel = kernel})[0].floats();
    EXPECT_THAT(weights, ElementsAre(0, 1, 0)) << kernel;
  }
}

TEST(Router, PassesNaNsOnInAsManyExpertsAsAreChosen) {
  const float nan = std::nanf("");
  std::vector<HostTensor> inputs = {HostTensor::from_floats({1, 1}, std::vector<float>{nan}),
                                    HostTensor::from_floats({3, 1}, std::vector<float>{1, 3, 2})};
  const auto top_2 = attributes({{"top_k", int64_t{2}}, {"normalize", int64_t{0}}});
  for (const std::string_view kernel : accepting_kernels("router", top_2, inputs)) {
    const auto weights = evaluate("router", top_2, inputs, {.kernel = kernel})[0].floats();
    EXPECT_TRUE(std::isnan(weights[0]) && std::isnan(weights[1])) << kernel;
    EXPECT_EQ(weights[2], 0) << kernel;
  }
}

TEST(Router, RefusesMoreChoicesThanExperts) {
  const std::vector<ir::TensorType> inputs = {f32({4, 6}), f32({3, 6})};
  for (const int64_t top_k : {0, 4}) {
    const ir::Attributes wrong = attributes({{"top_k", top_k}});
    EXPECT_THROW(static_cast<void>(infer_types({"router", wrong, inputs})), Error) << top_k;
  }
}

}  // namespace
}  // namespace partita::ops
