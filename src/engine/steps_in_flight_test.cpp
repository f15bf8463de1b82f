// SPDX-License-Identifier: Apache-2.0
// Many steps in flight: whatever the schedule, every sequence gets the tokens it gets alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "engine/engine.h"
#include "engine/fake_runner.h"
#include "engine/small_batch.h"
#include "engine/step_size.h"
#include "engine/told_requests.h"
#include "support/integers.h"

namespace partita::engine {
namespace {

constexpr RunnerLimits kTwoStages{.vocab_size = kVocab,
                                  .max_context = 64,
                                  .max_step_tokens = 16,
                                  .max_sequences = 8,
                                  .kv_blocks = 128,
                                  .block_size = 4,
                                  .stages = 2,
                                  .steps_in_flight = 3,
                                  .step_overhead_tokens = 2};

TEST(StepsInFlight, DecodingSequencesAreDividedAmongTheStages) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {});
  std::vector<Told> told(6);
  for (Told& one : told) engine.submit(request_into(one, {1}, 20));
  run_to_end(engine);
  for (const Told& one : told) EXPECT_EQ(one.tokens, expected_tokens({1}, 20, true));
  EXPECT_EQ(runner.most_in_flight, 2U);
  // 6 sequences of 20 tokens in steps of 3.
  EXPECT_EQ(runner.batch_sizes, std::vector<size_t>(40, 3));
}

TEST(StepsInFlight, ChunksOfOnePromptFollowEachOtherInEqualSteps) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {});
  Told told;
  const std::vector<int32_t> prompt(50, 3);
  engine.submit(request_into(told, prompt, 1));
  run_to_end(engine);
  EXPECT_EQ(told.tokens, expected_tokens(prompt, 1, true));
  // sqrt(50 / 2) = 5 steps of 10 have the least cost; 12 is the nearest round number.
  EXPECT_EQ(runner.batch_sizes, (std::vector<size_t>{12, 12, 12, 12, 2}));
  EXPECT_EQ(runner.most_in_flight, 3U);
}

TEST(StepsInFlight, PromptsAndDecodingShareStepsOfRoundSizes) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {});
  std::vector<Told> told(3);
  engine.submit(request_into(told[0], {1}, 30));
  engine.submit(request_into(told[1], {2}, 30));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(engine.step());
  const size_t before = runner.batch_sizes.size();
  engine.submit(request_into(told[2], std::vector<int32_t>(50, 3), 1));
  run_to_end(engine);
  const std::vector<size_t> mixed(runner.batch_sizes.begin() + static_cast<int64_t>(before),
                                  runner.batch_sizes.begin() + static_cast<int64_t>(before) + 4);
  EXPECT_THAT(mixed, testing::Each(12U));
  EXPECT_EQ(told[0].tokens, expected_tokens({1}, 30, true));
  EXPECT_EQ(told[1].tokens, expected_tokens({2}, 30, true));
}

TEST(StepsInFlight, ACallbackMayCancelASequenceThatIsInFlightAgain) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {});
  Told told;
  Told other;
  Request request = request_into(told, {1}, 50);
  int64_t id = 0;
  request.on_token = [&, collect = request.on_token](const TokenEvent& event) {
    collect(event);
    if (told.tokens.size() == 3 && event.finish == FinishReason::kNone) engine.cancel(id);
  };
  id = engine.submit(std::move(request));
  engine.submit(request_into(other, {2}, 50));
  run_to_end(engine);
  EXPECT_EQ(told.tokens.size(), 3U);
  EXPECT_EQ(told.finish, FinishReason::kCancelled);
  EXPECT_EQ(other.tokens, expected_tokens({2}, 50, true));
}

TEST(StepsInFlight, StepsOfCancelledRequestsAreDrained) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {});
  Told told;
  const int64_t id = engine.submit(request_into(told, std::vector<int32_t>(50, 1), 5));
  ASSERT_TRUE(engine.step());
  engine.cancel(id);
  EXPECT_EQ(told.finish, FinishReason::kCancelled);
  EXPECT_TRUE(engine.idle());
  engine.drain();
  EXPECT_FALSE(engine.step());
  EXPECT_EQ(runner
                .run({.token_ids = {1},
                      .positions = {0},
                      .sequence_ids = {0},
                      .block_tables = {0},
                      .sequences = 1,
                      .blocks_per_sequence = 1,
                      .logit_rows = {}})
                .logits.size(),
            0U);
}

