// SPDX-License-Identifier: Apache-2.0
// Probes of the memory and of the arithmetic of this machine.
#include "api/bench/machine_limits.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "api/bench/limit_loops.h"
#include "device/cpu/instructions.h"
#include "ops/parallel.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;

// Reads take turns in so much memory: several times the largest shared cache of today's processors
// per core group, so that a piece is gone from it when its turn comes again.
constexpr int64_t kMemoryBytes = int64_t{256} << 20;
constexpr int64_t kLeastReadBytes = int64_t{8} << 20;  // 0.1 to 0.2 ms
constexpr int64_t kReadMultiple = 1024;                // of the loops
constexpr int64_t kTurns = 100'000;                    // 0.4 ms at 4 GHz and 2 chains per cycle

const LimitLoops& loops_of(device::Instructions level) {
  switch (level) {
    case device::Instructions::kPortable:
      return limit_loops_portable();
    case device::Instructions::kAvx2:
      return limit_loops_avx2();
    case device::Instructions::kAvx512:
      return limit_loops_avx512();
  }
  return limit_loops_portable();
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

const ArithmeticLoop& loop_of(const LimitLoops& loops, Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kF32:
      return loops.f32;
    case Arithmetic::kBF16:
      return loops.bf16;
    case Arithmetic::kInt8:
      return loops.int8;
  }
  return loops.f32;
}

}  // namespace

std::string_view to_string(Arithmetic arithmetic) {
  switch (arithmetic) {
    case Arithmetic::kF32:
      return "f32";
    case Arithmetic::kBF16:
      return "bf16";
    case Arithmetic::kInt8:
      return "int8";
  }
  return "";
}

MachineLimits::MachineLimits()
    : loops_(&loops_of(device::usable_instructions())),
      memory_(device::make_cpu_device()->allocate(kMemoryBytes)) {
  std::memset(memory_.data(), 1, static_cast<size_t>(kMemoryBytes));
}

double MachineLimits::read_rate(double bytes) {
  const int64_t unit = kReadMultiple * ops::team_size();
  const int64_t wanted =
      std::clamp(static_cast<int64_t>(bytes), kLeastReadBytes, kMemoryBytes) / unit * unit;
  if (next_ + wanted > kMemoryBytes) next_ = 0;
  const int64_t part = wanted / ops::team_size();
  std::atomic<uint64_t> seen{0};
  const auto start = Clock::now();
  ops::parallel_for(ops::team_size(), [&](int64_t index) {
    seen |= loops_->read(memory_.data() + next_ + index * part, part);
  });
  const double seconds = seconds_since(start);
  next_ += wanted;
  return seen != 0 ? static_cast<double>(wanted) / seconds : 0;
}

double MachineLimits::peak_rate(Arithmetic arithmetic) {
  const ArithmeticLoop& loop = loop_of(*loops_, arithmetic);
  if (loop.run == nullptr) return 0;
  std::atomic<float> result{0};
  const int threads = ops::team_size();
  const auto start = Clock::now();
  ops::parallel_for(threads, [&](int64_t) { result = loop.run(kTurns); });
  return loop.operations_per_turn * static_cast<double>(kTurns) * threads / seconds_since(start);
}

}  // namespace partita::api
