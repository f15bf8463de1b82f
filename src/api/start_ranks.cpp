// SPDX-License-Identifier: Apache-2.0
#include "api/start_ranks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "api/in_process_runner.h"
#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "api/rank_cores.h"
#include "api/rank_setup.h"
#include "api/stage_region.h"
#include "device/cpu/affinity.h"
#include "device/cpu/instructions.h"
#include "launch/process_group.h"
#include "support/error.h"

namespace partita::api {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxThreadsPerRank = 1024;
constexpr int kMaxTimeoutMs = 7 * 24 * 3600 * 1000;  // a week
constexpr const char* kThreads = "threads";

void check_fits(int ranks) {
  const int cores = device::usable_cores();
  if (ranks <= cores * kMaxRanksPerCore) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[engine] the plan has ", ranks, " ranks, but this machine has ", cores,
                  " cores and runs at most ", cores * kMaxRanksPerCore, " ranks (",
                  kMaxRanksPerCore, " per core); plan for fewer ranks"));
}

void check_range(const char* name, int value, int least, int most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[engine] ", name, " is ", value, "; expected ", least, " .. ", most));
}

}  // namespace

milliseconds step_timeout_of(const plan::Plan& plan, const EngineOptions& options) {
  if (options.step_timeout_ms > 0) return milliseconds(options.step_timeout_ms);
  constexpr double kPatience = 10;  // predictions are of a machine that does nothing else
  constexpr double kLeastMs = 10000;
  const plan::CostTerms& step = plan.predicted;
  const double seconds = std::max(step.decode_compute_s + step.decode_comm_s,
                                  step.prefill_compute_s + step.prefill_comm_s);
  const double wished = std::clamp<double>(seconds * 1000 * kPatience, kLeastMs, kMaxTimeoutMs);
  return milliseconds(static_cast<int>(wished));
}

namespace {

void check_transport(const EngineOptions& options) {
  if (options.launcher != kThreads) {
    (void)launch::parse_launcher(options.launcher);
    (void)transport_for(options.transport, options.launcher);
  } else if (options.transport != "auto" && options.transport != "local") {
    throw Error(ErrorCode::kInvalidArgument,
                str("[engine] transport \"", options.transport,
                    "\" with launcher threads; expected auto or local, or another launcher"));
  }
}

RunningRanks start_threads(const Model::Impl& model,
                           const plan::Plan& plan,
                           const EngineOptions& options) {
  const InProcessOptions runner_options{.step_timeout = step_timeout_of(plan, options),
                                        .threads_per_rank = options.threads_per_rank,
                                        .on_progress = options.on_progress};
  return {{},
          make_in_process_runner(
              model.imported.graph, plan, [&model](int) { return model.open_checkpoint(); },
              runner_options)};
}

void make_log_folder(const std::string& folder) {
  if (folder.empty()) return;
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (!failure) return;
  throw Error(ErrorCode::kSystem, str("[engine] cannot make the log folder ", folder, ": ",
                                      failure.message(), "; give a writable place"));
}

RunningRanks start_processes(const Model::Impl& model,
                             const Plan& plan,
                             const EngineOptions& options) {
  RunningRanks ranks;
  const milliseconds step_timeout = step_timeout_of(plan.impl().plan, options);
  RankSetup setup{.directory = std::filesystem::absolute(model.imported.directory),
                  .load = model.requested,
                  .plan = plan.to_json(),
                  .transport = transport_for(options.transport, options.launcher),
                  .step_timeout_ms = static_cast<int>(step_timeout.count()),
                  .threads_per_rank = options.threads_per_rank};
  launch::ProcessGroupOptions group{.launcher = launch::parse_launcher(options.launcher),
                                    .ranks = plan.ranks() * plan.replicas(),
                                    .worker = {worker_program(options.worker_program), "worker"},
                                    .log_dir = options.log_dir,
                                    .start_timeout = milliseconds(options.start_timeout_ms),
                                    .step_timeout = step_timeout,
                                    .has_shared_world = setup.transport == Transport::kMpi,
                                    .setup = {},
                                    .plan_hash = plan.hash(),
                                    .on_progress = options.on_progress,
                                    .on_external = options.on_external};
  if (setup.transport == Transport::kShm) {
    comm::RegionOptions region = region_for(model.imported.graph, plan.impl().plan);
    const int all_ranks = plan.ranks() * plan.replicas();
    const int threads = threads_of_rank({0, all_ranks, options.threads_per_rank});
    region.spins = comm::default_spins(all_ranks * threads);
    for (int replica = 0; replica < plan.replicas(); ++replica) {
      // A segment has no name; ranks of the same user reach it through our open file, also those we
      // did not start.
      ranks.segments.push_back(comm::ShmSegment::create(plan.ranks(), region));
      setup.shm_paths.push_back(str("/proc/", getpid(), "/fd/", ranks.segments.back().fd()));
    }
  }
  group.setup = to_json(setup);
  make_log_folder(options.log_dir);
  ranks.runner = std::make_unique<launch::ProcessGroup>(std::move(group));
  return ranks;
}

}  // namespace

void check_options(const Plan& plan, const EngineOptions& options) {
  check_transport(options);
  check_range("step_timeout_ms", options.step_timeout_ms, 0, kMaxTimeoutMs);
  check_range("start_timeout_ms", options.start_timeout_ms, 1, kMaxTimeoutMs);
  check_range("threads_per_rank", options.threads_per_rank, 0, kMaxThreadsPerRank);
  if (options.launcher == kThreads || options.launcher == "fork")
    check_fits(plan.ranks() * plan.replicas());
  if (options.launcher == kThreads && !options.log_dir.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[engine] log_dir ", options.log_dir, " with launcher threads, whose ranks ",
                    "print nothing of their own; drop it or start processes"));
  }
  // Kernels ask for it in every rank; here a wrong PARTITA_CPU is one error.
  (void)device::usable_instructions();
}

RunningRanks start_ranks(const Model& model, const Plan& plan, const EngineOptions& options) {
  return options.launcher == kThreads ? start_threads(model.impl(), plan.impl().plan, options)
                                      : start_processes(model.impl(), plan, options);
}

}  // namespace partita::api