TEST(StepsInFlight, WithoutOverlapStepsAreWholeAndAlone) {
  FakeRunner runner(kTwoStages);
  Engine engine(runner, nullptr, {}, Overlap::kNoOverlap);
  std::vector<Told> told(2);
  const std::vector<int32_t> prompt(20, 3);
  for (Told& one : told) engine.submit(request_into(one, prompt, 2));
  int steps = 0;
  while (engine.step()) EXPECT_EQ(runner.batch_sizes.size(), static_cast<size_t>(++steps));
  for (const Told& one : told) EXPECT_EQ(one.tokens, expected_tokens(prompt, 2, true));
  EXPECT_EQ(runner.batch_sizes, (std::vector<size_t>{16, 16, 9, 1}));
}

TEST(StepsInFlight, ReplicasShareTheRequests) {
  RunnerLimits limits = kTwoStages;
  limits.replicas = 3;
  FakeRunner runner(limits);
  Engine engine(runner, nullptr, {});
  std::vector<Told> told(9);
  for (size_t i = 0; i < told.size(); ++i)
    engine.submit(request_into(told[i], std::vector<int32_t>(3 + i, 2), 10));
  run_to_end(engine);
  for (size_t i = 0; i < told.size(); ++i)
    EXPECT_EQ(told[i].tokens, expected_tokens(std::vector<int32_t>(3 + i, 2), 10, true));
  EXPECT_THAT(runner.steps_of_replica, testing::Each(testing::Ge(20)));
}

// What a lost replica had begun goes on with those that are left, from the tokens that were told.
TEST(StepsInFlight, TheRequestsOfALostReplicaGoOnWithTheOthers) {
  RunnerLimits limits = kTwoStages;
  limits.replicas = 3;
  FakeRunner runner(limits);
  runner.lose_at_result = 12;
  Engine engine(runner, nullptr, {});
  std::vector<std::string> losses;
  engine.on_loss([&](int replica, const std::string& why) {
    losses.push_back(std::to_string(replica) + " " + why);
  });
  std::vector<Told> told(9);
  for (size_t i = 0; i < told.size(); ++i)
    engine.submit(request_into(told[i], std::vector<int32_t>(3 + i, 2), 10));
  run_to_end(engine);
  EXPECT_EQ(losses, std::vector<std::string>{"0 killed"});
  for (size_t i = 0; i < told.size(); ++i)
    EXPECT_EQ(told[i].tokens, expected_tokens(std::vector<int32_t>(3 + i, 2), 10, true));
  // Later ones are for those that are left.
  const int before = runner.steps_of_replica[0];
  Told later;
  engine.submit(request_into(later, {1, 2}, 5));
  run_to_end(engine);
  EXPECT_EQ(later.tokens, expected_tokens({1, 2}, 5, true));
  EXPECT_EQ(runner.steps_of_replica[0], before);
}

// The caller begins again: the other replica has nothing in its cache.
TEST(StepsInFlight, AStepOfALostReplicaGivesNothingAndTheNextIsOfAnother) {
  RunnerLimits limits = kTwoStages;
  limits.replicas = 2;
  FakeRunner runner(limits);
  runner.lose_at_result = 1;
  Engine engine(runner, nullptr, {});
  const auto first = engine.run(batch_of(3));
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->replica, 0);
  EXPECT_FALSE(engine.run(batch_of(3)).has_value());
  const auto again = engine.run(batch_of(3));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->replica, 1);
  EXPECT_EQ(again->logits, first->logits);
}

TEST(StepsInFlight, ALossThatAReportSeesFirstIsToldOnce) {
  RunnerLimits limits = kTwoStages;
  limits.replicas = 2;
  FakeRunner runner(limits);
  runner.lose_at_result = 0;
  Engine engine(runner, nullptr, {});
  int losses = 0;
  engine.on_loss([&](int replica, const std::string& why) {
    EXPECT_EQ(std::to_string(replica) + why, "0killed");
    ++losses;
  });
  Told told;
  engine.submit(request_into(told, {1}, 5));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(engine.report().at(0).is_lost);
    EXPECT_EQ(losses, 1);
  }
  run_to_end(engine);
  EXPECT_EQ(told.tokens, expected_tokens({1}, 5, true));
  EXPECT_EQ(losses, 1);
}

