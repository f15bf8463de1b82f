// SPDX-License-Identifier: Apache-2.0
// The measuring loop of all benches.
#include "api/bench/harness.h"

#include <omp.h>

#include <algorithm>
#include <chrono>

#include "api/calibrate/host_state.h"
#include "device/cpu/instructions.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kBusyShare = 0.05;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// 0 for no values.
double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

}  // namespace

double wait_until_quiet(double seconds) {
  const auto start = Clock::now();
  double busy = busy_share();
  while (busy >= kBusyShare && seconds_since(start) < seconds) busy = busy_share();
  return busy;
}

struct Harness::Samples {
  int calls = 1;
  std::vector<double> seconds;       // of one run
  std::vector<double> read_seconds;  // that its limits would take
  std::vector<double> peak_seconds;
};

Harness::Harness(std::string bench, const HarnessOptions& options)
    : options_(options), team_before_(omp_get_max_threads()) {
  CHECK(options.threads >= 1 && options.rounds >= 1, "threads and rounds of a bench");
  report_.bench = std::move(bench);
  report_.threads = options.threads;
  report_.instructions = device::to_string(device::usable_instructions());
  report_.busy_share = wait_until_quiet(options.quiet_seconds);
  report_.is_quiet = report_.busy_share < kBusyShare;
  omp_set_num_threads(options.threads);
}

Harness::~Harness() { omp_set_num_threads(team_before_); }

void Harness::run_round(const std::vector<BenchCase>& cases, std::vector<Samples>& samples) {
  for (size_t i = 0; i < cases.size(); ++i) {
    const BenchCase& one = cases[i];
    Samples& sample = samples[i];
    const auto start = Clock::now();
    for (int call = 0; call < sample.calls; ++call) one.run();
    sample.seconds.push_back(seconds_since(start) / sample.calls);
    if (one.bytes > 0) {
      read_rates_.push_back(limits_.read_rate(one.bytes * sample.calls));
      sample.read_seconds.push_back(one.bytes / read_rates_.back());
    }
    if (!one.arithmetic) continue;
    const double peak = limits_.peak_rate(*one.arithmetic);
    if (peak == 0) continue;
    peak_rates_[static_cast<size_t>(*one.arithmetic)].push_back(peak);
    sample.peak_seconds.push_back(one.operations / peak);
  }
}

std::vector<BenchLine> Harness::measure(const std::vector<BenchCase>& cases) {
  std::vector<Samples> samples(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    cases[i].run();  // the first run allocates
    const auto start = Clock::now();
    cases[i].run();
    const double runs = options_.sample_seconds / std::max(seconds_since(start), 1e-9);
    samples[i].calls = static_cast<int>(std::clamp(runs, 1.0, 100'000.0));
  }
  BenchLine stamp;
  stamp.round_trip_before_ns = device::round_trip_ns();
  for (int round = 0; round < options_.rounds; ++round) run_round(cases, samples);
  stamp.round_trip_after_ns = device::round_trip_ns();
  stamp.placement_before = to_string(device::placement_of(stamp.round_trip_before_ns));
  stamp.placement_after = to_string(device::placement_of(stamp.round_trip_after_ns));
  std::vector<BenchLine> lines;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Samples& sample = samples[i];
    BenchLine line = stamp;
    line.name = cases[i].name;
    line.bytes = cases[i].bytes;
    line.operations = cases[i].operations;
    line.seconds = quantile(sample.seconds, 0.5);
    line.best_seconds = quantile(sample.seconds, 0);
    line.spread = (quantile(sample.seconds, 0.9) - quantile(sample.seconds, 0.1)) / line.seconds;
    const bool is_read = quantile(sample.read_seconds, 0.5) >= quantile(sample.peak_seconds, 0.5);
    const std::vector<double>& limit = is_read ? sample.read_seconds : sample.peak_seconds;
    if (!limit.empty()) {
      line.limit = is_read ? "read" : to_string(*cases[i].arithmetic);
      std::vector<double> ratios;
      for (size_t round = 0; round < limit.size(); ++round) {
        ratios.push_back(limit[round] / sample.seconds[round]);
      }
      line.ratio = quantile(ratios, 0.5);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

void Harness::run(const std::vector<BenchCase>& cases) {
  if (cases.empty()) return;
  std::vector<BenchLine> lines = measure(cases);
  if (!lines.front().is_placement_steady()) lines = measure(cases);
  for (BenchLine& line : lines) report_.lines.push_back(std::move(line));
}

BenchReport Harness::report() const {
  BenchReport report = report_;
  const auto peak = [&](Arithmetic arithmetic) {
    return quantile(peak_rates_[static_cast<size_t>(arithmetic)], 0.5);
  };
  report.read_bytes_per_second = quantile(read_rates_, 0.5);
  report.f32_operations_per_second = peak(Arithmetic::kF32);
  report.bf16_operations_per_second = peak(Arithmetic::kBF16);
  report.int8_operations_per_second = peak(Arithmetic::kInt8);
  return report;
}

}  // namespace partita::api
