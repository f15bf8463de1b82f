// SPDX-License-Identifier: Apache-2.0
// Scheduling and generation over a fake model that checks every batch it is given.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/fake_runner.h"
#include "engine/told_requests.h"
#include "support/error.h"

namespace partita::engine {
namespace {

using testing::HasSubstr;

std::unique_ptr<const text::Tokenizer> letters() {
  Json vocab;
  for (char letter = 'a'; letter <= 'z'; ++letter) vocab[std::string(1, letter)] = letter - 'a';
  vocab["<end>"] = kEnd;
  const Json json = {
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"added_tokens", Json::array({{{"id", kEnd},
                                     {"content", "<end>"},
                                     {"special", true},
                                     {"single_word", false},
                                     {"lstrip", false},
                                     {"rstrip", false},
                                     {"normalized", false}}})}};
  return text::Tokenizer::parse(json.dump(), "letters");
}

constexpr RunnerLimits kRoomy{.vocab_size = kVocab,
                              .max_context = 64,
                              .max_step_tokens = 8,
                              .max_sequences = 4,
                              .kv_blocks = 64,
                              .block_size = 4};

TEST(Engine, APromptLongerThanAStepIsComputedInChunks) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  std::vector<int32_t> prompt(21, 1);
  Told out;
  engine.submit(request_into(out, prompt, 3));
  run_to_end(engine);
  EXPECT_EQ(out.tokens, expected_tokens(prompt, 3, true));
  EXPECT_EQ(runner.batch_sizes, (std::vector<size_t>{8, 8, 5, 1, 1}));
  EXPECT_EQ(engine.stats().prefill_tokens, 21);
  EXPECT_EQ(engine.stats().decode_tokens, 2);
}

TEST(Engine, ManySequencesGiveWhatEachGivesAlone) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  std::vector<Told> outs(9);
  std::vector<std::vector<int32_t>> prompts;
  for (size_t i = 0; i < outs.size(); ++i) {
    prompts.push_back(std::vector<int32_t>(1 + 3 * i, static_cast<int32_t>(i)));
    engine.submit(request_into(outs[i], prompts[i], static_cast<int64_t>(5 + i)));
  }
  run_to_end(engine);
  for (size_t i = 0; i < outs.size(); ++i) {
    EXPECT_EQ(outs[i].tokens, expected_tokens(prompts[i], 5 + i, true)) << i;
    EXPECT_EQ(outs[i].finish, FinishReason::kLength);
  }
}

TEST(Engine, ScarceBlocksPreemptTheYoungestAndLoseNothing) {
  const auto tokenizer = letters();
  RunnerLimits scarce = kRoomy;
  scarce.kv_blocks = 9;  // 36 positions for four sequences that grow to 25 each
  FakeRunner runner(scarce);
  Engine engine(runner, tokenizer.get(), {kEnd});
  std::vector<Told> outs(4);
  for (size_t i = 0; i < outs.size(); ++i) {
    engine.submit(request_into(outs[i], std::vector<int32_t>(5, static_cast<int32_t>(i)), 20));
  }
  run_to_end(engine);
  for (size_t i = 0; i < outs.size(); ++i) {
    EXPECT_EQ(outs[i].tokens,
              expected_tokens(std::vector<int32_t>(5, static_cast<int32_t>(i)), 20, true))
        << i;
  }
}

TEST(Engine, ADecodingSequenceIsNotStalledByALongPrompt) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told first;
  Told second;
  engine.submit(request_into(first, {1, 2}, 8));
  ASSERT_TRUE(engine.step());
  engine.submit(request_into(second, std::vector<int32_t>(40, 3), 2));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(engine.step());
  EXPECT_EQ(first.tokens.size(), 4U);  // one per step, while the prompt of 40 takes 6 steps
}

TEST(Engine, EndOfTextEndsUnlessIgnored) {
  const auto tokenizer = letters();
  // The sum of a prompt {25} is 25 + 1 = 26: the end of text.
  for (const bool ignore : {false, true}) {
    FakeRunner runner(kRoomy);
    Engine engine(runner, tokenizer.get(), {kEnd});
    Told out;
    Request request = request_into(out, {25}, 4);
    request.ignore_end_of_text = ignore;
    engine.submit(std::move(request));
    run_to_end(engine);
    EXPECT_EQ(out.tokens, expected_tokens({25}, 4, ignore));
    EXPECT_EQ(out.finish, ignore ? FinishReason::kLength : FinishReason::kEndOfText);
    EXPECT_EQ(out.text.find("<end>"), std::string::npos);
  }
}

