// SPDX-License-Identifier: Apache-2.0
// Each filter alone, their order, ties, and reproducibility.
#include "engine/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "support/error.h"
#include "support/philox.h"

namespace partita::engine {
namespace {

using testing::HasSubstr;

std::map<int32_t, int> draw_many(const std::vector<float>& logits,
                                 const SamplingParams& params,
                                 int draws = 4000) {
  std::map<int32_t, int> counts;
  for (int i = 0; i < draws; ++i) ++counts[sample(logits, {}, params, static_cast<uint64_t>(i))];
  return counts;
}

TEST(Sampling, GreedyTakesTheLargestAndTheLowestIdOnTies) {
  EXPECT_EQ(sample(std::vector<float>{1, 5, 3}, {}, {}, 0), 1);
  EXPECT_EQ(sample(std::vector<float>{2, 7, 7, 1}, {}, {}, 0), 1);
}

TEST(Sampling, FrequenciesFollowTheSoftmax) {
  // exp(0) : exp(log 3) = 1 : 3
  const auto counts = draw_many({0.0F, std::log(3.0F)}, {.temperature = 1, .seed = 5});
  EXPECT_NEAR(counts.at(1) / 4000.0, 0.75, 0.035);  // five standard deviations of 0.0068
}

TEST(Sampling, TemperatureSharpens) {
  // At temperature 0.5 the ratio 1:3 becomes 1:9.
  const auto counts = draw_many({0.0F, std::log(3.0F)}, {.temperature = 0.5, .seed = 5});
  EXPECT_NEAR(counts.at(1) / 4000.0, 0.9, 0.024);
}

TEST(Sampling, TopKKeepsOnlyTheLikeliest) {
  const auto counts = draw_many({1, 4, 3, 2}, {.temperature = 10, .top_k = 2});
  EXPECT_EQ(counts.size(), 2U);
  EXPECT_TRUE(counts.contains(1) && counts.contains(2));
}

TEST(Sampling, TopPKeepsTheSmallestSufficientSet) {
  // Probabilities 0.5, 0.3, 0.2: 0.5 alone covers p = 0.5; p = 0.6 needs two tokens.
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.2F)};
  EXPECT_EQ(draw_many(logits, {.temperature = 1, .top_p = 0.49}).size(), 1U);
  EXPECT_EQ(draw_many(logits, {.temperature = 1, .top_p = 0.6}).size(), 2U);
  EXPECT_EQ(draw_many(logits, {.temperature = 1, .top_p = 1}).size(), 3U);
}

TEST(Sampling, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  const SamplingParams params{.repetition_penalty = 2};
  const std::vector<int32_t> history = {0, 0};
  EXPECT_EQ(sample(std::vector<float>{3.0F, 2.0F}, history, params, 0),
            1);  // 3/2 < 2, but not if applied never
  EXPECT_EQ(sample(std::vector<float>{3.0F, 1.2F}, history, params, 0),
            0);  // 1.5 > 1.2; 3/4 would lose
  EXPECT_EQ(sample(std::vector<float>{-1.0F, -1.5F}, history, params, 0), 1);  // -2 < -1.5
}

TEST(Sampling, SameSeedAndIndexGiveTheSameTokenAndOthersDiffer) {
  const std::vector<float> logits(100, 0.0F);
  const SamplingParams params{.temperature = 1, .seed = 42};
  EXPECT_EQ(sample(logits, {}, params, 3), sample(logits, {}, params, 3));
  EXPECT_GT(draw_many(logits, params, 200).size(), 50U);
}

// As the header says, with a full sort: sorted, cut, summed, drawn.
int32_t plain_sample(const std::vector<float>& logits,
                     const SamplingParams& params,
                     uint64_t index) {
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
  if (params.top_k > 0 && static_cast<size_t>(params.top_k) < order.size())
    order.resize(static_cast<size_t>(params.top_k));
  std::vector<double> weights;
  for (const int32_t token : order)
    weights.push_back(std::exp((logits[token] - logits[order[0]]) / params.temperature));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double kept = 0;
  size_t count = 0;
  while (count < weights.size() && kept < params.top_p * total) kept += weights[count++];
  double rest = uniform_at(params.seed, index) * kept;
  for (size_t i = 0; i < count; ++i) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order[count - 1];
}

TEST(Sampling, SortsOnlyWhatItNeedsAndDrawsTheSame) {
  std::mt19937 random(3);
  for (const float spread : {0.5F, 6.0F}) {  // nearly flat: thousands are looked at; peaked: a few
    std::vector<float> logits(5000);
    for (float& logit : logits) logit = spread * static_cast<float>(random() % 1000) / 100;
    for (const int64_t top_k : {0, 1, 40, 700, 5000}) {
      for (const double top_p : {0.1, 0.9, 0.999, 1.0}) {
        const SamplingParams params{.temperature = 0.8, .top_k = top_k, .top_p = top_p, .seed = 9};
        for (uint64_t index = 0; index < 20; ++index) {
          ASSERT_EQ(sample(logits, {}, params, index), plain_sample(logits, params, index))
              << spread << " " << top_k << " " << top_p << " " << index;
        }
      }
    }
  }
}

