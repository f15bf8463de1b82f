// SPDX-License-Identifier: Apache-2.0
#include "api/op_profile.h"

#include <algorithm>

namespace partita::api {

void OpProfile::note(const RunReport& report, Phase& phase) {
  for (size_t rank = 0; rank < report.ranks.size(); ++rank) {
    const RankCost& cost = report.ranks[rank];
    for (size_t i = 0; i < cost.ops.size(); ++i) {
      // The operators of a program do not change.
      const OpCost& before = last_.ranks.at(rank).ops.at(i);
      Steps& steps = phase[{cost.rank, cost.ops[i].op}];
      steps.calls = cost.ops[i].calls - before.calls;
      steps.seconds.push_back(cost.ops[i].seconds - before.seconds);
    }
  }
  last_ = report;
}

std::vector<OpTimes> op_times_of(const OpProfile::Phase& phase) {
  std::vector<OpTimes> times;
  for (const auto& [key, steps] : phase) {
    std::vector<double> seconds = steps.seconds;
    std::sort(seconds.begin(), seconds.end());
    times.push_back({.rank = key.first,
                     .op = key.second,
                     .calls = steps.calls,
                     .best = seconds.front(),
                     .median = seconds[seconds.size() / 2]});
  }
  std::stable_sort(times.begin(), times.end(), [](const OpTimes& a, const OpTimes& b) {
    return a.rank != b.rank ? a.rank < b.rank : a.median > b.median;
  });
  return times;
}

}  // namespace partita::api
