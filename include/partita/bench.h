// SPDX-License-Identifier: Apache-2.0
// Measuring what partita computes with, as shares of what this machine can do at that moment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace partita {

// One case of a measurement. Its limit is measured between its repetitions, so that the ratio holds
// although virtual machines change their speed by the minute; the seconds are of that minute.
struct BenchLine {
  std::string name;
  double seconds = 0;       // of one run, the median
  double best_seconds = 0;  //
  double spread = 0;        // (90th - 10th percentile) / median
  double bytes = 0;         // that a run has to read; 0 when that is no measure
  double operations = 0;    // that a run has to compute
  // What bounds a run: "read" (reading the bytes from memory with as many threads), "f32", "bf16"
  // or "int8" (the operations at the peak of these instructions in registers), whichever takes
  // longer; empty when nothing is known.
  std::string limit;
  double ratio = 0;  // the limit's seconds over those of the run, the median; 1 is perfect
  // How the cores lay to each other before and after: see placement_of() in docs/performance.
  std::string placement_before;
  std::string placement_after;
  double round_trip_before_ns = 0;
  double round_trip_after_ns = 0;

  [[nodiscard]] bool is_placement_steady() const { return placement_before == placement_after; }
};

// All cases of one measurement with one number of threads.
struct BenchReport {
  std::string bench;
  int threads = 1;
  std::string instructions;  // the level in use: portable, avx2 or avx512
  double busy_share = 0;     // of the processors by other programs, before
  bool is_quiet = false;     // that was below 5 %
  // Limits of these threads, medians over all cases; 0 where the level has no such instructions.
  double read_bytes_per_second = 0;
  double f32_operations_per_second = 0;
  double bf16_operations_per_second = 0;
  double int8_operations_per_second = 0;
  std::vector<BenchLine> lines;
};

struct KernelBenchOptions {
  std::vector<int> threads = {};  // one report each; empty: 1, and all cores when there are more
  std::vector<std::string> ops = {"linear", "attention"};
  // linear
  int64_t n = 4096;  // of the weights w[n, k]
  int64_t k = 4096;
  std::vector<std::string> dtypes = {"f32", "bf16", "q8_0", "q4_0"};  // of the weights
  std::vector<std::string> products = {"fast"};        // beside bf16: fast, near-f32 (LoadOptions)
  std::vector<int64_t> rows = {1, 4, 8, 16, 64, 512};  // of x[rows, k]
  // attention, with 8 KV heads
  std::vector<std::string> cache_dtypes = {"f32", "bf16", "f16"};
  std::vector<int64_t> groups = {1, 4, 8};  // query heads per KV head
  std::vector<int64_t> head_dims = {64, 128};
  int64_t context = 8192;  // positions that one decoded token sees
  // How the blocks of a sequence lie in the cache: in-order, as they do where there is room when a
  // request comes, or shuffled, as in a pool that is nearly full for long.
  std::vector<std::string> blocks = {"in-order", "shuffled"};
  int64_t prompt = 512;  // tokens of a prompt, read in one step
  int rounds = 11;
  double quiet_seconds = 20;  // how long to wait until other programs rest
};

// linear: multiplies x[rows, k] with weights that come from memory, as no cache holds them: several
// copies take turns. attention: one token over a paged cache, whose blocks have 16 positions,
// beside a read of as many bytes; and a whole prompt, beside the f32 peak. The kernels are those
// that models run with. Throws kInvalidArgument for other operators, orders and dtypes, sizes below
// 1, and a k that is no multiple of 32 for q8_0 and q4_0.
[[nodiscard]] std::vector<BenchReport> bench_kernels(const KernelBenchOptions& options);

}  // namespace partita
