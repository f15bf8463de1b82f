// SPDX-License-Identifier: Apache-2.0
// The public Engine: starts the ranks of a plan and feeds them requests.
#include "partita/engine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "api/in_process_runner.h"
#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "api/rank_setup.h"
#include "comm/shm/shm.h"
#include "device/cpu/affinity.h"
#include "engine/engine.h"
#include "importer/check.h"
#include "launch/process_group.h"
#include "support/error.h"

namespace partita {
namespace {

using std::chrono::milliseconds;

// Oversubscription is fine for trying things out; beyond this a step would rather hit its deadline.
constexpr int kMaxRanksPerCore = 8;
constexpr const char* kThreads = "threads";

void check_fits(int ranks) {
  const int cores = device::usable_cores();
  if (ranks <= cores * kMaxRanksPerCore) return;
  throw Error(
      ErrorCode::kInvalidArgument,
      str("[engine] the plan has ", ranks, " ranks, but this machine has ", cores,
          " cores and runs at most ", cores * kMaxRanksPerCore, " ranks (", kMaxRanksPerCore,
          " per core); use fewer, or start them on more hosts with --launcher mpirun"));
}

struct RunningRanks {
  std::unique_ptr<comm::ShmSegment> segment;  // outlives the ranks
  std::unique_ptr<engine::StepRunner> runner;
};

RunningRanks start_threads(const Model::Impl& model,
                           const plan::Plan& plan,
                           const EngineOptions& options) {
  api::InProcessOptions runner_options{.step_timeout = milliseconds(options.step_timeout_ms),
                                       .threads_per_rank = options.threads_per_rank,
                                       .on_progress = options.on_progress};
  return {nullptr, api::make_in_process_runner(
                       model.imported.graph, plan,
                       [&model](int) { return model.open_checkpoint(); }, runner_options)};
}

RunningRanks start_processes(const Model::Impl& model,
                             const Plan& plan,
                             const EngineOptions& options) {
  RunningRanks ranks;
  api::RankSetup setup{.directory = std::filesystem::absolute(model.imported.directory),
                       .dtype = model.dtype,
                       .plan = plan.to_json(),
                       .transport = api::transport_for(options.transport, options.launcher),
                       .step_timeout_ms = options.step_timeout_ms,
                       .threads_per_rank = options.threads_per_rank};
  launch::ProcessGroupOptions group{
      .launcher = launch::parse_launcher(options.launcher),
      .ranks = plan.ranks(),
      .worker = {api::worker_program(options.worker_program), "worker"},
      .log_dir = options.log_dir,
      .start_timeout = milliseconds(options.start_timeout_ms),
      .step_timeout = milliseconds(options.step_timeout_ms),
      .setup = {},
      .plan_hash = plan.hash(),
      .on_progress = options.on_progress,
      .on_external = options.on_external};
  if (setup.transport == api::Transport::kShm) {
    ranks.segment = std::make_unique<comm::ShmSegment>(comm::ShmSegment::create(plan.ranks()));
    // The segment has no name; ranks of the same user reach it through our open file, also those we
    // did not start.
    setup.shm_path = str("/proc/", getpid(), "/fd/", ranks.segment->fd());
  }
  group.setup = to_json(setup);
  if (!options.log_dir.empty()) std::filesystem::create_directories(options.log_dir);
  ranks.runner = std::make_unique<launch::ProcessGroup>(std::move(group));
  return ranks;
}

CollectiveCost to_public(const engine::CollectiveReport& row) {
  return {row.kind, row.calls, row.payload_bytes, row.wire_bytes, row.seconds};
}

RankCost to_public(const engine::RankReport& report) {
  RankCost cost{.rank = report.rank,
                .stage = report.stage,
                .pid = report.pid,
                .weight_bytes = report.weight_bytes,
                .kv_bytes = report.kv_bytes,
                .activation_bytes = report.activation_bytes,
                .bytes_read = report.bytes_read,
                .peak_rss_bytes = report.peak_rss_bytes,
                .load_seconds = report.load_seconds,
                .collectives = {}};
  for (const auto& row : report.collectives) cost.collectives.push_back(to_public(row));
  return cost;
}

engine::SamplingParams sampling_of(const GenerateOptions& options) {
  return {.temperature = options.temperature,
          .top_k = options.top_k,
          .top_p = options.top_p,
          .repetition_penalty = options.repetition_penalty,
          .seed = options.seed};
}

}  // namespace

struct Engine::Impl {
  struct Pending {
    Completion completion;
    OnText on_text;
    bool done = false;
  };

  Impl(const Model& loaded_model, const Plan& made_plan, const EngineOptions& options)
      : model(loaded_model), plan(made_plan), started(std::chrono::steady_clock::now()) {
    const Model::Impl& impl = model.impl();
    // Checked here, once, so that a broken checkpoint gives one error and not one per rank.
    importer::require_weights(impl.imported.graph, impl.open_checkpoint());
    const bool is_local = options.launcher == kThreads || options.launcher == "fork";
    if (is_local) check_fits(plan.ranks());
    ranks = options.launcher == kThreads ? start_threads(impl, plan.impl().plan, options)
                                         : start_processes(impl, plan, options);
    engine = std::make_unique<engine::Engine>(*ranks.runner, impl.tokenizer.get(),
                                              impl.imported.info.eos_tokens);
    start_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  }

