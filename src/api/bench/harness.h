// SPDX-License-Identifier: Apache-2.0
// How partita measures: quiet machine, known placement of the cores, limits measured in between.
//
// A sub-bench makes a list of cases, each a function and what it has to read and to compute, and
// hands it to a Harness; the report is what it returns to the public API.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/bench/machine_limits.h"
#include "partita/bench.h"

namespace partita::api {

struct BenchCase {
  std::string name;
  std::function<void()> run;  // once; must not throw, and allocate nothing after the first call
  double bytes = 0;           // that a run reads from memory; 0: no limit
  double operations = 0;
  std::optional<Arithmetic> arithmetic = {};  // whose peak bounds the operations
};

struct HarnessOptions {
  int threads = 1;
  int rounds = 11;
  double sample_seconds = 0.004;  // of a case's runs in a round
  double quiet_seconds = 20;      // how long to wait until other programs rest
};

// Measures with `threads` threads of the calling thread's team, which is set back at the end. Used
// by one thread.
class Harness {
 public:
  // Waits for a quiet machine; what it finds is in the report.
  Harness(std::string bench, const HarnessOptions& options);
  ~Harness();
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  // Runs the cases in turns, round by round, with their limits between them, and adds a line for
  // each. When the placement of the cores has changed meanwhile, once more; a second time it stays
  // in the report, whose lines tell.
  void run(const std::vector<BenchCase>& cases);

  // All lines so far, and the medians of the limits.
  [[nodiscard]] BenchReport report() const;

 private:
  struct Samples;
  std::vector<BenchLine> measure(const std::vector<BenchCase>& cases);
  void run_round(const std::vector<BenchCase>& cases, std::vector<Samples>& samples);

  HarnessOptions options_;
  int team_before_;
  BenchReport report_;
  MachineLimits limits_;
  std::vector<double> read_rates_;
  std::vector<double> peak_rates_[3];  // by Arithmetic
};

// Other programs' share of the processors, after waiting until it is below 5 %, at most so long.
[[nodiscard]] double wait_until_quiet(double seconds);

}  // namespace partita::api
