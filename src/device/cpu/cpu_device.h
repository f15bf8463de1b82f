// SPDX-License-Identifier: Apache-2.0
// The host CPU and its memory as a device: what make_cpu_device() returns.
#pragma once

#include "device/device.h"

namespace partita::device {

inline constexpr int64_t kCacheLineBytes = 64;
// Buffers of this size or more are aligned to it and ask for huge pages.
inline constexpr int64_t kHugePageBytes = int64_t{2} << 20;

// Thread-safe: it holds no state.
class CpuDevice final : public Device {
 public:
  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::kCpu; }
  [[nodiscard]] std::string name() const override;
  // The smaller of physical memory and the limit of the control group.
  [[nodiscard]] int64_t memory_bytes() const override;
  [[nodiscard]] Buffer allocate(int64_t bytes) override;
  void copy(void* to, const void* from, int64_t bytes) override;  // done on return
  void synchronize() override {}
};

}  // namespace partita::device
