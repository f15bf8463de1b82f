// SPDX-License-Identifier: Apache-2.0
// Hands out the blocks of the paged KV cache; every rank's cache uses the same block numbers.
#pragma once

#include <cstdint>
#include <vector>

namespace partita::engine {

// Blocks 0 .. size-1. Owned by the scheduler's thread.
class BlockPool {
 public:
  explicit BlockPool(int64_t size);

  [[nodiscard]] int64_t free_blocks() const { return static_cast<int64_t>(free_.size()); }
  // The block freed last (at first 0, 1, 2, ...). CHECKs that one is free.
  [[nodiscard]] int32_t take();
  // Gives blocks back; CHECKs that each is in use.
  void give_back(std::vector<int32_t>& blocks);

 private:
  std::vector<int32_t> free_;  // a stack: the last freed block is the warmest in the caches
  std::vector<bool> in_use_;
};

}  // namespace partita::engine
