// SPDX-License-Identifier: Apache-2.0
#include "engine/block_pool.h"

#include "support/error.h"

namespace partita::engine {

BlockPool::BlockPool(int64_t size) : in_use_(static_cast<size_t>(size), false) {
  free_.reserve(static_cast<size_t>(size));
  for (int64_t block = size - 1; block >= 0; --block) free_.push_back(static_cast<int32_t>(block));
}

int32_t BlockPool::take() {
  CHECK(!free_.empty());
  const int32_t block = free_.back();
  free_.pop_back();
  in_use_[static_cast<size_t>(block)] = true;
  return block;
}

void BlockPool::give_back(std::vector<int32_t>& blocks) {
  while (!blocks.empty()) {
    const auto block = static_cast<size_t>(blocks.back());
    CHECK(in_use_.at(block), "block ", block, " given back twice");
    in_use_[block] = false;
    free_.push_back(blocks.back());
    blocks.pop_back();
  }
}

}  // namespace partita::engine
