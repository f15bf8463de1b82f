// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/measure_profile.h"

#include <algorithm>
#include <cmath>

#include "api/calibrate/host_state.h"
#include "api/calibrate/kernel_cases.h"
#include "api/calibrate/measure_collectives.h"
#include "comm/region/region.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita::api {
namespace {

// Three digits: more would only be noise of the measurement.
double rounded(double value) {
  if (value <= 0) return 0;
  const double scale = std::pow(10.0, 2 - std::floor(std::log10(value)));
  return std::round(value * scale) / scale;
}

void round_tables(cost::Profile& profile) {
  cost::Device& device = profile.device;
  for (cost::CacheLevel& cache : device.caches) cache.bandwidth = rounded(cache.bandwidth);
  for (cost::SharedBandwidth& shared : device.shared_bandwidth) {
    shared.bandwidth = rounded(shared.bandwidth);
  }
  for (cost::KernelRates& kernel : device.kernels) {
    if (kernel.launch_s) kernel.launch_s = std::max(1e-9, rounded(*kernel.launch_s));
    for (cost::RatePoint& point : kernel.points) point.flops = rounded(point.flops);
  }
  for (cost::CollectiveTable& table : profile.collectives) {
    for (cost::CollectivePoint& point : table.points) point.seconds = rounded(point.seconds);
  }
}

// 1, 2, 4, ... and all ranks; only both ends when it has to be quick.
std::vector<int> numbers_at_once(int ranks, bool is_quick) {
  std::vector<int> numbers = {1};
  if (!is_quick) {
    for (int number = 2; number < ranks; number *= 2) numbers.push_back(number);
  }
  if (ranks > 1) numbers.push_back(ranks);
  return numbers;
}

double best_rate(const cost::Device& device, DType dtype, int ranks) {
  double best = 0;
  for (const cost::KernelRates& rates : device.kernels) {
    if (rates.op != "linear" || rates.dtype != dtype || rates.ranks != ranks) continue;
    for (const cost::RatePoint& point : rates.points) best = std::max(best, point.flops);
  }
  return best;
}

double launch_of(const cost::Device& device, const char* op, int ranks) {
  for (const cost::KernelRates& rates : device.kernels) {
    if (rates.op == op && rates.ranks == ranks) return rates.launch_s.value_or(0);
  }
  return 0;
}

// What a rank's process holds besides weights, caches and buffers: program, libraries, generated
// code, the runtime's own data. Found by running every kernel on next to nothing.
int64_t base_bytes(const std::vector<KernelCase>& cases, int ranks) {
  std::vector<KernelCase> empty;
  for (const KernelCase& given : cases) {
    if (given.size == KernelCase::Size::kEmpty) empty.push_back(given);
  }
  const int64_t own_before = resident_bytes().own;
  (void)measure_cases(empty, {ranks, 1, 1});
  const ResidentBytes after = resident_bytes();
  // A process of partita has about that much before it runs anything.
  constexpr int64_t kFreshProcess = 2 << 20;
  return after.files + std::max<int64_t>(0, after.own - own_before) + kFreshProcess;
}

// The plain numbers, for what the tables do not cover: what each rank gets when all work.
void fill_numbers(int ranks, cost::Device& device) {
  // A sixteenth stays with the system and its page cache.
  const double usable_bytes = static_cast<double>(host_memory_bytes()) * 15 / 16;
  device.memory_bytes = std::llround(rounded(usable_bytes / ranks));
  device.memory_bandwidth = rounded(device.shared_bandwidth.back().bandwidth);
  device.f32_flops = rounded(best_rate(device, DType::kF32, ranks));
  device.bf16_flops = rounded(best_rate(device, DType::kBF16, ranks));
  device.launch_s = std::max(1e-9, rounded(launch_of(device, "add", ranks)));
}

// A link from the largest measured group: the time of the smallest message, and what each further
// byte of a send costs.
cost::Link link_of(const cost::Profile& profile) {
  cost::Link link = {std::string(cost::kAnyAxis), 1e-6, profile.device.memory_bandwidth / 2};
  for (const cost::CollectiveTable& table : profile.collectives) {
    if (table.kind != cost::CollectiveKind::kSend) continue;
    const cost::CollectivePoint& first = table.points.front();
    const cost::CollectivePoint& last = table.points.back();
    link.latency_s = std::max(1e-8, rounded(first.seconds));
    const double bytes = static_cast<double>(last.bytes - first.bytes);
    link.bandwidth = rounded(bytes / std::max(1e-9, last.seconds - first.seconds));
  }
  return link;
}

}  // namespace

cost::Profile measure_profile(int ranks, bool is_quick) {
  if (ranks < 1 || ranks > comm::kMaxRanks) {
    throw Error(ErrorCode::kInvalidArgument, str("[calibrate] cannot measure for ", ranks,
                                                 " ranks; expected 1 .. ", comm::kMaxRanks));
  }
  cost::Profile profile;
  profile.name = str(is_quick ? "quick-" : "local-", ranks);
  const std::vector<KernelCase> cases = kernel_cases(is_quick);
  profile.device.reserve_bytes =
      std::llround(rounded(static_cast<double>(base_bytes(cases, ranks))));
  CaseTimes times;
  for (const int at_once : numbers_at_once(ranks, is_quick)) {
    times = measure_cases(cases, {ranks, at_once, is_quick ? 3 : 11});
    add_rates(cases, times, at_once, profile.device);
  }
  fill_numbers(ranks, profile.device);
  add_caches(cases, times, profile.device);
  if (ranks > 1) profile.collectives = measure_local_collectives(ranks, is_quick);
  profile.links = {link_of(profile)};
  if (const double trip = device::round_trip_ns(); trip >= 1) profile.round_trip_ns = rounded(trip);
  round_tables(profile);
  // The numbers as they will be after a save and a load.
  return cost::parse_profile(to_toml(profile), profile.name);
}

}  // namespace partita::api
