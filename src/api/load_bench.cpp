// SPDX-License-Identifier: Apache-2.0
// The public bench_load(): loads a checkpoint again and again and takes the time of every phase.
#include "partita/load_bench.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "api/bench/load_probes.h"
#include "api/calibrate/host_state.h"
#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita {
namespace {

using Clock = std::chrono::steady_clock;

// Returns the seconds since it was made or asked last.
class Laps {
 public:
  double lap() {
    const auto before = std::exchange(last_, Clock::now());
    return std::chrono::duration<double>(last_ - before).count();
  }

 private:
  Clock::time_point last_ = Clock::now();
};

LoadCost slowest(const std::vector<RankCost>& ranks) {
  LoadCost result;
  for (const RankCost& rank : ranks) {
    result.program = std::max(result.program, rank.load.program);
    result.read = std::max(result.read, rank.load.read);
    result.pack = std::max(result.pack, rank.load.pack);
    result.buffers = std::max(result.buffers, rank.load.buffers);
  }
  return result;
}

// What starting was, beside the phases of the rank that took longest.
double rest_of_start(double engine_seconds, const std::vector<RankCost>& ranks) {
  double longest = 0;
  for (const RankCost& rank : ranks) {
    longest =
        std::max(longest, rank.load.program + rank.load.read + rank.load.pack + rank.load.buffers);
  }
  return std::max(0.0, engine_seconds - longest);
}

int64_t bytes_read(const std::vector<RankCost>& ranks) {
  int64_t bytes = 0;
  for (const RankCost& rank : ranks) bytes += rank.bytes_read;
  return bytes;
}

LoadRound load_once(const std::filesystem::path& path,
                    const LoadBenchOptions& options,
                    LoadBenchResult& result) {
  LoadRound round;
  Laps laps;
  const Model model = Model::load(path, options.load);
  round.model = laps.lap();
  const Plan plan = Plan::make(model, options.plan);
  round.plan = laps.lap();
  Engine engine(model, plan, options.engine);
  const double engine_seconds = laps.lap();
  GenerateOptions generate;
  generate.max_tokens = 1;
  generate.ignore_end_of_text = true;
  const std::vector<int32_t> prompt(static_cast<size_t>(options.prompt_tokens), 0);
  const int64_t request = engine.submit(prompt, generate);
  while (engine.step()) {
  }
  round.first_token = laps.lap();
  (void)engine.take(request);
  result.mesh = plan.impl().plan.mesh.to_string();
  result.dtype = model.dtype();
  result.kv_cache = model.kv_cache();
  result.ranks = engine.report().ranks;
  round.load = slowest(result.ranks);
  round.start = rest_of_start(engine_seconds, result.ranks);
  round.total = round.model + round.plan + engine_seconds + round.first_token;
  round.read_bytes_per_second = static_cast<double>(bytes_read(result.ranks)) /
                                std::max(1e-9, round.load.read + round.load.pack);
  return round;
}

// More than all ranks together will use that they have not used before: a quarter for what no plan
// knows, and because they need not get the very same pages.
int64_t new_bytes_of(const Plan& plan) {
  int64_t bytes = 0;
  for (const plan::RankMemory& rank : plan.impl().plan.memory) {
    bytes += rank.total() - rank.reserve;
  }
  return bytes * plan.replicas() * 5 / 4;
}

void check(const LoadBenchOptions& options) {
  if (options.rounds < 1 || options.prompt_tokens < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[bench] ", options.rounds, " rounds with a prompt of ", options.prompt_tokens,
                    " tokens; expected at least 1 of both"));
  }
}

}  // namespace

LoadBenchResult bench_load(const std::filesystem::path& path, const LoadBenchOptions& options) {
  check(options);
  const Model model = Model::load(path, options.load);
  const Plan plan = Plan::make(model, options.plan);  // measures an unknown machine
  const formats::Checkpoint checkpoint = model.impl().open_checkpoint();
  const int threads = plan.ranks() * plan.replicas();
  const int64_t new_bytes = new_bytes_of(plan);
  LoadBenchResult result;
  for (const auto& file : checkpoint.files()) {
    result.file_bytes += static_cast<int64_t>(std::filesystem::file_size(file->path()));
  }
  (void)api::file_copy_rate(checkpoint.files(), threads);
  result.busy_share = api::busy_share();
  result.round_trip_before_ns = device::round_trip_ns();
  for (int i = 0; i < options.rounds; ++i) {
    const double copy_rate = api::file_copy_rate(checkpoint.files(), threads);
    double memory_rate = 0;
    if (!options.uses_memory_as_found) {
      (void)api::new_memory_rate(new_bytes, threads);  // as it was found
      memory_rate = api::new_memory_rate(new_bytes, threads);
    }
    LoadRound round = load_once(path, options, result);
    if (options.uses_memory_as_found) memory_rate = api::new_memory_rate(new_bytes, threads);
    round.copy_bytes_per_second = copy_rate;
    round.new_memory_bytes_per_second = memory_rate;
    result.rounds.push_back(round);
  }
  result.round_trip_after_ns = device::round_trip_ns();
  std::ranges::sort(result.rounds, {}, &LoadRound::total);
  return result;
}

}  // namespace partita