TEST(Sampling, NeverTakesATokenOfProbabilityZero) {
  std::vector<float> logits(2000, -std::numeric_limits<float>::infinity());
  for (const size_t token : {7, 900, 1999}) logits[token] = 0;
  for (const auto& [token, count] : draw_many(logits, {.temperature = 2, .seed = 1}, 300)) {
    EXPECT_EQ(logits[static_cast<size_t>(token)], 0) << count;
  }
}

TEST(Sampling, NanLogitsAreAnError) {
  const std::vector<float> logits = {0, std::numeric_limits<float>::quiet_NaN()};
  try {
    (void)sample(logits, {}, {}, 0);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("token 1 is NaN"));
  }
}

TEST(Sampling, LogitsWithoutAnyFiniteValueAreRefused) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits : {std::vector<float>{0, inf}, {-inf, -inf}}) {
    for (const double temperature : {0.0, 1.0}) {
      EXPECT_THROW((void)sample(logits, {}, {.temperature = temperature}, 0), Error);
    }
  }
  EXPECT_EQ(sample(std::vector<float>{-inf, 0}, {}, {.temperature = 1}, 0), 1);
}

TEST(Sampling, BadValuesAreRefusedByName) {
  const auto refused = [](SamplingParams params, const char* name) {
    try {
      validate(params);
      ADD_FAILURE() << name << " was accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      EXPECT_THAT(e.what(), HasSubstr(name));
    }
  };
  refused({.temperature = -1}, "temperature");
  refused({.temperature = std::nan("")}, "temperature");
  refused({.top_k = -1}, "top_k");
  refused({.top_p = 0}, "top_p");
  refused({.top_p = 1.5}, "top_p");
  refused({.repetition_penalty = 0}, "repetition_penalty");
  EXPECT_NO_THROW(
      validate({.temperature = 0.7, .top_k = 40, .top_p = 0.9, .repetition_penalty = 1.1}));
}

// The first `count` tokens in the order that candidates come in.
struct Best {
  std::vector<float> logits;
  std::vector<int32_t> tokens;
};
Best best_of(const std::vector<float>& logits, size_t count) {
  const auto key = [&](int32_t token) {
    const float logit = logits[static_cast<size_t>(token)];
    return std::isnan(logit) ? std::numeric_limits<float>::infinity() : logit;
  };
  Best best;
  best.tokens.resize(logits.size());
  std::iota(best.tokens.begin(), best.tokens.end(), 0);
  std::stable_sort(best.tokens.begin(), best.tokens.end(),
                   [&](int32_t a, int32_t b) { return key(a) > key(b); });
  best.tokens.resize(count);
  for (const int32_t token : best.tokens) best.logits.push_back(logits[static_cast<size_t>(token)]);
  return best;
}

TEST(Sampling, CandidatesGiveTheSameTokens) {
  std::mt19937 random(11);
  std::normal_distribution<float> distribution(0, 3);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> logits(200);
    for (float& logit : logits) logit = std::round(distribution(random) * 4) / 4;  // many ties
    const Best best = best_of(logits, 40);
    for (SamplingParams params : {SamplingParams{}, SamplingParams{.temperature = 0.7, .top_k = 40},
                                  SamplingParams{.temperature = 1.5, .top_k = 7, .top_p = 0.6},
                                  SamplingParams{.temperature = 1, .top_k = 1}}) {
      params.seed = static_cast<uint64_t>(round);
      ASSERT_TRUE(candidates_suffice(params, 40, 200));
      for (uint64_t index = 0; index < 30; ++index) {
        EXPECT_EQ(sample({best.logits, best.tokens}, params, index),
                  sample(logits, {}, params, index));
      }
    }
  }
}

TEST(Sampling, CandidatesDoNotSufficeWhereMoreTokensCount) {
  EXPECT_FALSE(candidates_suffice({}, 0, 200));
  EXPECT_FALSE(candidates_suffice({.repetition_penalty = 1.1}, 64, 200));
  EXPECT_FALSE(candidates_suffice({.temperature = 1}, 64, 200));
  EXPECT_FALSE(candidates_suffice({.temperature = 1, .top_p = 0.5}, 64, 200));
  EXPECT_FALSE(candidates_suffice({.temperature = 1, .top_k = 65}, 64, 200));
  EXPECT_FALSE(candidates_suffice({.temperature = 1, .top_k = 20}, 20, 20));
}

TEST(Sampling, CandidatesThatAreNoNumbersAreRefusedAlike) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const auto message = [](const auto& draw) -> std::string {
    try {
      (void)draw();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  for (const std::vector<float>& logits :
       {std::vector<float>{1, NAN, kInf, 2}, std::vector<float>{1, kInf, NAN},
        std::vector<float>{-kInf, -kInf}}) {
    const Best best = best_of(logits, 2);
    const std::string whole = message([&] { return sample(logits, {}, {}, 0); });
    EXPECT_NE(whole, "accepted");
    EXPECT_EQ(message([&] { return sample({best.logits, best.tokens}, {}, 0); }), whole);
  }
}

}  // namespace
}  // namespace partita::engine
