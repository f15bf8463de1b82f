// SPDX-License-Identifier: Apache-2.0
// Makes the groups of a rank.
#include "runtime/rank_groups.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "support/error.h"

namespace partita::runtime {
namespace {

std::vector<int> parse_ranks(std::string_view name, int world_size) {
  std::vector<int> ranks;
  const char* at = name.data();
  const char* const end = at + name.size();
  while (true) {
    int rank = -1;
    const auto [next, error] = std::from_chars(at, end, rank);
    const bool repeated = std::ranges::find(ranks, rank) != ranks.end();
    if (error != std::errc() || rank < 0 || rank >= world_size || repeated) break;
    ranks.push_back(rank);
    if (next == end) return ranks;
    if (*next != ',') break;
    at = next + 1;
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[runtime] group \"", name, "\"; expected unlike ranks below ", world_size,
                  ", as in 0,1,2"));
}

bool is_world(const std::vector<int>& ranks, int world_size) {
  return static_cast<int>(ranks.size()) == world_size && std::ranges::is_sorted(ranks);
}

// Groups without common ranks: one split makes them all.
struct Batch {
  std::vector<std::string> names;
  std::vector<std::vector<int>> groups;
};

bool is_disjoint(const Batch& batch, const std::vector<int>& ranks) {
  for (const std::vector<int>& group : batch.groups) {
    if (std::ranges::find_first_of(group, ranks) != group.end()) return false;
  }
  return true;
}

}  // namespace

RankGroups::RankGroups(comm::Communicator& world, std::span<const std::string> names)
    : world_(world) {
  Batch batch;
  const auto split = [&] {
    if (!batch.groups.empty()) split_batch(batch.names, batch.groups);
    batch = {};
  };
  for (const std::string& name : names) {
    std::vector<int> ranks = parse_ranks(name, world.size());
    if (is_world(ranks, world.size())) {
      groups_[name] = nullptr;
      continue;
    }
    if (!is_disjoint(batch, ranks)) split();
    batch.names.push_back(name);
    batch.groups.push_back(std::move(ranks));
  }
  split();
}

void RankGroups::split_batch(std::span<const std::string> names,
                             std::span<const std::vector<int>> groups) {
  int color = -1;
  int position = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    const auto found = std::ranges::find(groups[i], world_.rank());
    if (found == groups[i].end()) continue;
    color = static_cast<int>(i);
    position = static_cast<int>(found - groups[i].begin());
  }
  auto group = world_.split(color, position);
  if (color >= 0) groups_[names[static_cast<size_t>(color)]] = std::move(group);
}

comm::Communicator& RankGroups::group(std::string_view name) {
  const auto found = groups_.find(name);
  if (found == groups_.end()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[runtime] rank ", world_.rank(), " is in no group \"", name,
                    "\"; expected one of the groups that were made at load"));
  }
  return found->second == nullptr ? world_ : *found->second;
}

comm::Counters RankGroups::counters() const {
  comm::Counters total = world_.counters();
  for (const auto& [name, group] : groups_) {
    if (group == nullptr) continue;
    for (size_t kind = 0; kind < total.size(); ++kind) {
      const comm::Counter& counter = group->counters()[kind];
      total[kind].calls += counter.calls;
      total[kind].payload_bytes += counter.payload_bytes;
      total[kind].wire_bytes += counter.wire_bytes;
      total[kind].seconds += counter.seconds;
    }
  }
  return total;
}

}  // namespace partita::runtime
