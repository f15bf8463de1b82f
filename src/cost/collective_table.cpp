// SPDX-License-Identifier: Apache-2.0
#include "cost/collective_table.h"

#include <algorithm>

#include "cost/log_interpolation.h"
#include "support/error.h"

namespace partita::cost {

std::vector<const CollectiveTable*> tables_for(const Profile& profile,
                                               CollectiveKind kind,
                                               std::string_view axis) {
  std::vector<const CollectiveTable*> own;
  std::vector<const CollectiveTable*> any;
  for (const CollectiveTable& table : profile.collectives) {
    if (table.kind != kind || table.transport != profile.collectives.front().transport) continue;
    if (table.axis == axis) own.push_back(&table);
    if (table.axis == kAnyAxis) any.push_back(&table);
  }
  std::vector<const CollectiveTable*>& found = own.empty() ? any : own;
  std::sort(found.begin(), found.end(),
            [](const CollectiveTable* a, const CollectiveTable* b) { return a->ranks < b->ranks; });
  return found;
}

double seconds_at(const CollectiveTable& table, double bytes) {
  CHECK(!table.points.empty(), "a table without points");
  const CollectivePoint* before = nullptr;
  double highest = 0;  // of all points up to the last one looked at
  for (const CollectivePoint& point : table.points) {
    const double reached = std::max(highest, point.seconds);
    const auto size = static_cast<double>(point.bytes);
    if (bytes <= size) {
      if (before == nullptr) return reached;
      return log_interpolated(bytes, static_cast<double>(before->bytes), highest, size, reached);
    }
    if (&point == &table.points.back()) {
      // Through the origin when there is but one point: then all of it counts as transfer.
      const double base_bytes = before == nullptr ? 0 : static_cast<double>(before->bytes);
      const double base_seconds = before == nullptr ? 0 : highest;
      const double slope = (reached - base_seconds) / (size - base_bytes);
      return reached + (bytes - size) * slope;
    }
    highest = reached;
    before = &point;
  }
  return highest;
}

double seconds_at(const std::vector<const CollectiveTable*>& tables,
                  int64_t ranks,
                  double bytes,
                  const std::function<double(int64_t ranks)>& formula) {
  CHECK(!tables.empty(), "no table to read");
  const auto first_ranks = static_cast<double>(tables.front()->ranks);
  double highest = 0;  // of all groups up to the last one looked at
  const CollectiveTable* before = nullptr;
  for (const CollectiveTable* table : tables) {
    const double reached = std::max(highest, seconds_at(*table, bytes));
    if (ranks <= table->ranks) {
      if (ranks == table->ranks) return reached;
      // Smaller than all that were measured: in proportion to the ranks.
      if (before == nullptr) return reached * static_cast<double>(ranks) / first_ranks;
      return log_interpolated(static_cast<double>(ranks), static_cast<double>(before->ranks),
                              highest, static_cast<double>(table->ranks), reached);
    }
    highest = reached;
    before = table;
  }
  return highest + formula(ranks) - formula(tables.back()->ranks);
}

}  // namespace partita::cost
