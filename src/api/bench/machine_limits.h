// SPDX-License-Identifier: Apache-2.0
// How fast this machine reads memory and computes right now: what measurements are divided by.
#pragma once

#include <cstdint>
#include <string_view>

#include "device/device.h"

namespace partita::api {

struct LimitLoops;

enum class Arithmetic : uint8_t { kF32, kBF16, kInt8 };
[[nodiscard]] std::string_view to_string(Arithmetic arithmetic);  // "f32", "bf16", "int8"

// Probes of a millisecond or two with the team of the calling thread (ops/parallel.h): each thread
// reads its own contiguous half of far more memory than the caches hold, or computes in registers.
// Used by one thread.
class MachineLimits {
 public:
  MachineLimits();

  // Bytes per second of reading once through about `bytes` that no cache holds.
  [[nodiscard]] double read_rate(double bytes);
  // Operations per second (a multiply-add is two) of independent instructions; 0 when the level in
  // use (device/cpu/instructions.h) has none of this kind.
  [[nodiscard]] double peak_rate(Arithmetic arithmetic);

 private:
  const LimitLoops* loops_;
  device::Buffer memory_;
  int64_t next_ = 0;  // where the next read begins
};

}  // namespace partita::api
