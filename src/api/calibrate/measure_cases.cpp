// SPDX-License-Identifier: Apache-2.0
// Times the kernel cases and turns times into rates.
#include <algorithm>
#include <chrono>
#include <memory>

#include "api/calibrate/kernel_cases.h"
#include "api/calibrate/measured_program.h"
#include "api/calibrate/rank_team.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;
using Size = KernelCase::Size;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Short runs are repeated, so that a sample is long against the clock and the start line.
constexpr double kSampleSeconds = 200e-6;
constexpr int kMostRepeats = 64;

// Seconds per node.
double sample(MeasuredProgram& program, const KernelCase& given, size_t run, int repeats) {
  const KernelCase::Run& size = given.runs[run];
  const auto start = Clock::now();
  for (int i = 0; i < repeats; ++i) {
    program.run({{"t", size.rows}}, size.first_position);
  }
  return seconds_since(start) / repeats / given.nodes;
}

// All samples of one rank: [case][run][round].
using Samples = std::vector<std::vector<std::vector<double>>>;

Samples measure_rank(const std::vector<KernelCase>& cases, int rounds, StartLine& line) {
  std::vector<std::unique_ptr<MeasuredProgram>> programs;
  std::vector<std::vector<int>> repeats(cases.size());
  Samples samples(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    programs.push_back(std::make_unique<MeasuredProgram>(cases[i].text, cases[i].max_sizes));
    samples[i].resize(cases[i].runs.size());
    for (size_t run = 0; run < cases[i].runs.size(); ++run) {
      (void)sample(*programs[i], cases[i], run, 1);  // makes primitives, touches memory
      const double once = sample(*programs[i], cases[i], run, 1);
      samples[i][run].push_back(once);
      repeats[i].push_back(
          std::clamp(static_cast<int>(kSampleSeconds / once / cases[i].nodes), 1, kMostRepeats));
    }
  }
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < cases.size(); ++i) {
      for (size_t run = 0; run < cases[i].runs.size(); ++run) {
        line.wait();
        samples[i][run].push_back(sample(*programs[i], cases[i], run, repeats[i][run]));
      }
    }
  }
  return samples;
}

const KernelCase* find_case(const std::vector<KernelCase>& cases,
                            const KernelCase& like,
                            Size size,
                            size_t& index) {
  for (index = 0; index < cases.size(); ++index) {
    const KernelCase& found = cases[index];
    if (found.op == like.op && found.dtype == like.dtype && found.size == size) return &found;
  }
  return nullptr;
}

// The time at `rows` of a case; 0 when it was not run.
double time_at(const KernelCase& given, const std::vector<double>& times, int64_t rows) {
  for (size_t run = 0; run < given.runs.size(); ++run) {
    if (given.runs[run].rows == rows) return times[run];
  }
  return 0;
}

// A product over large weights that takes so much longer than with one row is bound by arithmetic.
constexpr double kBoundByArithmetic = 1.15;

// Rates of products with weights: of large weights, where they are measured and arithmetic bounds
// them, else of cached ones.
void add_weight_rates(const std::vector<KernelCase>& cases,
                      const CaseTimes& times,
                      const KernelCase& empty,
                      cost::KernelRates& rates) {
  size_t cached = 0;
  size_t middle = 0;
  size_t large = 0;
  const KernelCase* of_size[] = {find_case(cases, empty, Size::kCached, cached),
                                 find_case(cases, empty, Size::kMiddle, middle),
                                 find_case(cases, empty, Size::kLarge, large)};
  CHECK(of_size[0] != nullptr && of_size[1] != nullptr, "products are measured in two caches");
  for (size_t run = 0; run < of_size[1]->runs.size(); ++run) {
    const int64_t rows = of_size[1]->runs[run].rows;
    const double large_s = of_size[2] == nullptr ? 0 : time_at(*of_size[2], times[large], rows);
    const double cached_s = time_at(*of_size[0], times[cached], rows);
    double rate = of_size[1]->flops(run) / times[middle][run];
    if (large_s > 0 && large_s > kBoundByArithmetic * times[large].front()) {
      rate = of_size[2]->flops(run) / large_s;
    } else if (cached_s > 0) {
      rate = std::max(rate, of_size[0]->flops(run) / cached_s);
    }
    rates.points.push_back({rows, rate});
  }
}

