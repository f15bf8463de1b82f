// SPDX-License-Identifier: Apache-2.0
// Host memory: aligned allocation and what the system says about its size.
#include "device/cpu/cpu_device.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>

#include "device/cpu/pages.h"
#include "support/error.h"

namespace partita::device {
namespace {

int64_t physical_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) {
    throw Error(ErrorCode::kSystem, "[device] the system does not say how much memory it has");
  }
  return int64_t{pages} * page_bytes;
}

// Version 2 control groups say "max" or a number; anything unreadable means no limit.
int64_t control_group_bytes() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  int64_t limit = 0;
  return file >> limit && limit > 0 ? limit : std::numeric_limits<int64_t>::max();
}

void release(std::byte* data) { std::free(data); }  // NOLINT: pairs with aligned_alloc

}  // namespace

std::string CpuDevice::name() const {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "cpu";
}

int64_t CpuDevice::memory_bytes() const {
  return std::min(physical_bytes(), control_group_bytes());
}

Buffer CpuDevice::allocate(int64_t bytes) {
  CHECK(bytes >= 0, "allocate ", bytes, " bytes");
  const int64_t alignment = bytes >= kHugePageBytes ? kHugePageBytes : kCacheLineBytes;
  void* data = nullptr;
  // aligned_alloc wants a multiple of the alignment; one unit at least, so that data() is never
  // null.
  // More than there is would be granted at first, and the process killed when it is used.
  if (bytes <= physical_bytes()) {
    const int64_t whole = (std::max<int64_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    data = std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(whole));
    if (data != nullptr) use_huge_pages(data, bytes);
  }
  if (data == nullptr) {
    throw Error(ErrorCode::kOutOfMemory,
                str("[device] the host refused ", bytes, " bytes; it has ", memory_bytes(),
                    " in all; use more ranks, a smaller model or a smaller KV cache"));
  }
  return {static_cast<std::byte*>(data), bytes, release};
}

void CpuDevice::copy(void* to, const void* from, int64_t bytes) {
  CHECK(bytes >= 0, "copy ", bytes, " bytes");
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

std::unique_ptr<Device> make_cpu_device() { return std::make_unique<CpuDevice>(); }

}  // namespace partita::device
