// SPDX-License-Identifier: Apache-2.0
#include "cost/wire.h"

#include <algorithm>

#include "support/error.h"

namespace partita::cost {

std::string bf16_transport(std::string_view transport) { return str(transport, "-bf16"); }

Profile over_wire(const Profile& profile, std::string_view wire) {
  if (wire != "bf16" || profile.collectives.empty()) return profile;
  // Only tables of the first transport are priced with.
  const std::string transport = profile.collectives.front().transport;
  const std::string narrow = bf16_transport(transport);
  const auto is_narrow = [&](const CollectiveTable& table) { return table.transport == narrow; };
  if (std::ranges::none_of(profile.collectives, is_narrow)) return profile;
  Profile result = profile;
  std::erase_if(result.collectives, [&](const CollectiveTable& table) {
    return table.kind == CollectiveKind::kAllReduce && table.transport == transport;
  });
  for (CollectiveTable& table : result.collectives) {
    if (is_narrow(table)) table.transport = transport;
  }
  return result;
}

}  // namespace partita::cost