TEST(StepsInFlight, AStepWithoutEngineThrowsWhenItsReplicaIsLost) {
  RunnerLimits limits = kTwoStages;
  limits.replicas = 2;
  FakeRunner runner(limits);
  runner.lose_at_result = 0;
  EXPECT_THROW((void)runner.run(batch_of(3)), Error);
}

// A random situation: limits, requests that come and go at random times, ranks that are lost.
class RandomSchedule {
 public:
  explicit RandomSchedule(unsigned seed) : random_(seed) {
    limits_.vocab_size = kVocab;
    limits_.replicas = below(4) == 0 ? 2 : 1;
    limits_.stages = 1 + below(4);
    limits_.steps_in_flight = limits_.stages + below(3);
    limits_.block_size = 1 + below(5);
    limits_.max_context = 24 + below(40);
    limits_.max_sequences = 1 + below(8);
    limits_.max_step_tokens = limits_.max_sequences + below(20);
    limits_.step_overhead_tokens = static_cast<double>(below(6));
    // From too few for two sequences to enough for all.
    const int64_t most = ceil_div(limits_.max_context, limits_.block_size);
    limits_.kv_blocks = most + below(most * limits_.max_sequences);
    const auto count = static_cast<size_t>(1 + below(20));
    for (size_t i = 0; i < count; ++i) requests_.push_back(random_request());
    told_.resize(count);
  }

  void run() {
    FakeRunner runner(limits_);
    FakeRunner second(limits_);
    FakeRunner third(limits_);
    if (below(3) == 0) runner.fail_at_step = static_cast<int>(below(30));
    if (below(3) == 0) second.fail_at_wait = static_cast<int>(below(30));
    if (limits_.replicas > 1 && below(2) == 0) runner.lose_at_result = static_cast<int>(below(60));
    engine_ = std::make_unique<Engine>(runner, nullptr, std::vector<int32_t>{});
    std::vector<FakeRunner*> spares = {&second, &third};
    size_t next = 0;
    for (bool busy = true; busy || next < requests_.size();) {
      while (next < requests_.size() && below(3) != 0) submit(next++);
      if (below(12) == 0) cancel(static_cast<int64_t>(below(static_cast<int64_t>(told_.size()))));
      try {
        busy = engine_->step();
      } catch (const Error&) {
        ASSERT_FALSE(spares.empty());
        engine_->restart(*spares.front());
        spares.erase(spares.begin());
        busy = true;
      }
      ASSERT_LT(++steps_, 20000) << "no end in sight";
    }
    expect_all_told();
    expect_all_blocks_free();
  }

 private:
  struct Wish {
    std::vector<int32_t> prompt;
    int64_t max_tokens;
    SamplingParams sampling;
  };

  int64_t below(int64_t end) { return std::uniform_int_distribution<int64_t>(0, end - 1)(random_); }

  Wish random_request() {
    std::vector<int32_t> prompt(static_cast<size_t>(1 + below(limits_.max_context - 1)));
    for (int32_t& token : prompt) token = static_cast<int32_t>(below(kVocab));
    SamplingParams sampling;
    if (below(2) == 0) sampling = {.temperature = 1.5, .seed = static_cast<uint64_t>(below(1000))};
    return {std::move(prompt), 1 + below(limits_.max_context), sampling};
  }

  void submit(size_t i) {
    Request request = request_into(told_[i], requests_[i].prompt, requests_[i].max_tokens);
    request.sampling = requests_[i].sampling;
    EXPECT_EQ(engine_->submit(std::move(request)), static_cast<int64_t>(i + 1));
  }

  void cancel(int64_t i) {
    engine_->cancel(i + 1);
    cancelled_.insert(static_cast<size_t>(i));
  }