TEST(Engine, StopStringEndsBeforeIt) {
  const auto tokenizer = letters();
  FakeRunner plain_runner(kRoomy);
  Engine plain(plain_runner, tokenizer.get(), {kEnd});
  Told whole;
  plain.submit(request_into(whole, {1}, 10));
  run_to_end(plain);
  ASSERT_GE(whole.text.size(), 6U);
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told out;
  Request request = request_into(out, {1}, 10);
  request.stop = {whole.text.substr(3, 2)};
  engine.submit(std::move(request));
  run_to_end(engine);
  EXPECT_EQ(out.text, whole.text.substr(0, whole.text.find(whole.text.substr(3, 2))));
  EXPECT_EQ(out.finish, FinishReason::kStopString);
}

TEST(Engine, CancelEndsWithAnEventAndFreesTheBlocks) {
  const auto tokenizer = letters();
  RunnerLimits tight = kRoomy;
  tight.kv_blocks = 4;
  FakeRunner runner(tight);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told cancelled;
  Told other;
  const int64_t id = engine.submit(request_into(cancelled, std::vector<int32_t>(12, 1), 3));
  ASSERT_TRUE(engine.step());
  engine.cancel(id);
  engine.cancel(999);
  EXPECT_EQ(cancelled.finish, FinishReason::kCancelled);
  engine.submit(request_into(other, std::vector<int32_t>(12, 2), 3));
  run_to_end(engine);
  EXPECT_EQ(other.tokens, expected_tokens(std::vector<int32_t>(12, 2), 3, true));
}

// A callback of one request must not disturb the others, nor its own request.
TEST(Engine, WhatACallbackThrowsComesOutAfterTheStepAndNothingIsLost) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told thrower;
  Told other;
  Request request = request_into(thrower, {1, 2}, 3);
  request.on_token = [collect = request.on_token](const TokenEvent& event) {
    collect(event);
    throw std::range_error("from the callback");
  };
  engine.submit(std::move(request));
  engine.submit(request_into(other, {3, 4}, 3));
  int thrown = 0;
  for (bool busy = true; busy;) {
    try {
      busy = engine.step();
    } catch (const std::range_error&) {
      ASSERT_LE(++thrown, 3);
    }
  }
  EXPECT_EQ(thrown, 3);
  EXPECT_EQ(thrower.tokens, expected_tokens({1, 2}, 3, true));
  EXPECT_EQ(thrower.finish, FinishReason::kLength);
  EXPECT_EQ(other.tokens, expected_tokens({3, 4}, 3, true));
}

TEST(Engine, ACallbackMayCancelAndSubmitButNotStep) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told cancelled;
  Told victim;
  Told child;
  Request request = request_into(cancelled, {1, 2}, 50);
  int64_t own_id = 0;
  int64_t victim_id = 0;
  request.on_token = [&, collect = request.on_token](const TokenEvent& event) {
    collect(event);
    if (event.finish != FinishReason::kNone || cancelled.tokens.size() < 2) return;
    EXPECT_THROW((void)engine.step(), Error);
    engine.cancel(own_id);
    engine.cancel(victim_id);
    engine.submit(request_into(child, {5}, 2));
  };
  own_id = engine.submit(std::move(request));
  victim_id = engine.submit(request_into(victim, {3, 4}, 50));
  run_to_end(engine);
  EXPECT_EQ(cancelled.tokens.size(), 2U);
  EXPECT_EQ(cancelled.finish, FinishReason::kCancelled);
  EXPECT_EQ(victim.finish, FinishReason::kCancelled);
  EXPECT_EQ(child.tokens, expected_tokens({5}, 2, true));
}

RunnerLimits with_candidates(int64_t count) {
  RunnerLimits limits = kRoomy;
  limits.candidates = count;
  return limits;
}

// The tokens of two requests at once, and whether any step wanted whole logits.
std::pair<std::vector<std::vector<int32_t>>, bool> tokens_of(const RunnerLimits& limits,
                                                             const SamplingParams& first,
                                                             const SamplingParams& second) {
  FakeRunner runner(limits);
  Engine engine(runner, nullptr, {});
  std::vector<Told> out(2);
  for (size_t i = 0; i < out.size(); ++i) {
    Request request = request_into(out[i], {static_cast<int32_t>(i) + 1, 5}, 12);
    request.sampling = i == 0 ? first : second;
    (void)engine.submit(std::move(request));
  }
  while (engine.step()) {
  }
  const bool any = std::ranges::count(runner.wanted_whole_logits, true) > 0;
  return {{out[0].tokens, out[1].tokens}, any};
}

TEST(Engine, CandidatesGiveTheTokensOfWholeLogitsWhereTheySuffice) {
  const SamplingParams greedy;
  const SamplingParams top_3 = {.temperature = 2, .top_k = 3, .top_p = 0.8, .seed = 4};
  const auto expected = tokens_of(kRoomy, greedy, top_3);
  EXPECT_TRUE(expected.second);
  EXPECT_EQ(tokens_of(with_candidates(3), greedy, top_3), std::pair(expected.first, false));
  EXPECT_EQ(tokens_of(with_candidates(2), greedy, top_3), expected);
}

