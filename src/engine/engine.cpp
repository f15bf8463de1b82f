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

// Positions that one sequence can have.
int64_t room_of(const RunnerLimits& limits) {
  return std::min(limits.max_context, limits.kv_blocks * limits.block_size);
}

}  // namespace

void check_prompt(std::span<const int32_t> prompt, const RunnerLimits& limits) {
  if (prompt.empty()) refuse("the prompt is empty; give at least one token");
  for (const int32_t token : prompt) {
    if (token < 0 || token >= limits.vocab_size) {
      refuse(str("token id ", token, " is outside the vocabulary; expected 0 .. ",
                 limits.vocab_size - 1));
    }
  }
  const int64_t room = room_of(limits);
  if (static_cast<int64_t>(prompt.size()) < room) return;
  refuse(str("the prompt has ", prompt.size(), " tokens; at most ", room - 1,
             " fit the context of ", limits.max_context, " and the KV cache of ",
             limits.kv_blocks * limits.block_size,
             " positions; shorten it or raise --max-context"));
}

std::string_view to_string(FinishReason reason) {
  return kFinishNames.at(static_cast<size_t>(reason));
}

Engine::Engine(StepRunner& runner,
               const text::Tokenizer* tokenizer,
               std::vector<int32_t> end_of_text,
               Overlap overlap)
    : runner_(&runner),
      tokenizer_(tokenizer),
      end_of_text_(std::move(end_of_text)),
      overlap_(overlap) {
  RunnerLimits limits = runner.limits();
  if (overlap == Overlap::kNoOverlap) limits.stages = limits.steps_in_flight = 1;
  for (int64_t replica = 0; replica < limits.replicas; ++replica)
    replicas_.push_back({Scheduler(limits), {}, false});
}

int64_t Engine::submit(Request request) {
  check(request);
  const int64_t id = next_id_++;
  least_busy().scheduler.add(std::make_unique<Sequence>(id, std::move(request), tokenizer_));
  return id;
}

// Of those that are left.
Engine::Replica& Engine::least_busy() {
  return *std::ranges::min_element(replicas_, {}, [](const Replica& replica) {
    return std::pair(replica.is_lost, replica.scheduler.sequences());
  });
}

std::optional<StepResult> Engine::run(const StepBatch& batch) {
  CHECK(idle() && !is_in_flight());
  const auto live = std::ranges::find(replicas_, false, &Replica::is_lost);
  CHECK(live != replicas_.end(), "the runner has lost all replicas without an error");
  const auto replica = static_cast<int>(live - replicas_.begin());
  runner_->submit(replica, batch);
  while (true) {
    const StepResult& result = runner_->wait();
    if (result.loss.empty()) return result;
    lose(result);
    if (result.replica == replica) return std::nullopt;
  }
}

std::vector<RankReport> Engine::report() {
  std::vector<RankReport> reports = runner_->report();
  const auto is_news = [this](const RankReport& rank) {
    return rank.is_lost && !replicas_.at(static_cast<size_t>(rank.replica)).is_lost;
  };
  // The step that is being told has its sequences: the next one tells then.
  while (!telling_ && std::ranges::any_of(reports, is_news)) lose(runner_->wait());
  return reports;
}

bool Engine::step() {
  if (telling_)
    refuse("step() was called by a callback of step(); call it after that has returned");
  while (true) {
    fill();
    if (!is_in_flight()) return false;
    if (finish_one()) return true;
  }
}

bool Engine::idle() const {
  return std::all_of(replicas_.begin(), replicas_.end(),
                     [](const Replica& replica) { return replica.scheduler.idle(); });
}

bool Engine::is_in_flight() const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [](const Replica& replica) { return !replica.in_flight.empty(); });
}

void Engine::drain() {
  CHECK(idle());
  while (is_in_flight()) (void)finish_one();
}

// Hands all steps to the ranks that there are to compute now.
void Engine::fill() {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    Replica& replica = replicas_[i];
    while (true) {
      ScheduledStep step = replica.scheduler.next_step();
      if (step.parts.empty()) break;
      step.batch.whole_logits = needs_whole_logits(step);
      replica.in_flight.push_back({std::move(step), Clock::now()});
      runner_->submit(static_cast<int>(i), replica.in_flight.back().step.batch);
    }
  }
}

