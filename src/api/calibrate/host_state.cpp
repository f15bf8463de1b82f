// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/host_state.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "device/device.h"

namespace partita::api {
namespace {

struct ProcessorTime {
  int64_t all = 0;
  int64_t idle = 0;
};

// The first line of /proc/stat: user nice system idle iowait irq softirq steal.
ProcessorTime processor_time() {
  ProcessorTime time;
  std::ifstream file("/proc/stat");
  std::string label;
  file >> label;
  int64_t ticks = 0;
  for (int column = 0; column < 8 && file >> ticks; ++column) {
    time.all += ticks;
    if (column == 3 || column == 4) time.idle += ticks;
  }
  return time;
}

double own_seconds() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

OtherWork::OtherWork() : own_seconds_(own_seconds()) {
  const ProcessorTime now = processor_time();
  all_ticks_ = now.all;
  idle_ticks_ = now.idle;
}

double OtherWork::share() const {
  const ProcessorTime now = processor_time();
  const auto all = static_cast<double>(now.all - all_ticks_);
  if (all <= 0) return 0;
  const auto used = all - static_cast<double>(now.idle - idle_ticks_);
  const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  const double own = (own_seconds() - own_seconds_) * ticks_per_second;
  return std::clamp((used - own) / all, 0.0, 1.0);
}

int64_t host_memory_bytes() { return device::make_cpu_device()->memory_bytes(); }

ResidentBytes resident_bytes() {
  constexpr int64_t kKiB = 1024;
  ResidentBytes bytes;
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word == "RssAnon:" && file >> bytes.own) bytes.own *= kKiB;
    if (word == "RssFile:" && file >> bytes.files) bytes.files *= kKiB;
  }
  return bytes;
}

double busy_share() {
  const ProcessorTime before = processor_time();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const ProcessorTime after = processor_time();
  const auto all = static_cast<double>(after.all - before.all);
  return all <= 0 ? 0 : 1 - static_cast<double>(after.idle - before.idle) / all;
}

}  // namespace partita::api