TEST(Engine, WholeLogitsComeForRequestsThatShowThem) {
  FakeRunner runner(with_candidates(4));
  Engine engine(runner, nullptr, {});
  Told quiet;
  Told showing;
  (void)engine.submit(request_into(quiet, {1}, 6));
  Request request = request_into(showing, {2}, 3);
  size_t shown = 0;
  request.on_logits = [&](const std::vector<float>& logits) {
    EXPECT_EQ(logits.size(), static_cast<size_t>(kVocab));
    ++shown;
  };
  (void)engine.submit(std::move(request));
  while (engine.step()) {
  }
  EXPECT_EQ(shown, 3U);
  EXPECT_EQ(runner.wanted_whole_logits, (std::vector<bool>{true, true, true, false, false, false}));
}

TEST(Engine, LogitsThatAreNoNumbersChangeNothing) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told first;
  Told second;
  engine.submit(request_into(first, {1, 2}, 4));
  engine.submit(request_into(second, {3}, 4));
  runner.poison_step = 1;
  ASSERT_TRUE(engine.step());
  EXPECT_THROW((void)engine.step(), Error);
  run_to_end(engine);
  EXPECT_EQ(first.tokens, expected_tokens({1, 2}, 4, true));
  EXPECT_EQ(second.tokens, expected_tokens({3}, 4, true));
}

TEST(Engine, HugeMaxTokensEndAtTheContext) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told out;
  engine.submit(request_into(out, {1, 2}, INT64_MAX));
  run_to_end(engine);
  EXPECT_EQ(out.tokens.size(), 62U);
  EXPECT_EQ(out.finish, FinishReason::kLength);
}

TEST(Engine, SeveralPromptsLongerThanAStepAreAllComputed) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  std::vector<Told> outs(6);
  for (size_t i = 0; i < outs.size(); ++i) {
    engine.submit(request_into(outs[i], std::vector<int32_t>(20 + i, static_cast<int32_t>(i)), 3));
  }
  run_to_end(engine);
  for (size_t i = 0; i < outs.size(); ++i) {
    EXPECT_EQ(outs[i].tokens,
              expected_tokens(std::vector<int32_t>(20 + i, static_cast<int32_t>(i)), 3, true));
  }
}

TEST(Engine, AfterLosingTheRanksTheSameRequestsGoOn) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  runner.fail_at_step = 6;
  Engine engine(runner, tokenizer.get(), {kEnd});
  std::vector<Told> outs(3);
  for (size_t i = 0; i < outs.size(); ++i) {
    engine.submit(request_into(outs[i], std::vector<int32_t>(4 + i, 2), 12));
  }
  EXPECT_THROW(run_to_end(engine), Error);
  FakeRunner fresh(kRoomy);
  engine.restart(fresh);
  run_to_end(engine);
  for (size_t i = 0; i < outs.size(); ++i) {
    EXPECT_EQ(outs[i].tokens, expected_tokens(std::vector<int32_t>(4 + i, 2), 12, true));
  }
}

TEST(Engine, GenerationStopsWhereTheContextEnds) {
  const auto tokenizer = letters();
  RunnerLimits small = kRoomy;
  small.max_context = 10;
  FakeRunner runner(small);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told out;
  engine.submit(request_into(out, {1, 2, 3}, 100));
  run_to_end(engine);
  EXPECT_EQ(out.tokens.size(), 7U);
  EXPECT_EQ(out.finish, FinishReason::kLength);
}

TEST(Engine, ImpossibleRequestsAreRefusedByName) {
  const auto tokenizer = letters();
  FakeRunner runner(kRoomy);
  Engine engine(runner, tokenizer.get(), {kEnd});
  Told out;
  const auto refusal = [&](Request request) -> std::string {
    try {
      engine.submit(std::move(request));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInvalidArgument);
      return e.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal(request_into(out, {}, 1)), HasSubstr("prompt is empty"));
  EXPECT_THAT(refusal(request_into(out, {27}, 1)), HasSubstr("token id 27"));
  EXPECT_THAT(refusal(request_into(out, {-1}, 1)), HasSubstr("token id -1"));
  EXPECT_THAT(refusal(request_into(out, std::vector<int32_t>(64, 1), 1)),
              HasSubstr("has 64 tokens; at most 63"));
  EXPECT_THAT(refusal(request_into(out, {1}, 0)), HasSubstr("max_tokens is 0"));
  EXPECT_TRUE(engine.idle());
}

}  // namespace
}  // namespace partita::engine