// Its requests are computed again elsewhere; what they have told so far stays.
void Engine::lose(const StepResult& loss) {
  Replica& lost = replicas_.at(static_cast<size_t>(loss.replica));
  lost.is_lost = true;
  lost.in_flight.clear();
  for (std::unique_ptr<Sequence>& sequence : lost.scheduler.hand_over())
    least_busy().scheduler.add(std::move(sequence));
  if (on_loss_) on_loss_(loss.replica, loss.loss);
}

// Waits for a step. False when all its sequences had ended before, or a replica was lost instead.
bool Engine::finish_one() {
  const StepResult& result = runner_->wait();
  if (!result.loss.empty()) {
    lose(result);
    return false;
  }
  Replica& replica = replicas_.at(static_cast<size_t>(result.replica));
  CHECK(!replica.in_flight.empty(), "a step came back that was never handed over");
  const StepInFlight done = std::move(replica.in_flight.front());
  replica.in_flight.pop_front();
  const ScheduledStep& step = done.step;
  check_sizes(step.batch, result);
  const bool is_needed = std::any_of(step.parts.begin(), step.parts.end(),
                                     [](const auto& part) { return !part.sequence->has_ended(); });
  std::vector<int32_t> tokens;
  try {
    tokens = choose_tokens(step, result);
  } catch (...) {
    replica.scheduler.abandon_step(step);
    throw;
  }
  count(done);
  if (on_step_) on_step_(step, result);
  for (size_t i = 0; i < step.parts.size(); ++i) {
    if (tokens[i] >= 0) append(*step.parts[i].sequence, tokens[i]);
  }
  replica.scheduler.finish_step(step);
  if (overlap_ == Overlap::kSteps) guarded([&] { fill(); });
  tell(step, tokens, result);
  replica.scheduler.drop_ended();
  for (const int64_t id : std::exchange(to_cancel_, {})) guarded([&] { cancel(id); });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  return is_needed;
}

void Engine::check_sizes(const StepBatch& batch, const StepResult& result) const {
  const RunnerLimits& limits = runner_->limits();
  const size_t rows = batch.logit_rows.size();
  const size_t candidates = rows * static_cast<size_t>(limits.candidates);
  CHECK(result.logits.size() ==
        (batch.whole_logits ? rows * static_cast<size_t>(limits.vocab_size) : 0));
  CHECK(result.candidate_logits.size() == candidates &&
        result.candidate_tokens.size() == candidates);
}

bool Engine::needs_whole_logits(const ScheduledStep& step) const {
  const RunnerLimits& limits = runner_->limits();
  return std::ranges::any_of(step.parts, [&](const ScheduledStep::Part& part) {
    const Request& request = part.sequence->request;
    return part.wants_logits &&
           (request.on_logits ||
            !candidates_suffice(request.sampling, limits.candidates, limits.vocab_size));
  });
}

std::span<const float> Engine::logits_of(const StepResult& result, size_t row) const {
  if (result.logits.empty()) return {};
  const auto vocab = static_cast<size_t>(runner_->limits().vocab_size);
  return std::span(result.logits).subspan(row * vocab, vocab);
}

// For each part its next token, -1 where there is none. Everything that can fail comes before the
// first change of a sequence.
std::vector<int32_t> Engine::choose_tokens(const ScheduledStep& step,
                                           const StepResult& result) const {
  const auto candidates = static_cast<size_t>(runner_->limits().candidates);
  std::vector<int32_t> tokens;
  size_t next_row = 0;
  for (const ScheduledStep::Part& part : step.parts) {
    tokens.push_back(-1);
    if (!part.wants_logits) continue;
    const size_t row = next_row++;
    const Sequence& sequence = *part.sequence;
    if (sequence.has_ended()) continue;
    const SamplingParams& params = sequence.request.sampling;
    const auto index = static_cast<uint64_t>(sequence.emitted());
    if (step.batch.whole_logits) {
      tokens.back() = sample(logits_of(result, row), sequence.tokens, params, index);
      continue;
    }
    const auto of_row = [&](const auto& values) {
      return std::span(values).subspan(row * candidates, candidates);
    };
    tokens.back() =
        sample({of_row(result.candidate_logits), of_row(result.candidate_tokens)}, params, index);
  }
  return tokens;
}

