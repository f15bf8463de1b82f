// SPDX-License-Identifier: Apache-2.0
// How quiet this host is, and how near its cores lie to each other.
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

// Nanoseconds of a word's round trip between two cores, the best of 20 ms; 0 on one core. Virtual
// cores are put on other hardware from time to time, which changes everything that two ranks
// exchange: compare only measurements that agree in it.
[[nodiscard]] double round_trip_ns();

}  // namespace partita::api