void add_other_rates(const KernelCase& working,
                     const std::vector<double>& times,
                     cost::KernelRates& rates) {
  for (size_t run = 0; run < working.runs.size(); ++run) {
    // Of a short run most is launch; a tenth is left to arithmetic even where noise eats it up.
    const double launch_s = rates.launch_s.value_or(0);
    const double work_s = std::max(times[run] - launch_s, times[run] / 10);
    rates.points.push_back({working.runs[run].rows, working.flops(run) / work_s});
  }
}

}  // namespace

CaseTimes measure_cases(const std::vector<KernelCase>& cases, const MeasureOptions& options) {
  std::vector<Samples> of_rank(static_cast<size_t>(options.at_once));
  run_as_ranks({options.ranks, options.at_once}, [&](int rank, StartLine& line) {
    of_rank[static_cast<size_t>(rank)] = measure_rank(cases, options.rounds, line);
  });
  CaseTimes times(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    for (size_t run = 0; run < cases[i].runs.size(); ++run) {
      double slowest = 0;
      for (const Samples& samples : of_rank) {
        slowest = std::max(slowest, lower_quartile(samples[i][run]));
      }
      times[i].push_back(slowest);
    }
  }
  return times;
}

void add_rates(const std::vector<KernelCase>& cases,
               const CaseTimes& times,
               int at_once,
               cost::Device& device) {
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].size != Size::kEmpty) continue;
    cost::KernelRates rates = {cases[i].op, cases[i].dtype, at_once, times[i].front(), {}};
    size_t working = 0;
    if (find_case(cases, cases[i], Size::kCached, working) != nullptr) {
      add_weight_rates(cases, times, cases[i], rates);
    } else {
      CHECK(find_case(cases, cases[i], Size::kMiddle, working) != nullptr, "no case with work");
      add_other_rates(cases[working], times[working], rates);
    }
    device.kernels.push_back(std::move(rates));
  }
  for (size_t i = 0; i < cases.size(); ++i) {
    // bf16 weights are what streams best; f32 ones differ by a few percent.
    if (cases[i].size != Size::kLarge || cases[i].dtype != DType::kBF16) continue;
    device.shared_bandwidth.push_back({at_once, cases[i].weight_bytes / times[i].front()});
  }
}

void add_caches(const std::vector<KernelCase>& cases,
                const CaseTimes& times,
                cost::Device& device) {
  constexpr double kClearlyFaster = 1.2;
  std::vector<cost::CacheLevel> levels;
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].size != Size::kCached && cases[i].size != Size::kMiddle) continue;
    // Blocks take some arithmetic to read, which would hide what the cache gives.
    if (cases[i].weight_bytes == 0 || is_block_type(cases[i].dtype)) continue;
    const double bandwidth = cases[i].weight_bytes / times[i].front();
    if (bandwidth < kClearlyFaster * device.memory_bandwidth) continue;
    levels.push_back({static_cast<int64_t>(cases[i].weight_bytes), bandwidth});
  }
  std::sort(levels.begin(), levels.end(),
            [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  for (const cost::CacheLevel& level : levels) {
    // Two measurements of one size: the faster one shows what the cache gives.
    if (!device.caches.empty() && device.caches.back().bytes == level.bytes) {
      device.caches.back().bandwidth = std::max(device.caches.back().bandwidth, level.bandwidth);
    } else {
      device.caches.push_back(level);
    }
  }
}

}  // namespace partita::api
