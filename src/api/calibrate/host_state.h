// SPDX-License-Identifier: Apache-2.0
// The memory of this host, and how quiet it is.
#pragma once

#include <cstdint>

namespace partita::api {

// Bytes of main memory, or of the control group's limit.
[[nodiscard]] int64_t host_memory_bytes();

// What of this process is in memory: its own, and that of its program and libraries.
struct ResidentBytes {
  int64_t own = 0;
  int64_t files = 0;
};
[[nodiscard]] ResidentBytes resident_bytes();

// The share of the processor time that was used over the next 100 ms, in [0, 1]; 0 when the system
// does not tell. Call it while this process rests.
[[nodiscard]] double busy_share();

}  // namespace partita::api
