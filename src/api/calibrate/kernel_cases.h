// SPDX-License-Identifier: Apache-2.0
// Which kernels are measured at which sizes, and how rates follow from the times.
#pragma once

#include <string>
#include <vector>

#include "cost/device.h"
#include "ir/types.h"

namespace partita::api {

// One program and the sizes it is run at.
struct KernelCase {
  std::string op;
  DType dtype = DType::kF32;
  enum class Size : uint8_t {
    kEmpty,   // next to no work: what is left is the launch
    kCached,  // operands stay in a core's own cache
    kMiddle,  // ... in the cache that cores share
    kLarge,   // from memory
  } size = Size::kEmpty;
  std::string text = {};  // of the program
  int nodes = 1;          // alike nodes of the program: its time is divided by them
  ir::SymbolSizes max_sizes = {};
  struct Run {
    int64_t rows = 1;
    int32_t first_position = 0;
    int64_t seen_blocks = 1;  // of the cache, that a token sees on average (attention)
  };
  std::vector<Run> runs = {};
  double weight_bytes = 0;  // of one node

  // Operations of one node in runs[run], as the operator declares them.
  [[nodiscard]] double flops(size_t run) const;
};

// Every operator of the known model families that takes time, and what else multiplies matrices
// (product_cases.h). `is_quick` gives fewer rows.
[[nodiscard]] std::vector<KernelCase> kernel_cases(bool is_quick);

// Seconds per node, [case][run].
using CaseTimes = std::vector<std::vector<double>>;

// Runs every case `rounds` times, interleaved, on `at_once` of `ranks` ranks at the same time, and
// returns the lower quartile of the slowest rank. Costs about `rounds` times the sum of all runs.
struct MeasureOptions {
  int ranks = 1;
  int at_once = 1;
  int rounds = 5;
};
[[nodiscard]] CaseTimes measure_cases(const std::vector<KernelCase>& cases,
                                      const MeasureOptions& options);

// Adds the rates that follow from the times to `device`; `at_once` as measured. The memory
// bandwidth is that of linear with one row over weights that no cache holds.
void add_rates(const std::vector<KernelCase>& cases,
               const CaseTimes& times,
               int at_once,
               cost::Device& device);

// Cache levels from linear with one row: the sizes whose weights come clearly faster than those of
// memory.
void add_caches(const std::vector<KernelCase>& cases, const CaseTimes& times, cost::Device& device);

}  // namespace partita::api
