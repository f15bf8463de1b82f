// SPDX-License-Identifier: Apache-2.0
// What the planner knows of one device: memory, speed, caches, and measured rates of kernels.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/dtype.h"

namespace partita::cost {

// Memory near the cores: working sets up to `bytes` are read and written at `bandwidth`.
struct CacheLevel {
  int64_t bytes = 0;
  double bandwidth = 0;  // bytes / s
  bool operator==(const CacheLevel&) const = default;
};

// What one rank gets of the memory while `ranks` ranks of its host stream at once.
struct SharedBandwidth {
  int64_t ranks = 0;
  double bandwidth = 0;  // bytes / s and rank
  bool operator==(const SharedBandwidth&) const = default;
};

// The measured rate of a kernel on operands that lie in cache, at one number of rows (tokens).
struct RatePoint {
  int64_t rows = 0;
  double flops = 0;  // operations / s, counted as the operator declares them
  bool operator==(const RatePoint&) const = default;
};

// The rates of one operator's kernel for operands of `dtype`, rows ascending.
struct KernelRates {
  std::string op;
  DType dtype = DType::kF32;
  int64_t ranks = 1;               // ranks of the host that ran at once
  std::optional<double> launch_s;  // seconds of a call without work; unset = the device's
  std::vector<RatePoint> points;
  bool operator==(const KernelRates&) const = default;
};

// One device. Rates are those a well written kernel reaches. Tables are optional and measured; they
// refine the numbers above them.
struct Device {
  int64_t memory_bytes = 0;
  int64_t reserve_bytes = 0;            // kept free for libraries and the system
  double memory_bandwidth = 0;          // bytes / s
  double f32_flops = 0;                 // floating-point operations / s on f32 operands
  double bf16_flops = 0;                // the same on bf16 operands
  double launch_s = 0;                  // seconds to start one operator or collective
  std::vector<CacheLevel> caches = {};  // smallest first
  std::vector<SharedBandwidth> shared_bandwidth = {};  // ranks ascending
  std::vector<KernelRates> kernels = {};
  bool operator==(const Device&) const = default;

  // The rate for operands of `dtype`: bf16, f16 and the block types share one.
  [[nodiscard]] double flops(DType dtype) const;
};

// The device that is as weak as the weaker of both in every number, without tables: what a group
// with both can count on in each rank.
[[nodiscard]] Device weaker_of(const Device& a, const Device& b);

// Devices of one kind and the ranks that drive them.
struct DeviceKind {
  std::string name;
  std::vector<int> ranks;  // ascending
  Device device;
  bool operator==(const DeviceKind&) const = default;
};

}  // namespace partita::cost
