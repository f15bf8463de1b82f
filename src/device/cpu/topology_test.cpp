// SPDX-License-Identifier: Apache-2.0
// Shares of the cores for ranks, and what this machine says about itself.
#include "device/cpu/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "device/cpu/affinity.h"

namespace partita::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Two sockets of two cores of two threads, numbered as Linux likes to.
const std::vector<Core> kMachine = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};

TEST(CoresOfRank, AreWholeCoresWhileThereAreEnough) {
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 0, .ranks = 2, .threads = 2}), ElementsAre(0, 1));
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 1, .ranks = 2, .threads = 2}), ElementsAre(2, 3));
  // With cores to spare, ranks lie apart.
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 1, .ranks = 2, .threads = 1}), ElementsAre(2));
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 2, .ranks = 3, .threads = 1}), ElementsAre(2));
}

TEST(CoresOfRank, AreNeighbouringHardwareThreadsWhenThereAreMore) {
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 0, .ranks = 2, .threads = 4}),
              ElementsAre(0, 4, 1, 5));
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 7, .ranks = 8, .threads = 1}), ElementsAre(7));
}

TEST(CoresOfRank, AreNoneWhenThereAreTooFew) {
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 0, .ranks = 9, .threads = 1}), IsEmpty());
  EXPECT_THAT(cores_of_rank(kMachine, {.rank = 0, .ranks = 1, .threads = 9}), IsEmpty());
  // Ranks that mpirun has bound see their own cores only.
  EXPECT_THAT(cores_of_rank({{3}}, {.rank = 1, .ranks = 2, .threads = 1}), IsEmpty());
}

TEST(CoresOfRank, AreOfOneRankOnlyAndOfNeighbours) {
  for (int ranks = 1; ranks <= 8; ++ranks) {
    for (int threads = 1; ranks * threads <= 8; ++threads) {
      std::vector<int> taken;
      for (int rank = 0; rank < ranks; ++rank) {
        const std::vector<int> own = cores_of_rank(kMachine, {rank, ranks, threads});
        EXPECT_EQ(own.size(), static_cast<size_t>(threads));
        taken.insert(taken.end(), own.begin(), own.end());
      }
      std::ranges::sort(taken);
      EXPECT_EQ(std::ranges::adjacent_find(taken), taken.end()) << ranks << " x " << threads;
    }
  }
}

TEST(UsableTopology, HoldsTheAllowedCoresOnceEach) {
  std::vector<int> found;
  for (const Core& core : usable_topology()) {
    EXPECT_FALSE(core.empty());
    found.insert(found.end(), core.begin(), core.end());
  }
  std::ranges::sort(found);
  EXPECT_EQ(found, allowed_cores());
}

TEST(UsableTopology, SeesABindingOfTheThread) {
  const std::vector<int> all = allowed_cores();
  bind_to_cores({all.back()});
  EXPECT_THAT(usable_topology(), ElementsAre(ElementsAre(all.back())));
  bind_to_cores(all);
}

}  // namespace
}  // namespace partita::device