  // The request by itself, one step at a time.
  Told alone(const Wish& wish) const {
    RunnerLimits limits = limits_;
    limits.replicas = limits.stages = limits.steps_in_flight = 1;
    FakeRunner runner(limits);
    Engine engine(runner, nullptr, {});
    Told told;
    Request request = request_into(told, wish.prompt, wish.max_tokens);
    request.sampling = wish.sampling;
    engine.submit(std::move(request));
    run_to_end(engine);
    return told;
  }

  void expect_all_told() const {
    for (size_t i = 0; i < told_.size(); ++i) {
      const Told expected = alone(requests_[i]);
      ASSERT_NE(told_[i].finish, FinishReason::kNone) << "request " << i << " never ended";
      if (told_[i].finish != FinishReason::kCancelled) {
        ASSERT_EQ(told_[i].tokens, expected.tokens) << "request " << i;
        continue;
      }
      ASSERT_TRUE(cancelled_.contains(i));
      ASSERT_LE(told_[i].tokens.size(), expected.tokens.size());
      ASSERT_TRUE(
          std::equal(told_[i].tokens.begin(), told_[i].tokens.end(), expected.tokens.begin()));
    }
  }

  // As many sequences as a cache holds run at once again, so that no block is lost.
  void expect_all_blocks_free() {
    FakeRunner runner(limits_);
    engine_->drain();
    engine_->restart(runner);
    const int64_t positions =
        std::min(limits_.max_context - 1, limits_.kv_blocks * limits_.block_size - 1);
    std::vector<Told> told(static_cast<size_t>(limits_.replicas));
    for (Told& one : told) {
      engine_->submit(
          request_into(one, std::vector<int32_t>(static_cast<size_t>(positions), 1), 1));
    }
    run_to_end(*engine_);
    for (const Told& one : told) ASSERT_EQ(one.finish, FinishReason::kLength);
  }

  std::mt19937 random_;
  RunnerLimits limits_;
  std::vector<Wish> requests_;
  std::vector<Told> told_;
  std::set<size_t> cancelled_;
  std::unique_ptr<Engine> engine_;
  int steps_ = 0;
};

TEST(StepsInFlight, EverySequenceGetsItsTokensWhateverTheSchedule) {
  for (unsigned seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomSchedule(seed).run();
    if (testing::Test::HasFailure()) return;
  }
}

// Few long steps leave stages idle, many short ones pay their overhead; none around the choice is
// much better. Round numbers cost a little.
TEST(StepSize, ChunksCostAboutAsLittleAsTheBest) {
  RunnerLimits limits = kTwoStages;
  limits.max_step_tokens = 4096;
  for (const int64_t stages : {2, 3, 8}) {
    for (const double overhead : {1.0, 12.5, 300.0}) {
      limits.stages = stages;
      limits.step_overhead_tokens = overhead;
      for (const int64_t pending : {64, 512, 2048, 20000}) {
        const auto cost = [&](int64_t chunk) {
          const auto steps = static_cast<double>((pending + chunk - 1) / chunk);
          return (steps + static_cast<double>(stages - 1)) *
                 (overhead + static_cast<double>(std::min(chunk, pending)));
        };
        double best = cost(1);
        for (int64_t chunk = 2; chunk <= limits.max_step_tokens; ++chunk)
          best = std::min(best, cost(chunk));
        const int64_t chosen =
            prefill_tokens(chunk_tokens(pending, limits), /*decoding=*/0, limits);
        EXPECT_LT(cost(chosen), 1.25 * best)
            << stages << " stages, " << pending << " tokens, chunk " << chosen;
      }
    }
  }
}

TEST(StepSize, OneStageTakesAllAtOnceAndDecodingTokensComeFirst) {
  RunnerLimits limits = kTwoStages;
  limits.stages = 1;
  EXPECT_EQ(chunk_tokens(1000, limits), 16);
  EXPECT_EQ(prefill_tokens(16, 3, limits), 13);
  EXPECT_EQ(prefill_tokens(16, 16, limits), 0);
  limits.max_step_tokens = 4096;
  EXPECT_EQ(prefill_tokens(100, 4, limits), 92);    // 96 in all
  EXPECT_EQ(prefill_tokens(64, 250, limits), 134);  // 6 would be too few: 384 in all
  EXPECT_EQ(prefill_tokens(1, 0, limits), 1);
}

}  // namespace
}  // namespace partita::engine