void Engine::tell(const ScheduledStep& step,
                  const std::vector<int32_t>& tokens,
                  const StepResult& result) {
  size_t next_row = 0;
  telling_ = true;
  for (size_t i = 0; i < step.parts.size(); ++i) {
    if (!step.parts[i].wants_logits) continue;
    const size_t row = next_row++;
    if (tokens[i] >= 0) tell_token(*step.parts[i].sequence, tokens[i], logits_of(result, row));
  }
  telling_ = false;
}

void Engine::cancel(int64_t id) {
  if (telling_) {  // the step under way is told first
    to_cancel_.push_back(id);
    return;
  }
  for (Replica& replica : replicas_) {
    const Sequence* sequence = replica.scheduler.cancel(id);
    if (sequence == nullptr || !sequence->request.on_token) continue;
    // The callback may submit and cancel.
    const auto on_token = sequence->request.on_token;
    on_token({.request = id, .text = {}, .finish = FinishReason::kCancelled});
  }
  for (Replica& replica : replicas_) replica.scheduler.drop_ended();
}

void Engine::restart(StepRunner& runner) {
  runner_ = &runner;
  for (Replica& replica : replicas_) {
    replica.in_flight.clear();
    replica.is_lost = false;
    replica.scheduler.restart();
    replica.scheduler.drop_ended();
  }
}

void Engine::check(const Request& request) const {
  validate(request, tokenizer_ != nullptr);
  check_prompt(request.prompt, runner_->limits());
}

// Appends the token and sees what of its end the token alone decides.
void Engine::append(Sequence& sequence, int32_t token) const {
  const Request& request = sequence.request;
  sequence.tokens.push_back(token);
  const bool is_end =
      std::find(end_of_text_.begin(), end_of_text_.end(), token) != end_of_text_.end();
  if (is_end && !request.ignore_end_of_text) {
    sequence.finish = FinishReason::kEndOfText;
  } else if (sequence.emitted() >= request.max_tokens ||
             sequence.length() >= room_of(runner_->limits())) {
    sequence.finish = FinishReason::kLength;
  }
}

// Streams the text of an appended token; a stop string in it ends the sequence, which may be in
// flight again.
void Engine::tell_token(Sequence& sequence, int32_t token, std::span<const float> logits) {
  const Request& request = sequence.request;
  TokenEvent event{.request = sequence.id, .token = token, .text = {}, .finish = sequence.finish};
  if (event.finish != FinishReason::kEndOfText) {
    event.text = sequence.stops.push(sequence.detokenizer ? sequence.detokenizer->push(token) : "");
    if (sequence.stops.stopped()) event.finish = FinishReason::kStopString;
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

// Keeps what user code or the runner throws until the step is complete.
void Engine::guarded(const std::function<void()>& action) {
  try {
    action();
  } catch (...) {
    if (!error_) error_ = std::current_exception();
  }
}

void Engine::count(const StepInFlight& done) {
  const Clock::time_point now = Clock::now();
  const double seconds =
      std::chrono::duration<double>(now - std::max(done.submitted, last_done_)).count();
  last_done_ = now;
  bool is_decode = true;
  int64_t tokens = 0;
  for (const ScheduledStep::Part& part : done.step.parts) {
    if (part.sequence->has_ended()) continue;  // computed for nobody
    is_decode = is_decode && part.is_decode;
    tokens += part.tokens;
  }
  if (tokens == 0) return;
  (is_decode ? stats_.decode_steps : stats_.prefill_steps) += 1;
  (is_decode ? stats_.decode_tokens : stats_.prefill_tokens) += tokens;
  (is_decode ? stats_.decode_seconds : stats_.prefill_seconds) += seconds;
}

}  // namespace partita::engine
