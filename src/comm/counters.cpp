// SPDX-License-Identifier: Apache-2.0
// Names of the kinds of calls.
#include "comm/counters.h"

namespace partita::comm {

std::string_view to_string(CollectiveKind kind) {
  static constexpr std::array<std::string_view, kCollectiveKinds> kNames = {
      "all_reduce", "all_gather", "reduce_scatter", "all_to_all",
      "broadcast",  "send",       "recv",           "barrier"};
  return kNames.at(static_cast<size_t>(kind));
}

}  // namespace partita::comm
