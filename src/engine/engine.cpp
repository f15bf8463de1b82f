// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <algorithm>
#include <array>
#include <utility>

#include "support/error.h"

namespace partita::engine {
namespace {

constexpr std::array<std::string_view, 5> kFinishNames = {"", "eos", "stop", "length", "cancelled"};

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "[request] " + what);
}

}  // namespace

std::string_view to_string(FinishReason reason) {
  return kFinishNames.at(static_cast<size_t>(reason));
}

Engine::Engine(StepRunner& runner,
               const text::Tokenizer* tokenizer,
               std::vector<int32_t> end_of_text)
    : runner_(&runner),
      tokenizer_(tokenizer),
      end_of_text_(std::move(end_of_text)),
      scheduler_(runner.limits()) {}

int64_t Engine::submit(Request request) {
  check(request);
  const int64_t id = next_id_++;
  scheduler_.add(std::make_unique<Sequence>(id, std::move(request), tokenizer_));
  return id;
}

bool Engine::step() {
  if (emitting_)
    refuse("step() was called by a callback of step(); call it after that has returned");
  ScheduledStep step = scheduler_.next_step();
  if (step.parts.empty()) return false;
  const StepResult result = runner_->run(step.batch);
  CHECK(result.logits.size() ==
        step.batch.logit_rows.size() * static_cast<size_t>(runner_->limits().vocab_size));
  emit(step, result);
  scheduler_.finish_step(step);
  for (const int64_t id : std::exchange(to_cancel_, {})) guarded([&] { cancel(id); });
  if (callback_error_) std::rethrow_exception(std::exchange(callback_error_, nullptr));
  return true;
}

// Everything that can fail comes before the first change of a sequence.
std::vector<int32_t> Engine::choose_tokens(const ScheduledStep& step,
                                           std::span<const float> logits) const {
  const auto vocab = static_cast<size_t>(runner_->limits().vocab_size);
  std::vector<int32_t> tokens;
  for (const ScheduledStep::Part& part : step.parts) {
    if (!part.wants_logits) continue;
    const Sequence& sequence = *part.sequence;
    tokens.push_back(sample(logits.subspan(tokens.size() * vocab, vocab), sequence.tokens,
                            sequence.request.sampling, static_cast<uint64_t>(sequence.emitted())));
  }
  return tokens;
}

void Engine::emit(const ScheduledStep& step, const StepResult& result) {
  const std::vector<int32_t> tokens = choose_tokens(step, result.logits);
  const auto vocab = static_cast<size_t>(runner_->limits().vocab_size);
  count(step, result.seconds);
  emitting_ = true;
  size_t row = 0;
  for (const ScheduledStep::Part& part : step.parts) {
    if (!part.wants_logits) continue;
    emit_token(*part.sequence, tokens[row], std::span(result.logits).subspan(row * vocab, vocab));
    ++row;
  }
  emitting_ = false;
}

void Engine::cancel(int64_t id) {
  if (emitting_) {  // the step under way still points to its sequences
    to_cancel_.push_back(id);
    return;
  }
  const std::unique_ptr<Sequence> sequence = scheduler_.remove(id);
  if (!sequence || !sequence->request.on_token) return;
  sequence->request.on_token({.request = id, .text = {}, .finish = FinishReason::kCancelled});
}

void Engine::restart(StepRunner& runner) {
  runner_ = &runner;
  scheduler_.restart();
}

void Engine::check(const Request& request) const {
  const RunnerLimits& limits = runner_->limits();
  validate(request.sampling);
  if (request.prompt.empty()) refuse("the prompt is empty; give at least one token");
  if (request.max_tokens < 1)
    refuse(str("max_tokens is ", request.max_tokens, "; expected at least 1"));
  if (tokenizer_ == nullptr && !request.stop.empty()) {
    refuse(
        "stop strings need a tokenizer, and this model has none; add tokenizer.json or remove "
        "them");
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) refuse("a stop string is empty; remove it");
  }
  for (const int32_t token : request.prompt) {
    if (token < 0 || token >= limits.vocab_size) {
      refuse(str("token id ", token, " is outside the vocabulary; expected 0 .. ",
                 limits.vocab_size - 1));
    }
  }
  const int64_t room = std::min(limits.max_context, limits.kv_blocks * limits.block_size);
  if (static_cast<int64_t>(request.prompt.size()) >= room) {
    refuse(str("the prompt has ", request.prompt.size(), " tokens; at most ", room - 1,
               " fit the context of ", limits.max_context, " and the KV cache of ",
               limits.kv_blocks * limits.block_size,
               " positions; shorten it or raise --max-context"));
  }
}

// Appends the token, streams its text and decides whether the sequence ends with it.
void Engine::emit_token(Sequence& sequence, int32_t token, std::span<const float> logits) {
  const Request& request = sequence.request;
  sequence.tokens.push_back(token);
  const RunnerLimits& limits = runner_->limits();
  const int64_t room = std::min(limits.max_context, limits.kv_blocks * limits.block_size);
  const bool is_end =
      std::find(end_of_text_.begin(), end_of_text_.end(), token) != end_of_text_.end();
  TokenEvent event{
      .request = sequence.id, .token = token, .text = {}, .finish = FinishReason::kNone};
  if (is_end && !request.ignore_end_of_text) {
    event.finish = FinishReason::kEndOfText;
  } else {
    event.text = sequence.stops.push(sequence.detokenizer ? sequence.detokenizer->push(token) : "");
    if (sequence.stops.stopped()) {
      event.finish = FinishReason::kStopString;
    } else if (sequence.emitted() >= request.max_tokens || sequence.length() >= room) {
      event.finish = FinishReason::kLength;
    }
  }
  if (event.finish != FinishReason::kNone && !sequence.stops.stopped()) {
    if (sequence.detokenizer) event.text += sequence.stops.push(sequence.detokenizer->finish());
    event.text += sequence.stops.finish();
  }
  sequence.finish = event.finish;
  guarded([&] {
    if (request.on_logits) request.on_logits({logits.begin(), logits.end()});
  });
  guarded([&] {
    if (request.on_token) request.on_token(event);
  });
}

// Keeps what user code throws until the step is complete.
void Engine::guarded(const std::function<void()>& callback) {
  try {
    callback();
  } catch (...) {
    if (!callback_error_) callback_error_ = std::current_exception();
  }
}

void Engine::count(const ScheduledStep& step, double seconds) {
  const bool is_decode = std::all_of(step.parts.begin(), step.parts.end(), [](const auto& part) {
    return part.tokens == 1 && part.wants_logits && part.sequence->emitted() > 0;
  });
  const auto tokens = static_cast<int64_t>(step.batch.token_ids.size());
  (is_decode ? stats_.decode_steps : stats_.prefill_steps) += 1;
  (is_decode ? stats_.decode_tokens : stats_.prefill_tokens) += tokens;
  (is_decode ? stats_.decode_seconds : stats_.prefill_seconds) += seconds;
}

}  // namespace partita::engine
