// SPDX-License-Identifier: Apache-2.0
// The sub-commands: each adds itself to the command line and returns its exit code when run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace partita::cli {

// Set by the sub-command that was parsed; main() calls it inside the error handler.
using Action = std::function<int()>;

void add_run_command(CLI::App& app, Action& action);
void add_plan_command(CLI::App& app, Action& action);
void add_partition_command(CLI::App& app, Action& action);
void add_check_command(CLI::App& app, Action& action);
void add_calibrate_command(CLI::App& app, Action& action);
void add_bench_command(CLI::App& app, Action& action);
// Sub-commands of bench.
void add_bench_batch_command(CLI::App& bench, Action& action);
void add_bench_collectives_command(CLI::App& bench, Action& action);
void add_bench_kernels_command(CLI::App& bench, Action& action);
void add_bench_load_command(CLI::App& bench, Action& action);
void add_bench_model_command(CLI::App& bench, Action& action);
void add_bench_scaling_command(CLI::App& bench, Action& action);
void add_ops_command(CLI::App& app, Action& action);
void add_make_model_command(CLI::App& app, Action& action);
void add_worker_command(CLI::App& app, Action& action);

// Under `plan`; its callback runs before that of `plan`.
CLI::App* add_plan_diff_command(CLI::App& plan, Action& action);

}  // namespace partita::cli
