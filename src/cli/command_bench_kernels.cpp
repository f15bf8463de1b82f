// SPDX-License-Identifier: Apache-2.0
// partita bench kernels: products and attention from memory against the limits of this machine.
#include <memory>

#include "cli/bench_report.h"
#include "cli/commands.h"
#include "partita/bench.h"

namespace partita::cli {

void add_bench_kernels_command(CLI::App& bench, Action& action) {
  auto options = std::make_shared<KernelBenchOptions>();
  CLI::App* command = bench.add_subcommand(
      "kernels",
      "Measure products with weights from memory and attention over a paged cache, beside a raw\n"
      "read and the peak of the instructions in the same seconds. One JSON line per number of "
      "threads. Compare only lines\n"
      "whose placements of the cores agree. PARTITA_CPU=portable or avx2 measures the "
      "fallbacks.\n\n"
      "Example:\n"
      "  partita bench kernels --ops linear --threads 1,2 --dtypes q4_0 --rows 1,8\n"
      "  partita bench kernels --ops attention --cache-dtypes bf16 --groups 4 --context 8192");
  command->add_option("--threads", options->threads, "Numbers of threads (default: 1 and all)")
      ->delimiter(',');
  command->add_option("--ops", options->ops, "linear, attention (default: both)")->delimiter(',');
  command
      ->add_option("--dtypes", options->dtypes,
                   "linear: of the weights (default f32,bf16,q8_0,q4_0)")
      ->delimiter(',');
  command
      ->add_option("--products", options->products,
                   "Activations beside bf16 weights: fast, near-f32, or both by turns")
      ->delimiter(',');
  command->add_option("--rows", options->rows, "linear: rows of x (default 1,4,8,16,64,512)")
      ->delimiter(',');
  command->add_option("--n", options->n, "linear: weights are n x k")->capture_default_str();
  command->add_option("--k", options->k)->capture_default_str();
  command
      ->add_option("--cache-dtypes", options->cache_dtypes,
                   "attention: of keys and values (default f32,bf16,f16)")
      ->delimiter(',');
  command
      ->add_option("--groups", options->groups,
                   "attention: query heads per KV head (default 1,4,8)")
      ->delimiter(',');
  command->add_option("--head-dims", options->head_dims, "attention: (default 64,128)")
      ->delimiter(',');
  command->add_option("--context", options->context, "attention: positions that one token sees")
      ->capture_default_str();
  command
      ->add_option("--blocks", options->blocks,
                   "attention: how the cache's blocks lie: in-order, shuffled (default: both)")
      ->delimiter(',');
  command->add_option("--prompt", options->prompt, "attention: tokens of a prompt")
      ->capture_default_str();
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
