// SPDX-License-Identifier: Apache-2.0
// The public bench_batch(): engines of several meshes work by turns.
#include "partita/batch_bench.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>

#include "api/plan_impl.h"
#include "api/plan_options.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita {
namespace {

using Clock = std::chrono::steady_clock;

struct Contestant {
  std::unique_ptr<Engine> engine;
  BatchBenchResult result;
};

std::vector<double> busy_seconds(Engine& engine) {
  std::vector<double> seconds;
  for (const RankCost& rank : engine.report().ranks) seconds.push_back(rank.busy_seconds);
  return seconds;
}

// All requests at once; prompts of pseudo-random tokens, unlike each other.
BatchRate run_requests(Contestant& contestant,
                       int64_t prompt_tokens,
                       int64_t output_tokens,
                       int64_t vocab_size) {
  Engine& engine = *contestant.engine;
  GenerateOptions generate;
  generate.max_tokens = output_tokens;
  generate.ignore_end_of_text = true;
  std::mt19937 random(1);
  std::vector<int64_t> requests;
  const std::vector<double> before = busy_seconds(engine);
  for (int64_t i = 0; i < contestant.result.requests; ++i) {
    std::vector<int32_t> prompt(static_cast<size_t>(prompt_tokens));
    for (int32_t& token : prompt)
      token = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab_size));
    requests.push_back(engine.submit(std::move(prompt), generate));
  }
  const auto start = Clock::now();
  while (engine.step()) {
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (const int64_t request : requests) (void)engine.take(request);
  // A prompt of one token counts as one that was made.
  const int64_t tokens = prompt_tokens > 1 ? prompt_tokens : output_tokens;
  BatchRate rate;
  rate.tokens_per_second = static_cast<double>(contestant.result.requests * tokens) / seconds;
  rate.busy = busy_seconds(engine);
  for (size_t rank = 0; rank < before.size(); ++rank)
    rate.busy[rank] = (rate.busy[rank] - before[rank]) / seconds;
  return rate;
}

Contestant start(const Model& model,
                 const std::string& mesh,
                 const BatchBenchOptions& options,
                 bool has_trace) {
  PlanOptions plan_options = options.plan;
  plan_options.mesh = mesh == "1" ? "" : mesh;
  plan_options.max_context = plan_options.prompt_tokens + plan_options.output_tokens;
  // Once for the stages and replicas of the mesh, then for the requests that follow from them.
  const Plan shape = Plan::make(model, plan_options);
  const auto stages = static_cast<int64_t>(shape.impl().plan.stages.size());
  const int64_t requests = options.requests_per_stage * stages * shape.replicas();
  plan_options.concurrency = requests;
  const Plan plan = Plan::make(model, plan_options);
  EngineOptions engine_options = options.engine;
  engine_options.trace = has_trace;
  return {std::make_unique<Engine>(model, plan, engine_options), {mesh, requests, {}}};
}

BatchRound run_round(Contestant& contestant, const BatchBenchOptions& options, int64_t vocab) {
  BatchRound round;
  round.round_trip_ns = device::round_trip_ns();
  round.prefill = run_requests(contestant, options.plan.prompt_tokens, 1, vocab);
  round.decode = run_requests(contestant, 1, options.plan.output_tokens, vocab);
  return round;
}

}  // namespace

std::vector<BatchBenchResult> bench_batch(const Model& model, const BatchBenchOptions& options) {
  if (options.rounds < 1 || options.requests_per_stage < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[bench] ", options.rounds, " rounds of ", options.requests_per_stage,
                    " requests; expected at least 1 of both"));
  }
  if (options.meshes.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "[bench] no mesh is given; expected one or more");
  }
  api::check_bench_context(model, options.plan);
  std::vector<Contestant> contestants;
  for (const std::string& mesh : options.meshes) {
    const bool is_last = contestants.size() + 1 == options.meshes.size();
    contestants.push_back(start(model, mesh, options, is_last && !options.trace_file.empty()));
  }
  for (Contestant& contestant : contestants)
    (void)run_round(contestant, options, model.vocab_size());
  for (int round = 0; round < options.rounds; ++round) {
    for (Contestant& contestant : contestants)
      contestant.result.rounds.push_back(run_round(contestant, options, model.vocab_size()));
  }
  if (!options.trace_file.empty()) contestants.back().engine->write_trace(options.trace_file);
  std::vector<BatchBenchResult> results;
  for (Contestant& contestant : contestants) results.push_back(std::move(contestant.result));
  return results;
}

}  // namespace partita
