// SPDX-License-Identifier: Apache-2.0
// Counters tell waiting for peers from moving and adding.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "comm/local/local.h"

namespace partita::comm {
namespace {

TEST(Waiting, IsCountedForTheRankThatCameFirst) {
  const auto group = make_local_group(2);
  const auto sum = [](Communicator& world) {
    std::vector<float> values(1000, 1);
    world.all_reduce(values.data(), values.data(), 1000, DType::kF32, ReduceKind::kSum);
    EXPECT_EQ(values.front(), 2);
    float message = 0;
    if (world.rank() == 0) world.recv(&message, 1, DType::kF32, 1);
    if (world.rank() == 1) world.send(&message, 1, DType::kF32, 0);
  };
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    sum(*group[1]);
  });
  sum(*group[0]);
  late.join();
  for (const auto& world : group) {
    for (const Counter& counter : world->counters()) {
      EXPECT_GE(counter.waiting, 0);
      EXPECT_LE(counter.waiting, counter.seconds);
    }
  }
  const auto kind = static_cast<size_t>(CollectiveKind::kAllReduce);
  EXPECT_GT(group[0]->counters()[kind].waiting, group[1]->counters()[kind].waiting);
}

}  // namespace
}  // namespace partita::comm
