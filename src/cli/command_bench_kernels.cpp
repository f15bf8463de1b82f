// SPDX-License-Identifier: Apache-2.0
// partita bench kernels: products with weights from memory against the limits of this machine.
#include <memory>

#include "cli/bench_report.h"
#include "cli/commands.h"
#include "partita/bench.h"

namespace partita::cli {

void add_bench_kernels_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<KernelBenchOptions>();
  CLI::App* command = bench.add_subcommand(
      "kernels",
      "Measure products with weights from memory, beside a raw read and the peak of the\n"
      "instructions in the same seconds. One JSON line per number of threads. Compare only lines\n"
      "whose placements of the cores agree. PARTITA_CPU=portable or avx2 measures the "
      "fallbacks.\n\n"
      "Example:\n"
      "  partita bench kernels --threads 1,2 --dtypes q4_0 --rows 1,8");
  command->add_option("--threads", options->threads, "Numbers of threads (default: 1 and all)")
      ->delimiter(',');
  command->add_option("--dtypes", options->dtypes, "Of the weights (default f32,bf16,q8_0,q4_0)")
      ->delimiter(',');
  command->add_option("--rows", options->rows, "Rows of x (default 1,4,8,16,64,512)")
      ->delimiter(',');
  command->add_option("--n", options->n, "Weights are n x k")->capture_default_str();
  command->add_option("--k", options->k)->capture_default_str();
  command->add_option("--rounds", options->rounds, "Of the cases and limits in turns")
      ->capture_default_str();
  command->callback([options, &action] {
    action = [options] {
      for (const BenchReport& report : bench_kernels(*options)) print_bench_report(report);
      return 0;
    };
  });
}

}  // namespace partita::cli
