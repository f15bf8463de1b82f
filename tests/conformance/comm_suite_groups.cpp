// SPDX-License-Identifier: Apache-2.0
// Communicator suite: groups made by split.
#include <algorithm>
#include <array>
#include <vector>

#include "comm_suite.h"
#include "comm_suite_values.h"

namespace partita::comm {
namespace {

int32_t sum_of_ranks(Communicator& group, int32_t value) {
  group.all_reduce(&value, &value, 1, DType::kI32, ReduceKind::kSum);
  return value;
}

// Ranks {0, 1} and {2, 3} of four: sums 1 and 5 in the groups, 6 over all.
void sums_in_groups_differ_from_the_sum_of_all(Communicator& world) {
  const auto group = world.split(world.rank() < 4 ? world.rank() / 2 : -1, 0);
  if (group) {
    const int first = world.rank() / 2 * 2;
    expect(group->size() == 2 && group->rank() == world.rank() - first, "wrong place in the group");
    expect(sum_of_ranks(*group, world.rank()) == 2 * first + 1, "wrong sum in the group");
  }
  const int ranks = world.size();
  expect(sum_of_ranks(world, world.rank()) == ranks * (ranks - 1) / 2, "wrong sum over all");
}

void messages_go_to_the_next_and_previous_rank_of_a_group(Communicator& world) {
  const auto group = world.split(world.rank() % 2, world.rank());
  const int ranks = group->size();
  const int next = (group->rank() + 1) % ranks;
  const int previous = (group->rank() + ranks - 1) % ranks;
  const int32_t own = world.rank();
  int32_t from_previous = -1;
  int32_t from_next = -1;
  group->send(&own, 1, DType::kI32, next);
  group->recv(&from_previous, 1, DType::kI32, previous);
  group->send(&own, 1, DType::kI32, previous);
  group->recv(&from_next, 1, DType::kI32, next);
  expect(from_previous == world.rank() % 2 + 2 * previous, str("previous sent ", from_previous));
  expect(from_next == world.rank() % 2 + 2 * next, str("next sent ", from_next));
}

void keys_order_the_ranks(Communicator& world) {
  const auto reversed = world.split(7, -world.rank());
  expect(reversed->size() == world.size() && reversed->rank() == world.size() - 1 - world.rank(),
         str("rank ", reversed->rank(), " in the reversed group"));
  const auto same = world.split(0, 0);
  expect(same->rank() == world.rank(), "equal keys must keep the order");
  std::vector<int32_t> ranks(static_cast<size_t>(world.size()));
  const std::vector<int64_t> counts(ranks.size(), 1);
  const int32_t own = world.rank();
  reversed->all_gather(&own, ranks.data(), counts, DType::kI32);
  expect(std::is_sorted(ranks.rbegin(), ranks.rend()), "pieces come in the order of the group");
}

void a_negative_color_joins_no_group(Communicator& world) {
  const auto group = world.split(world.rank() == 0 ? -1 : 3, 0);
  expect((group == nullptr) == (world.rank() == 0), "rank 0 only has no group");
  if (group) expect(group->size() == world.size() - 1, "all others have one");
  expect(world.split(-1, 0) == nullptr, "no rank has a group");
}

void groups_split_again(Communicator& world) {
  const auto half = world.split(world.rank() % 2, 0);
  const auto single = half->split(half->rank(), 0);
  const auto again = half->split(0, half->rank());
  expect(single->size() == 1 && sum_of_ranks(*single, 5) == 5, "a group of one");
  expect(sum_of_ranks(*again, 1) == half->size(), "a group like its parent");
}

void many_groups_live_at_once(Communicator& world) {
  std::vector<std::unique_ptr<Communicator>> groups;
  for (int i = 0; i < 64; ++i) groups.push_back(world.split(i % 2 == 0 ? 0 : world.rank() % 2, 0));
  for (const auto& group : groups) {
    expect(sum_of_ranks(*group, 1) == group->size(), "a group of many");
  }
}

void groups_count_for_themselves(Communicator& world) {
  world.reset_counters();
  const auto group = world.split(0, 0);
  expect(sum_of_ranks(*group, 1) == world.size(), "wrong sum");
  const auto calls = [](const Communicator& counted) {
    return counted.counters()[static_cast<size_t>(CollectiveKind::kAllReduce)].calls;
  };
  expect(calls(*group) == 1 && calls(world) == 0, "calls are counted by the group that is called");
  const Counter& gathers = world.counters()[static_cast<size_t>(CollectiveKind::kAllGather)];
  expect(gathers.calls == 0, "split is not counted");
}

constexpr std::array<SuiteCase, 7> kCases = {{
    {"SumsInGroupsDifferFromTheSumOfAll", 4, sums_in_groups_differ_from_the_sum_of_all},
    {"MessagesGoToNextAndPreviousInAGroup", 2,
     messages_go_to_the_next_and_previous_rank_of_a_group},
    {"KeysOrderTheRanks", 1, keys_order_the_ranks},
    {"ANegativeColorJoinsNoGroup", 1, a_negative_color_joins_no_group},
    {"GroupsSplitAgain", 2, groups_split_again},
    {"ManyGroupsLiveAtOnce", 1, many_groups_live_at_once},
    {"GroupsCountForThemselves", 1, groups_count_for_themselves},
}};

}  // namespace

std::span<const SuiteCase> group_cases() { return kCases; }

}  // namespace partita::comm
