// SPDX-License-Identifier: Apache-2.0
// For tests: a runner whose "model" is arithmetic, and which checks every batch it is given.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "engine/step_runner.h"
#include "support/error.h"

namespace partita::engine {

inline constexpr int32_t kVocab = 27;  // "a" .. "z", then the end of text
inline constexpr int32_t kEnd = 26;

// The most likely next token is (sum of all tokens of the sequence + length) mod 27; the others are
// less likely by their distance. Tokens are kept in a paged cache, so that a wrong position, block
// or order gives a wrong sum; real ranks would read garbage there. A step is computed when it is
// waited for, as late as a slow rank would.
class FakeRunner : public StepRunner {
 public:
  explicit FakeRunner(RunnerLimits runner_limits)
      : limits_(runner_limits),
        in_flight_(static_cast<size_t>(limits_.replicas)),
        caches_(in_flight_.size(), std::vector<int32_t>(slots(), -1)) {}

  const RunnerLimits& limits() const override { return limits_; }
  std::vector<RankReport> report() override {
    std::vector<RankReport> reports(in_flight_.size());
    for (size_t i = 0; i < reports.size(); ++i) {
      reports[i].replica = static_cast<int>(i);
      reports[i].is_lost = i == 0 && lose_at_result >= 0 && results_ >= lose_at_result;
    }
    return reports;
  }

  void submit(int replica, const StepBatch& batch) override {
    if (fail_at_step >= 0 && steps++ >= fail_at_step) throw Error(ErrorCode::kRankFailed, "killed");
    if (replica == lost_replica) return;
    auto& queue = in_flight_.at(static_cast<size_t>(replica));
    EXPECT_LE(static_cast<int64_t>(batch.token_ids.size()), limits_.max_step_tokens);
    EXPECT_LE(batch.sequences, limits_.max_sequences);
    expect_blocks_disjoint(batch);
    for (const StepBatch& earlier : queue) expect_may_follow(earlier, batch);
    queue.push_back(batch);
    EXPECT_LE(static_cast<int64_t>(queue.size()), limits_.steps_in_flight);
    most_in_flight = std::max(most_in_flight, queue.size());
    batch_sizes.push_back(batch.token_ids.size());
    steps_of_replica.resize(in_flight_.size());
    ++steps_of_replica[static_cast<size_t>(replica)];
  }

  // Replicas take turns.
  const StepResult& wait() override {
    if (fail_at_wait >= 0 && waits++ >= fail_at_wait) throw Error(ErrorCode::kRankFailed, "killed");
    if (lose_at_result >= 0 && results_ >= lose_at_result && lost_replica < 0) return lose(0);
    do {
      turn_ = (turn_ + 1) % in_flight_.size();
    } while (in_flight_[turn_].empty());
    const StepBatch batch = std::move(in_flight_[turn_].front());
    in_flight_[turn_].pop_front();
    std::vector<int32_t>& cache = caches_[turn_];
    for (size_t i = 0; i < batch.token_ids.size(); ++i)
      cache.at(slot(batch, i)) = batch.token_ids[i];
    StepResult& result = result_;
    result.loss.clear();
    result.logits.clear();
    result.candidate_logits.clear();
    result.candidate_tokens.clear();
    result.replica = static_cast<int>(turn_);
    for (const int32_t row : batch.logit_rows) {
      const int32_t next = next_token(cache, batch, static_cast<size_t>(row));
      for (int32_t token = 0; token < kVocab; ++token)
        result.logits.push_back(-0.5F * static_cast<float>((token - next + kVocab) % kVocab));
      for (int32_t rank = 0; rank < limits_.candidates; ++rank) {
        result.candidate_logits.push_back(-0.5F * static_cast<float>(rank));
        result.candidate_tokens.push_back((next + rank) % kVocab);
      }
    }
    if (results_++ == poison_step) result.logits.back() = std::nanf("");
    if (!batch.whole_logits) result.logits.clear();
    wanted_whole_logits.push_back(batch.whole_logits);
    return result;
  }

