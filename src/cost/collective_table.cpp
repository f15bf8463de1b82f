// SPDX-License-Identifier: Apache-2.0
#include "cost/collective_table.h"

#include <algorithm>

#include "cost/measured_points.h"
#include "support/error.h"

namespace partita::cost {

std::vector<const CollectiveTable*> tables_for(const Profile& profile,
                                               CollectiveKind kind,
                                               std::string_view axis) {
  std::vector<const CollectiveTable*> own;
  std::vector<const CollectiveTable*> any;
  for (const CollectiveTable& table : profile.collectives) {
    if (table.kind != kind || table.transport != profile.collectives.front().transport) continue;
    if (table.axis == axis || table.axis == spec::parent_axis(axis)) own.push_back(&table);
    if (table.axis == kAnyAxis) any.push_back(&table);
  }
  std::vector<const CollectiveTable*>& found = own.empty() ? any : own;
  std::sort(found.begin(), found.end(),
            [](const CollectiveTable* a, const CollectiveTable* b) { return a->ranks < b->ranks; });
  return found;
}

int64_t one_shot_bytes(const Profile& profile, int64_t ranks) {
  const CollectiveTable* best = nullptr;
  for (const CollectiveTable& table : profile.collectives) {
    if (table.one_shot_bytes == CollectiveTable::kNotMeasured) continue;
    if (table.transport != profile.collectives.front().transport) continue;
    const bool is_nearer =
        best == nullptr || (table.ranks < best->ranks ? table.ranks >= ranks : best->ranks < ranks);
    if (is_nearer) best = &table;
  }
  return best == nullptr ? CollectiveTable::kNotMeasured : best->one_shot_bytes;
}

double seconds_at(const CollectiveTable& table, double bytes) {
  CHECK(!table.points.empty(), "a table without points");
  const std::vector<double> seconds = non_falling(table.points, &CollectivePoint::seconds);
  const auto size = [&](size_t i) { return static_cast<double>(table.points[i].bytes); };
  if (bytes <= size(0)) return seconds[0];
  const size_t last = seconds.size() - 1;
  if (bytes >= size(last)) {
    // Through the origin when there is but one point: then all of it counts as transfer.
    const double base_bytes = last == 0 ? 0 : size(last - 1);
    const double base_seconds = last == 0 ? 0 : seconds[last - 1];
    const double slope = (seconds[last] - base_seconds) / (size(last) - base_bytes);
    return seconds[last] + (bytes - size(last)) * slope;
  }
  size_t above = 1;
  while (size(above) < bytes) ++above;
  return log_interpolated(bytes, size(above - 1), seconds[above - 1], size(above), seconds[above]);
}

double seconds_at(const std::vector<const CollectiveTable*>& tables,
                  int64_t ranks,
                  double bytes,
                  const std::function<double(int64_t ranks)>& formula) {
  CHECK(!tables.empty(), "no table to read");
  std::vector<double> of_group;
  for (const CollectiveTable* table : tables) of_group.push_back(seconds_at(*table, bytes));
  const std::vector<double> seconds = non_falling(of_group, std::identity());
  const size_t last = tables.size() - 1;
  if (ranks >= tables[last]->ranks) {
    return seconds[last] + (formula(ranks) - formula(tables[last]->ranks));
  }
  const auto count = static_cast<double>(ranks);
  // Smaller than all that were measured: in proportion to the ranks.
  if (ranks <= tables[0]->ranks) return seconds[0] * count / static_cast<double>(tables[0]->ranks);
  size_t above = 1;
  while (tables[above]->ranks < ranks) ++above;
  return log_interpolated(count, static_cast<double>(tables[above - 1]->ranks), seconds[above - 1],
                          static_cast<double>(tables[above]->ranks), seconds[above]);
}

}  // namespace partita::cost
