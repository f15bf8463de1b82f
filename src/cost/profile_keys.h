// SPDX-License-Identifier: Apache-2.0
// Keys, units and ranges of device files, for their reader and their writer.
#pragma once

#include "cost/toml_fields.h"

namespace partita::cost {

inline constexpr NumberKey kMemory = {"memory_gb", 1e9, 0.01, 1e6};
inline constexpr NumberKey kReserve = {"reserve_gb", 1e9, 0, 1e6};
inline constexpr NumberKey kMemoryBandwidth = {"memory_bandwidth_gbps", 1e9, 0.01, 1e6};
inline constexpr NumberKey kF32 = {"tflops_f32", 1e12, 1e-5, 1e6};
inline constexpr NumberKey kBf16 = {"tflops_bf16", 1e12, 1e-5, 1e6};
inline constexpr NumberKey kLaunch = {"launch_us", 1e-6, 0.001, 1e6};
inline constexpr NumberKey kLatency = {"latency_us", 1e-6, 0.001, 1e7};
inline constexpr NumberKey kBandwidth = {"bandwidth_gbps", 1e9, 1e-4, 1e6};
inline constexpr NumberKey kRoundTrip = {"round_trip_ns", 1, 1, 1e10};
// Tables.
inline constexpr NumberKey kCacheSize = {"size_mb", 1e6, 0.001, 1e6};
inline constexpr NumberKey kCacheBandwidth = {"bandwidth_gbps", 1e9, 0.01, 1e7};
inline constexpr NumberKey kSharedBandwidth = {"ranks_gbps", 1e9, 0.001, 1e6};
inline constexpr NumberKey kRowsRate = {"rows_gflops", 1e9, 1e-6, 1e9};
inline constexpr NumberKey kBytesTime = {"bytes_us", 1e-6, 1e-4, 1e9};

}  // namespace partita::cost
