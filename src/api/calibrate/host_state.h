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

// What others than this process take of the processors while it works. Example:
//   const OtherWork others;
//   measure();
//   if (others.share() > 0.05) throw_away();
class OtherWork {
 public:
  OtherWork();
  // Of all processor time since construction, in [0, 1], the host's own included where it tells; 0
  // when the system does not say. Counted in ticks of 10 ms: of short times it is rough.
  [[nodiscard]] double share() const;

 private:
  int64_t all_ticks_;
  int64_t idle_ticks_;
  double own_seconds_;
};

}  // namespace partita::api
