// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/host_state.h"

#include <unistd.h>

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

}  // namespace

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
