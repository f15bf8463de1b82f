// SPDX-License-Identifier: Apache-2.0
// Which blocks sequences get.
#include "engine/block_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/error.h"

namespace partita::engine {
namespace {

using testing::ElementsAre;

struct Holder {
  BlockRun kept;
  std::vector<int32_t> blocks;
};

void grow(BlockPool& pool, Holder& holder, int count = 1) {
  for (int i = 0; i < count; ++i) holder.blocks.push_back(pool.take(holder.blocks, holder.kept));
}

TEST(BlockPool, SequencesThatGrowByTurnsKeepTheirBlocksTogether) {
  BlockPool pool(16);
  Holder a = {pool.keep(4), {}};
  Holder b = {pool.keep(4), {}};
  for (int i = 0; i < 4; ++i) {
    grow(pool, a);
    grow(pool, b);
  }
  EXPECT_THAT(a.blocks, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(b.blocks, ElementsAre(4, 5, 6, 7));
  EXPECT_EQ(pool.free_blocks(), 8);
}

TEST(BlockPool, WhatIsKeptIsFreeAndServesOthersLast) {
  BlockPool pool(4);
  Holder a = {pool.keep(2), {}};
  EXPECT_EQ(pool.free_blocks(), 4);
  Holder b = {pool.keep(1), {}};
  grow(pool, b, 3);  // its own, the one that nobody keeps, one that `a` keeps
  EXPECT_THAT(b.blocks, ElementsAre(2, 3, 0));
  grow(pool, a);  // 0 is in use
  EXPECT_THAT(a.blocks, ElementsAre(1));
  EXPECT_EQ(pool.free_blocks(), 0);
  EXPECT_THROW((void)pool.take(a.blocks, a.kept), Error);
}

TEST(BlockPool, KeepsTheFirstRunThatIsLongEnoughElseTheLongest) {
  BlockPool pool(10);
  Holder a = {pool.keep(2), {}};
  Holder b = {pool.keep(3), {}};
  Holder c = {pool.keep(1), {}};
  grow(pool, a, 2);
  grow(pool, b, 3);
  grow(pool, c, 1);
  pool.give_back(b.blocks, b.kept);  // free: 2 3 4, 6 7 8 9
  const BlockRun short_run = pool.keep(3);
  EXPECT_EQ(short_run.begin, 2);
  EXPECT_EQ(short_run.end, 5);
  const BlockRun longest = pool.keep(100);
  EXPECT_EQ(longest.begin, 6);
  EXPECT_EQ(longest.end, 10);
  const BlockRun none = pool.keep(1);
  EXPECT_EQ(none.begin, none.end);
}

TEST(BlockPool, WhatWasKeptIsFreeForOthersAfterwards) {
  BlockPool pool(6);
  Holder a = {pool.keep(6), {}};
  grow(pool, a, 2);
  pool.give_back(a.blocks, a.kept);
  EXPECT_EQ(pool.free_blocks(), 6);
  const BlockRun again = pool.keep(6);
  EXPECT_EQ(again.begin, 0);
  EXPECT_EQ(again.end, 6);
}

TEST(BlockPool, NoBlockIsInTwoHandsWhateverHappens) {
  std::mt19937 random(7);
  const auto below = [&](int64_t count) {
    return static_cast<int64_t>(random() % static_cast<uint32_t>(count));
  };
  for (int round = 0; round < 50; ++round) {
    const int64_t size = 1 + below(40);
    BlockPool pool(size);
    std::map<int, Holder> holders;
    for (int i = 0; i < 200; ++i) {
      Holder& one = holders[static_cast<int>(below(5))];
      if (one.blocks.empty()) {
        pool.give_back(one.blocks, one.kept);
        one.kept = pool.keep(below(12));
      }
      if (below(6) == 0) pool.give_back(one.blocks, one.kept);
      if (pool.free_blocks() > 0) grow(pool, one);
      std::vector<int> owners(static_cast<size_t>(size), 0);
      int64_t used = 0;
      for (const auto& [id, holder] : holders) {
        for (const int32_t block : holder.blocks) ++owners.at(static_cast<size_t>(block));
        used += static_cast<int64_t>(holder.blocks.size());
      }
      EXPECT_LE(*std::ranges::max_element(owners), 1);
      EXPECT_EQ(pool.free_blocks(), size - used);
    }
  }
}

TEST(BlockPool, GivingBackTwiceIsABug) {
  BlockPool pool(2);
  Holder one;
  grow(pool, one);
  std::vector<int32_t> copy = one.blocks;
  pool.give_back(one.blocks, one.kept);
  EXPECT_EQ(pool.free_blocks(), 2);
  EXPECT_THROW(pool.give_back(copy, one.kept), Error);
}

}  // namespace
}  // namespace partita::engine
