// SPDX-License-Identifier: Apache-2.0
// The generation loop: requests in, tokens out, over any StepRunner.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"
#include "text/tokenizer.h"

namespace partita::engine {

// Time and tokens of all steps so far, prefill and decode apart (a mixed step counts as prefill).
struct EngineStats {
  int64_t prefill_steps = 0;
  int64_t prefill_tokens = 0;
  double prefill_seconds = 0;
  int64_t decode_steps = 0;
  int64_t decode_tokens = 0;
  double decode_seconds = 0;
};

// Owns all requests; the runner executes. Owned by one thread. Example:
//   Engine engine(runner, &tokenizer, {eos});
//   engine.submit({.prompt = tokenizer.encode("Once"), .on_token = print});
//   while (engine.step()) {}
class Engine {
 public:
  // `runner` and `tokenizer` must outlive the engine; without tokenizer (null) events carry tokens
  // but no text. Tokens of `end_of_text` end a request.
  Engine(StepRunner& runner, const text::Tokenizer* tokenizer, std::vector<int32_t> end_of_text);

  // Queues a request and returns its id (1, 2, ...). Throws kInvalidArgument: empty prompt, ids
  // outside the vocabulary, a prompt that leaves no room in max_context or in the KV cache, bad
  // sampling values, empty stop string, max_tokens < 1.
  int64_t submit(Request request);
  // Runs one step; false when there is nothing to do. Errors of the runner pass through with no
  // request lost: after restart() on a new runner the same requests go on from their tokens. What a
  // callback throws comes out when the step is complete for all requests; of several, the first.
  bool step();
  // Ends a request with kCancelled; unknown ids are ignored. From a callback: at the end of the
  // step.
  void cancel(int64_t id);
  // Goes on with another runner of the same limits.
  void restart(StepRunner& runner);
  [[nodiscard]] bool idle() const { return scheduler_.idle(); }
  [[nodiscard]] const EngineStats& stats() const { return stats_; }

 private:
  void check(const Request& request) const;
  [[nodiscard]] std::vector<int32_t> choose_tokens(const ScheduledStep& step,
                                                   std::span<const float> logits) const;
  void emit(const ScheduledStep& step, const StepResult& result);
  void emit_token(Sequence& sequence, int32_t token, std::span<const float> logits);
  void guarded(const std::function<void()>& callback);
  void count(const ScheduledStep& step, double seconds);

  StepRunner* runner_;
  const text::Tokenizer* tokenizer_;
  std::vector<int32_t> end_of_text_;
  Scheduler scheduler_;
  int64_t next_id_ = 1;
  bool emitting_ = false;              // a callback may be running
  std::vector<int64_t> to_cancel_;     // asked for by callbacks
  std::exception_ptr callback_error_;  // of this step, if any
  EngineStats stats_;
};

}  // namespace partita::engine