  void on_token(const engine::TokenEvent& event) {
    Pending& pending = requests.at(event.request);
    Completion& completion = pending.completion;
    if (event.token >= 0) completion.tokens.push_back(event.token);
    completion.text += event.text;
    completion.finish_reason = engine::to_string(event.finish);
    pending.done = event.finish != engine::FinishReason::kNone;
    if (pending.on_text && !event.text.empty()) pending.on_text(event.text);
  }

  Model model;
  Plan plan;
  std::chrono::steady_clock::time_point started;
  RunningRanks ranks;
  std::unique_ptr<engine::Engine> engine;
  double start_seconds = 0;
  std::map<int64_t, Pending> requests;
};

Engine::Engine(const Model& model, const Plan& plan, EngineOptions options)
    : impl_(std::make_unique<Impl>(model, plan, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Completion Engine::generate(std::string_view prompt,
                            const GenerateOptions& options,
                            const OnText& on_text) {
  const int64_t request = submit(impl_->model.encode(prompt), options, on_text);
  while (!impl_->requests.at(request).done) {
    CHECK(step(), "a request is pending but the engine is idle");
  }
  return take(request);
}

int64_t Engine::submit(std::vector<int32_t> prompt,
                       const GenerateOptions& options,
                       OnText on_text) {
  Impl* impl = impl_.get();
  engine::Request request{
      .prompt = prompt,
      .max_tokens = options.max_tokens,
      .sampling = sampling_of(options),
      .stop = options.stop,
      .ignore_end_of_text = options.ignore_end_of_text,
      .on_token = [impl](const engine::TokenEvent& event) { impl->on_token(event); },
      .on_logits = {}};
  const int64_t id = impl->engine->submit(std::move(request));
  Impl::Pending& pending = impl->requests[id];
  pending.completion.prompt_tokens = std::move(prompt);
  pending.on_text = std::move(on_text);
  return id;
}

bool Engine::step() { return impl_->engine->step(); }

void Engine::cancel(int64_t request) { impl_->engine->cancel(request); }

Completion Engine::take(int64_t request) {
  const auto found = impl_->requests.find(request);
  if (found == impl_->requests.end()) {
    throw Error(ErrorCode::kNotFound,
                str("[engine] there is no request ", request, "; it was taken or never submitted"));
  }
  if (!found->second.done) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[engine] request ", request, " is not done; call step() until it is"));
  }
  Completion completion = std::move(found->second.completion);
  impl_->requests.erase(found);
  return completion;
}

std::vector<float> Engine::logits(const std::vector<int32_t>& prompt) {
  if (!impl_->engine->idle()) {
    throw Error(ErrorCode::kInvalidArgument,
                "[engine] logits() while requests are in flight; finish them first");
  }
  const engine::RunnerLimits& limits = impl_->ranks.runner->limits();
  const auto length = static_cast<int64_t>(prompt.size());
  if (length < 1 || length > std::min(limits.max_context, limits.kv_blocks * limits.block_size)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[engine] ", length, " tokens; expected 1 .. ", limits.max_context));
  }
  std::vector<float> logits;
  // A step gives logits for as many rows as there may be sequences.
  const int64_t chunk = std::min(limits.max_step_tokens, limits.max_sequences);
  for (int64_t begin = 0; begin < length; begin += chunk) {
    engine::StepBatch batch;
    for (int64_t position = begin; position < std::min(begin + chunk, length); ++position) {
      batch.logit_rows.push_back(static_cast<int32_t>(batch.token_ids.size()));
      batch.token_ids.push_back(prompt[static_cast<size_t>(position)]);
      batch.positions.push_back(static_cast<int32_t>(position));
      batch.sequence_ids.push_back(0);
    }
    batch.sequences = 1;
    batch.blocks_per_sequence = (length + limits.block_size - 1) / limits.block_size;
    for (int32_t block = 0; block < batch.blocks_per_sequence; ++block)
      batch.block_tables.push_back(block);
    const engine::StepResult result = impl_->ranks.runner->run(batch);
    logits.insert(logits.end(), result.logits.begin(), result.logits.end());
  }
  return logits;
}

RunReport Engine::report() {
  const engine::EngineStats& stats = impl_->engine->stats();
  RunReport report{.start_seconds = impl_->start_seconds,
                   .prefill_tokens = stats.prefill_tokens,
                   .prefill_seconds = stats.prefill_seconds,
                   .decode_tokens = stats.decode_tokens,
                   .decode_steps = stats.decode_steps,
                   .decode_seconds = stats.decode_seconds,
                   .ranks = {}};
  for (const engine::RankReport& rank : impl_->ranks.runner->report())
    report.ranks.push_back(to_public(rank));
  return report;
}

}  // namespace partita
