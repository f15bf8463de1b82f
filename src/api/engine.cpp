// SPDX-License-Identifier: Apache-2.0
// The public Engine: starts the ranks of a plan and feeds them requests.
#include "partita/engine.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <optional>
#include <span>

#include "api/model_impl.h"
#include "api/plan_impl.h"
#include "api/start_ranks.h"
#include "api/step_binding.h"
#include "api/step_trace.h"
#include "engine/batch_rows.h"
#include "engine/engine.h"
#include "importer/check.h"
#include "support/error.h"
#include "support/integers.h"

namespace partita {
namespace {

CollectiveCost to_public(const engine::CollectiveReport& row) {
  return {row.kind, row.calls, row.payload_bytes, row.wire_bytes, row.seconds, row.waiting};
}

RankCost to_public(const engine::RankReport& report) {
  RankCost cost{
      .rank = report.rank,
      .replica = report.replica,
      .is_lost = report.is_lost,
      .stage = report.stage,
      .pid = report.pid,
      .weight_bytes = report.weight_bytes,
      .kv_bytes = report.kv_bytes,
      .activation_bytes = report.activation_bytes,
      .bytes_read = report.bytes_read,
      .peak_rss_bytes = report.peak_rss_bytes,
      .load_seconds = report.load_seconds,
      .load = {report.load.program, report.load.read, report.load.pack, report.load.buffers},
      .busy_seconds = report.busy_seconds,
      .collectives = {},
      .ops = {}};
  for (const auto& row : report.collectives) cost.collectives.push_back(to_public(row));
  for (const auto& row : report.ops) cost.ops.push_back({row.op, row.calls, row.seconds});
  return cost;
}

engine::SamplingParams sampling_of(const GenerateOptions& options) {
  return {.temperature = options.temperature,
          .top_k = options.top_k,
          .top_p = options.top_p,
          .repetition_penalty = options.repetition_penalty,
          .seed = options.seed};
}

// Without what is told on the way.
engine::Request request_of(std::vector<int32_t> prompt, const GenerateOptions& options) {
  return {.prompt = std::move(prompt),
          .max_tokens = options.max_tokens,
          .sampling = sampling_of(options),
          .stop = options.stop,
          .ignore_end_of_text = options.ignore_end_of_text,
          .on_token = {},
          .on_logits = {}};
}

}  // namespace

void check_generate_options(const Model& model, const GenerateOptions& options) {
  engine::validate(request_of({}, options), model.impl().tokenizer != nullptr);
}

void check_prompt(const Model& model, const Plan& plan, const std::vector<int32_t>& prompt) {
  engine::check_prompt(prompt, api::limits_of(model.impl().imported.graph, plan.impl().plan));
}

struct Engine::Impl {
  struct Pending {
    Completion completion;
    OnText on_text;
    bool done = false;
  };

  Impl(const Model& loaded_model, const Plan& made_plan, const EngineOptions& options)
      : model(loaded_model), plan(made_plan), started(std::chrono::steady_clock::now()) {
    const Model::Impl& impl = model.impl();
    api::check_options(plan, options);
    // Checked here, once, so that a broken checkpoint gives one error and not one per rank.
    importer::require_weights(impl.imported.graph, impl.open_checkpoint());
    ranks = api::start_ranks(model, plan, options);
    engine = std::make_unique<engine::Engine>(
        *ranks.runner, impl.tokenizer.get(), impl.imported.info.eos_tokens,
        options.overlap ? engine::Overlap::kSteps : engine::Overlap::kNoOverlap);
    engine->on_loss(options.on_loss);
    if (options.trace) {
      trace.emplace();
      engine->observe([this](const engine::ScheduledStep& step, const engine::StepResult& result) {
        trace->add(step, result);
      });
    }
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
    if (!pending.on_text || event.text.empty()) return;
    if (!pending.done) return pending.on_text(event.text);
    // The callback may take() the request, and with it itself.
    const OnText last = std::move(pending.on_text);
    last(event.text);
  }

  // Ends a request that nobody waits for any more; its callback may refer to what is gone.
  void forget(int64_t request) {
    requests.at(request).on_text = nullptr;
    engine->cancel(request);
    requests.erase(request);
  }

  Model model;
  Plan plan;
  std::chrono::steady_clock::time_point started;
  api::RunningRanks ranks;
  std::unique_ptr<engine::Engine> engine;
  std::optional<api::StepTrace> trace;
  double start_seconds = 0;
  std::map<int64_t, Pending> requests;
};

Engine::Engine(const Model& model, const Plan& plan, const EngineOptions& options)
    : impl_(std::make_unique<Impl>(model, plan, options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Completion Engine::generate(std::string_view prompt,
                            const GenerateOptions& options,
                            const OnText& on_text) {
  const int64_t request = submit(impl_->model.encode(prompt), options, on_text);
  try {
    while (!impl_->requests.at(request).done) {
      CHECK(step(), "a request is pending but the engine is idle");
    }
  } catch (...) {
    impl_->forget(request);
    throw;
  }
  return take(request);
}

int64_t Engine::submit(std::vector<int32_t> prompt,
                       const GenerateOptions& options,
                       OnText on_text) {
  Impl* impl = impl_.get();
  engine::Request request = request_of(prompt, options);
  request.on_token = [impl](const engine::TokenEvent& event) { impl->on_token(event); };
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
  impl_->engine->drain();
  const engine::RunnerLimits& limits = impl_->ranks.runner->limits();
  const auto length = static_cast<int64_t>(prompt.size());
  const int64_t room = std::min(limits.max_context, limits.kv_blocks * limits.block_size);
  if (length < 1 || length > room) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[engine] logits() of ", length, " tokens; expected 1 .. ", room,
                    "; shorten the prompt or plan with a larger max_context"));
  }
  // Nobody has blocks now: the first ones are as good as any.
  std::vector<int32_t> first_blocks(static_cast<size_t>(ceil_div(length, limits.block_size)));
  std::iota(first_blocks.begin(), first_blocks.end(), 0);
  const std::span<const int32_t> blocks = first_blocks;
  std::vector<float> logits;
  // A step gives logits for as many rows as there may be sequences.
  const int64_t chunk = std::min(limits.max_step_tokens, limits.max_sequences);
  int64_t begin = 0;
  while (begin < length) {
    const int64_t end = std::min(begin + chunk, length);
    engine::StepBatch batch;
    engine::add_row(prompt, begin, end, batch);
    engine::set_block_tables({&blocks, 1}, batch);
    batch.logit_rows.resize(batch.token_ids.size());
    std::iota(batch.logit_rows.begin(), batch.logit_rows.end(), 0);
    api::check_batch(batch, limits);
    const std::optional<engine::StepResult> result = impl_->engine->run(batch);
    if (result) logits.insert(logits.end(), result->logits.begin(), result->logits.end());
    if (!result) logits.clear();  // another replica has nothing of the prompt yet
    begin = result ? end : 0;
  }
  return logits;
}

void Engine::write_trace(const std::filesystem::path& file) const {
  if (!impl_->trace) {
    throw Error(ErrorCode::kInvalidArgument,
                "[engine] write_trace() of an engine that keeps no trace; start it with trace");
  }
  impl_->trace->write(file);
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
  for (const engine::RankReport& rank : impl_->engine->report())
    report.ranks.push_back(to_public(rank));
  return report;
}

}  // namespace partita