  int fail_at_step = -1;    // from this one on, steps are not taken
  int fail_at_wait = -1;    // from this one on, they do not come back
  int poison_step = -1;     // gives a NaN to the last sequence
  int lose_at_result = -1;  // then the first replica is lost
  int lost_replica = -1;
  int steps = 0;
  int waits = 0;
  size_t most_in_flight = 0;
  std::vector<size_t> batch_sizes;
  std::vector<bool> wanted_whole_logits;
  std::vector<int> steps_of_replica;

 private:
  const StepResult& lose(int replica) {
    lost_replica = replica;
    in_flight_[static_cast<size_t>(replica)].clear();
    result_ = {};
    result_.replica = replica;
    result_.loss = "killed";
    return result_;
  }
  size_t slots() const { return static_cast<size_t>(limits_.kv_blocks * limits_.block_size); }
  static std::vector<int32_t> row_of(const StepBatch& batch, int64_t row) {
    const auto begin = batch.block_tables.begin() + row * batch.blocks_per_sequence;
    return {begin, std::find(begin, begin + batch.blocks_per_sequence, -1)};
  }
  size_t slot(const StepBatch& batch, size_t token, int64_t position = -1) const {
    if (position < 0) position = batch.positions[token];
    const int64_t row = batch.sequence_ids[token] * batch.blocks_per_sequence;
    const int32_t block =
        batch.block_tables.at(static_cast<size_t>(row + position / limits_.block_size));
    EXPECT_GE(block, 0);
    return static_cast<size_t>(block * limits_.block_size + position % limits_.block_size);
  }
  int32_t next_token(const std::vector<int32_t>& cache,
                     const StepBatch& batch,
                     size_t token) const {
    int32_t sum = batch.positions[token] + 1;
    for (int64_t position = 0; position <= batch.positions[token]; ++position) {
      sum += cache.at(slot(batch, token, position));
    }
    return sum % kVocab;
  }
  static void expect_blocks_disjoint(const StepBatch& batch) {
    std::set<int32_t> seen;
    for (const int32_t block : batch.block_tables) {
      const bool is_new = block < 0 || seen.insert(block).second;
      EXPECT_TRUE(is_new) << "block " << block << " has two owners";
    }
  }
  // A block in both steps belongs to one sequence, whose earlier step is a chunk of its prompt that
  // asks for no logits: else the later step would need a token that nobody knows yet.
  static void expect_may_follow(const StepBatch& earlier, const StepBatch& later) {
    for (int64_t row = 0; row < later.sequences; ++row) {
      const std::vector<int32_t> blocks = row_of(later, row);
      const std::set<int32_t> own(blocks.begin(), blocks.end());
      for (int64_t other = 0; other < earlier.sequences; ++other) {
        const std::vector<int32_t> used = row_of(earlier, other);
        const bool shares = std::any_of(used.begin(), used.end(),
                                        [&](int32_t block) { return own.contains(block); });
        if (!shares) continue;
        EXPECT_TRUE(used.size() <= blocks.size() &&
                    std::equal(used.begin(), used.end(), blocks.begin()))
            << "a block of a step in flight has a new owner";
        for (const int32_t token : earlier.logit_rows) {
          EXPECT_NE(earlier.sequence_ids[static_cast<size_t>(token)], other)
              << "a sequence goes on before its token is known";
        }
      }
    }
  }

  RunnerLimits limits_;
  std::vector<std::deque<StepBatch>> in_flight_;  // by replica
  std::vector<std::vector<int32_t>> caches_;
  size_t turn_ = 0;
  int results_ = 0;
  StepResult result_;
};

// What a sequence alone gives, greedily.
inline std::vector<int32_t> expected_tokens(std::vector<int32_t> tokens,
                                            size_t count,
                                            bool ignore_end) {
  std::vector<int32_t> emitted;
  while (emitted.size() < count) {
    int32_t sum = static_cast<int32_t>(tokens.size());
    for (const int32_t token : tokens) sum += token;
    tokens.push_back(sum % kVocab);
    emitted.push_back(tokens.back());
    if (tokens.back() == kEnd && !ignore_end) break;
  }
  return emitted;
}

}  // namespace partita::engine
