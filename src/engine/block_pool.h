// SPDX-License-Identifier: Apache-2.0
// Hands out the blocks of the paged KV cache; every rank's cache uses the same block numbers.
// Blocks of a sequence follow each other where they can: attention then reads long runs of memory,
// which is up to twice as fast as blocks that lie apart (docs/performance).
#pragma once

#include <cstdint>
#include <vector>

namespace partita::engine {

// Blocks [begin, end).
struct BlockRun {
  int32_t begin = 0;
  int32_t end = 0;
};

// Blocks 0 .. size-1. Owned by the scheduler's thread.
class BlockPool {
 public:
  explicit BlockPool(int64_t size);

  // Blocks that are not in use.
  [[nodiscard]] int64_t free_blocks() const { return free_; }
  // Keeps a run of free blocks for one sequence: the first of `count` blocks, else the longest one
  // that there is, maybe empty. Others get blocks of it only when there are no others. Costs
  // O(size).
  [[nodiscard]] BlockRun keep(int64_t count);
  // One more block for a sequence that has `blocks` and keeps `kept`: the one that follows them,
  // else the first that nobody keeps, else any. CHECKs that one is free. Usually O(1), at most
  // O(size).
  [[nodiscard]] int32_t take(const std::vector<int32_t>& blocks, const BlockRun& kept);
  // Gives blocks back, and what was kept; CHECKs that each block is in use.
  void give_back(std::vector<int32_t>& blocks, BlockRun& kept);

 private:
  enum class State : uint8_t { kFree, kKept, kUsed };

  [[nodiscard]] bool is(int64_t block, State state) const;
  [[nodiscard]] int64_t first(State state) const;

  std::vector<State> states_;
  int64_t free_;  // free or kept
};

}  // namespace partita::engine
