// SPDX-License-Identifier: Apache-2.0
#include "engine/block_pool.h"

#include <algorithm>

#include "support/error.h"

namespace partita::engine {

BlockPool::BlockPool(int64_t size)
    : states_(static_cast<size_t>(size), State::kFree), free_(size) {}

bool BlockPool::is(int64_t block, State state) const {
  return block < static_cast<int64_t>(states_.size()) &&
         states_[static_cast<size_t>(block)] == state;
}

int64_t BlockPool::first(State state) const {
  return std::ranges::find(states_, state) - states_.begin();
}

BlockRun BlockPool::keep(int64_t count) {
  BlockRun longest;
  const auto length_of = [](const BlockRun& run) { return int64_t{run.end} - run.begin; };
  BlockRun run;
  for (int64_t block = 0; block < static_cast<int64_t>(states_.size()); ++block) {
    if (!is(block, State::kFree)) continue;
    const auto index = static_cast<int32_t>(block);
    if (run.end != index) run.begin = index;
    run.end = index + 1;
    if (length_of(run) > length_of(longest)) longest = run;
    if (length_of(longest) >= count) break;
  }
  std::fill(states_.begin() + longest.begin, states_.begin() + longest.end, State::kKept);
  return longest;
}

int32_t BlockPool::take(const std::vector<int32_t>& blocks, const BlockRun& kept) {
  CHECK(free_ > 0);
  int64_t block = blocks.empty() ? kept.begin : int64_t{blocks.back()} + 1;
  const bool is_own = block >= kept.begin && block < kept.end && is(block, State::kKept);
  if (!is_own && !is(block, State::kFree)) block = first(State::kFree);
  if (!is_own && !is(block, State::kFree)) block = first(State::kKept);
  states_[static_cast<size_t>(block)] = State::kUsed;
  --free_;
  return static_cast<int32_t>(block);
}

void BlockPool::give_back(std::vector<int32_t>& blocks, BlockRun& kept) {
  for (const int32_t block : blocks) {
    CHECK(is(block, State::kUsed), "block ", block, " given back twice");
    states_[static_cast<size_t>(block)] = State::kFree;
    ++free_;
  }
  blocks.clear();
  // What others took of it meanwhile is theirs.
  std::replace(states_.begin() + kept.begin, states_.begin() + kept.end, State::kKept,
               State::kFree);
  kept = {};
}

}  // namespace partita::engine
