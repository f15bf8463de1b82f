// SPDX-License-Identifier: Apache-2.0
// Many requests on plans of several stages: the texts of one rank, whatever is in flight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "api/bundled_model.h"
#include "partita/engine.h"
#include "partita/error.h"
#include "support/json.h"

namespace partita {
namespace {

using api::bundled;

Engine start(const std::string& mesh) {
  const PlanOptions options{.mesh = mesh,
                            .devices = api::test_devices(),
                            .concurrency = 6,
                            .max_context = 128,
                            .max_step_tokens = 32};
  return Engine(bundled(), Plan::make(bundled(), options), {.threads_per_rank = 1});
}

struct Asked {
  std::string prompt;
  GenerateOptions options;
};

// Prompts of unlike lengths, greedy and sampled, of unlike ends.
std::vector<Asked> questions() {
  std::vector<Asked> asked;
  const std::string story = "Once upon a time there was a little girl who had a red ball. ";
  for (int i = 0; i < 10; ++i) {
    std::string prompt;
    for (int repeat = 0; repeat <= i % 4; ++repeat) prompt += story;
    prompt += std::to_string(i);
    GenerateOptions options;
    options.max_tokens = 8 + 3 * i;
    options.temperature = i % 2 == 0 ? 0 : 0.9;
    options.seed = static_cast<uint64_t>(i);
    options.ignore_end_of_text = true;
    asked.push_back({prompt, options});
  }
  return asked;
}

std::vector<std::vector<int32_t>> answers(Engine& engine, const std::vector<Asked>& asked) {
  std::vector<int64_t> requests;
  for (const Asked& one : asked)
    requests.push_back(engine.submit(bundled().encode(one.prompt), one.options));
  while (engine.step()) {
  }
  std::vector<std::vector<int32_t>> tokens;
  for (const int64_t request : requests) tokens.push_back(engine.take(request).tokens);
  return tokens;
}

std::vector<std::vector<int32_t>> answers_one_by_one(Engine& engine,
                                                     const std::vector<Asked>& asked) {
  std::vector<std::vector<int32_t>> tokens;
  for (const Asked& one : asked) tokens.push_back(engine.generate(one.prompt, one.options).tokens);
  return tokens;
}

TEST(PipelinedRun, EveryPlanGivesTheTextsOfOneRank) {
  Engine alone = start("tp=1");
  const std::vector<std::vector<int32_t>> expected = answers_one_by_one(alone, questions());
  for (const char* mesh : {"tp=1", "pp=2", "pp=3", "pp=4", "tp=2,pp=2"}) {
    SCOPED_TRACE(mesh);
    Engine engine = start(mesh);
    EXPECT_EQ(answers(engine, questions()), expected);
    EXPECT_EQ(answers(engine, questions()), expected);  // whatever the cache was left with
  }
}

// Stages cut by hand, by size, by a mix, and around the tied embedding, which the last stage has a
// copy of, shares with the first one or is sent at every step.
TEST(PipelinedRun, EveryWayToCutGivesTheTextsOfOneRank) {
  Engine alone = start("tp=1");
  const std::vector<std::vector<int32_t>> expected = answers_one_by_one(alone, questions());
  const PlanOptions common{.mesh = "",
                           .devices = api::test_devices(),
                           .concurrency = 6,
                           .max_context = 128,
                           .max_step_tokens = 32};
  std::vector<PlanOptions> all(8, common);
  all[0].split_at = {"before:layers.1", "after:layers.3"};
  all[1].split_at = {"layers.2.mlp.down_proj"};
  all[1].mesh = "pp=2,tp=2";
  all[2].split = "equal-size";
  all[3].memory_weight = 0;
  all[4].memory_weight = 1;
  all[5].shared_weights = "co-locate";
  all[5].ranks = 2;
  all[6].shared_weights = "send";
  all[6].mesh = "pp=3";
  all[7].shared_weights = "send";
  all[7].mesh = "pp=2,tp=2";
  for (size_t i = 2; i < 5; ++i) all[i].mesh = "pp=3";
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    const Plan plan = Plan::make(bundled(), all[i]);
    Engine engine(bundled(), plan, {.threads_per_rank = 1});
    EXPECT_EQ(answers(engine, questions()), expected);
    const std::string text = plan.to_json();
    EXPECT_EQ(text.find("\"sent\": true") != std::string::npos, all[i].shared_weights == "send");
    EXPECT_EQ(text.find("\"copies\"") == std::string::npos, all[i].shared_weights == "co-locate");
  }
}

// What ranks say of their time: never more than has passed, and the two stages at the same time.
TEST(PipelinedRun, BusySecondsAreOfTheTimeThatStepsTook) {
  Engine engine = start("pp=2");
  (void)answers(engine, questions());
  const RunReport report = engine.report();
  ASSERT_EQ(report.ranks.size(), 2U);
  for (const RankCost& rank : report.ranks) {
    EXPECT_GT(rank.busy_seconds, 0);
    EXPECT_LE(rank.busy_seconds, report.prefill_seconds + report.decode_seconds);
  }
}

// A request is answered by one replica; all ranks of the report are there.
TEST(PipelinedRun, ReplicasGiveTheTextsOfOneRank) {
  Engine alone = start("tp=1");
  const std::vector<std::vector<int32_t>> expected = answers_one_by_one(alone, questions());
  for (const char* mesh : {"dp=2", "dp=2,tp=2", "dp=2,pp=2", "dp=3"}) {
    SCOPED_TRACE(mesh);
    Engine engine = start(mesh);
    EXPECT_EQ(answers(engine, questions()), expected);
    const RunReport report = engine.report();
    for (size_t rank = 0; rank < report.ranks.size(); ++rank) {
      EXPECT_EQ(report.ranks[rank].rank, static_cast<int>(rank));
      EXPECT_GT(report.ranks[rank].busy_seconds, 0);
    }
    EXPECT_EQ(report.ranks.back().replica, mesh == std::string("dp=3") ? 2 : 1);
  }
}

// Spans of a rank follow each other, and each step is on every rank of its replica.
TEST(PipelinedRun, TheTraceHasEveryStepOfEveryRank) {
  const PlanOptions options{.mesh = "pp=2", .devices = api::test_devices(), .concurrency = 6};
  Engine engine(bundled(), Plan::make(bundled(), options), {.threads_per_rank = 1, .trace = true});
  (void)answers(engine, questions());
  const std::filesystem::path file =
      std::filesystem::path(testing::TempDir()) / "partita_step_trace.json";
  engine.write_trace(file);
  const Json json = read_json(file);
  std::filesystem::remove(file);
  std::map<int, std::vector<double>> ends;
  std::map<int, int> steps;
  for (const Json& event : json.at("traceEvents")) {
    const auto name = event.at("name").get<std::string>();
    if (name == "receive" || name == "send") continue;
    const int rank = event.at("tid").get<int>();
    EXPECT_EQ(event.at("args").at("step").get<int>(), steps[rank]++);
    const double begin = event.at("ts").get<double>();
    if (!ends[rank].empty()) {
      EXPECT_GE(begin, ends[rank].back() - 0.01);  // microseconds, rounded
    }
    ends[rank].push_back(begin + event.at("dur").get<double>());
  }
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_GT(steps[0], 20);
  EXPECT_EQ(steps[0], steps[1]);
  EXPECT_THROW(start("tp=1").write_trace(file), Error);
}

TEST(PipelinedRun, ReportsAndCancelsBetweenStepsDisturbNothing) {
  Engine alone = start("tp=1");
  std::vector<Asked> asked = questions();
  const std::vector<std::vector<int32_t>> expected = answers_one_by_one(alone, asked);
  Engine engine = start("pp=2");
  std::vector<int64_t> requests;
  for (const Asked& one : asked)
    requests.push_back(engine.submit(bundled().encode(one.prompt), one.options));
  for (int steps = 0; engine.step(); ++steps) {
    if (steps == 3) engine.cancel(requests[1]);
    if (steps == 5) {
      EXPECT_EQ(engine.report().ranks.size(), 2U);
    }
  }
  for (size_t i = 0; i < requests.size(); ++i) {
    const Completion completion = engine.take(requests[i]);
    if (i == 1) {
      EXPECT_EQ(completion.finish_reason, "cancelled");
    } else {
      EXPECT_EQ(completion.tokens, expected[i]) << i;
    }
  }
  EXPECT_EQ(engine.logits({1, 2}).size(), static_cast<size_t>(2 * bundled().vocab_size()));
}

// Steps are under way when the engine goes.
TEST(PipelinedRun, AnEngineMayEndWhileStepsAreInFlight) {
  Engine engine = start("pp=2");
  for (const Asked& one : questions())
    (void)engine.submit(bundled().encode(one.prompt), one.options);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(engine.step());
}

}  // namespace
}  // namespace partita
