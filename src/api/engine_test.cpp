// SPDX-License-Identifier: Apache-2.0
// The public Engine on the bundled model: options, callbacks that throw, requests that end early.
#include "partita/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "api/bundled_model.h"
#include "partita/error.h"

namespace partita {
namespace {

using api::bundled;
using testing::HasSubstr;

Plan plan_for(const std::string& mesh, int64_t max_context = 0) {
  return Plan::make(
      bundled(),
      {.mesh = mesh, .devices = api::test_devices(), .concurrency = 2, .max_context = max_context});
}

Engine start(const std::string& mesh) {
  return Engine(bundled(), plan_for(mesh), {.threads_per_rank = 1});
}

GenerateOptions tokens(int64_t count) {
  return {.max_tokens = count, .stop = {}, .ignore_end_of_text = true};
}

std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument) << e.what();
    return e.what();
  }
  return "accepted";
}

TEST(PublicEngine, OptionsOutOfRangeAreRefusedBeforeAnythingStarts) {
  const Plan plan = plan_for("tp=1");
  const std::vector<std::pair<EngineOptions, std::string>> rows = {
      {{.launcher = "qsub"}, "qsub"},
      {{.transport = "mpi"}, "transport \"mpi\" with launcher threads"},
      {{.launcher = "fork", .transport = "pigeon"}, "pigeon"},
      {{.threads_per_rank = -1}, "threads_per_rank is -1"},
      {{.step_timeout_ms = -1}, "step_timeout_ms is -1"},
      {{.start_timeout_ms = -5}, "start_timeout_ms is -5"},
  };
  for (const auto& [options, message] : rows) {
    EXPECT_THAT(refusal_of([&, &options = options] { Engine(bundled(), plan, options); }),
                HasSubstr(message));
  }
}

// Otherwise the request would go on in the background and call what is gone.
TEST(PublicEngine, ACallbackThatThrowsEndsItsGenerateForGood) {
  Engine engine = start("tp=2");
  int calls = 0;
  EXPECT_THROW((void)engine.generate("Once upon a time", tokens(20),
                                     [&](std::string_view) {
                                       ++calls;
                                       throw std::range_error("enough");
                                     }),
               std::range_error);
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(engine.step());
  EXPECT_EQ(engine.generate("Once upon a time", tokens(5)).tokens.size(), 5U);
  EXPECT_EQ(calls, 1);
}

TEST(PublicEngine, TheLastCallbackMayTakeItsRequest) {
  Engine engine = start("tp=1");
  int64_t id = 0;
  Completion taken;
  const std::string marker(100, 'x');  // would be freed with the callback
  id =
      engine.submit(bundled().encode("Once upon a time"), tokens(3), [&, marker](std::string_view) {
        try {
          taken = engine.take(id);
        } catch (const Error&) {  // not done yet
        }
        EXPECT_EQ(marker.size(), 100U);
      });
  while (engine.step()) {
  }
  EXPECT_EQ(taken.tokens.size(), 3U);
  EXPECT_THROW((void)engine.take(id), Error);
}

TEST(PublicEngine, GenerateOptionsAreCheckedWithoutRanks) {
  const auto refusal = [](const GenerateOptions& options) {
    return refusal_of([&] { check_generate_options(bundled(), options); });
  };
  EXPECT_NO_THROW(check_generate_options(bundled(), {.stop = {"."}}));
  EXPECT_THAT(refusal({.max_tokens = 0, .stop = {}}), HasSubstr("max_tokens is 0"));
  EXPECT_THAT(refusal({.temperature = -1, .stop = {}}), HasSubstr("temperature is -1"));
  EXPECT_THAT(refusal({.top_p = 2, .stop = {}}), HasSubstr("top_p is 2"));
  EXPECT_THAT(refusal({.stop = {""}}), HasSubstr("stop string is empty"));
}

// With the words of the engine that would refuse it later.
TEST(PublicEngine, PromptsAreCheckedWithoutRanks) {
  const Plan plan = plan_for("tp=1", 4);
  EXPECT_NO_THROW(check_prompt(bundled(), plan, {1, 2, 3}));
  const std::vector<std::vector<int32_t>> refused = {{1, 2, 3, 4}, {}, {-1}};
  Engine engine(bundled(), plan, {.threads_per_rank = 1});
  for (const std::vector<int32_t>& prompt : refused) {
    const std::string early = refusal_of([&] { check_prompt(bundled(), plan, prompt); });
    EXPECT_EQ(early, refusal_of([&] { (void)engine.submit(prompt); }));
    EXPECT_THAT(early, HasSubstr("[request] "));
  }
  EXPECT_THAT(refusal_of([&] { check_prompt(bundled(), plan, refused[0]); }),
              HasSubstr("the prompt has 4 tokens; at most 3 fit"));
}

TEST(PublicEngine, LogFoldersAreForProcesses) {
  EXPECT_THAT(refusal_of([] { Engine(bundled(), plan_for("tp=1"), {.log_dir = "logs"}); }),
              HasSubstr("log_dir logs with launcher threads"));
}

TEST(PublicEngine, TakeTellsUnknownFromUnfinished) {
  Engine engine = start("tp=1");
  EXPECT_THROW((void)engine.take(7), Error);
  const int64_t id = engine.submit(bundled().encode("Once"), tokens(5));
  EXPECT_THAT(refusal_of([&] { (void)engine.take(id); }), HasSubstr("is not done"));
  engine.cancel(id);
  EXPECT_EQ(engine.take(id).finish_reason, "cancelled");
}

TEST(PublicEngine, TokensOutsideTheVocabularyAreRefused) {
  Engine engine = start("tp=1");
  const auto beyond = static_cast<int32_t>(bundled().vocab_size());
  EXPECT_THAT(refusal_of([&] { (void)engine.logits({beyond}); }), HasSubstr("token id is"));
  EXPECT_THAT(refusal_of([&] { (void)engine.logits({-1}); }), HasSubstr("token id is -1"));
  EXPECT_THAT(refusal_of([&] { (void)engine.logits({}); }), HasSubstr("0 tokens"));
  EXPECT_THAT(refusal_of([&] { (void)engine.submit({beyond}); }), HasSubstr("vocabulary"));
  EXPECT_EQ(engine.logits({1, 2}).size(), static_cast<size_t>(2 * bundled().vocab_size()));
}

TEST(PublicEngine, TheSmallestContextHoldsOneTokenAndItsAnswer) {
  EXPECT_THAT(refusal_of([] { (void)plan_for("tp=1", 1); }), HasSubstr("max_context is 1"));
  Engine engine(bundled(), plan_for("tp=1", 2), {.threads_per_rank = 1});
  const int64_t id = engine.submit({1}, tokens(100));
  while (engine.step()) {
  }
  EXPECT_EQ(engine.take(id).tokens.size(), 1U);
  EXPECT_THAT(refusal_of([&] { (void)engine.submit({1, 2}); }), HasSubstr("at most 1"));
}

}  // namespace
}  // namespace partita
