// SPDX-License-Identifier: Apache-2.0
// The generation loop: requests in, tokens out, over any StepRunner.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/request.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"
#include "text/tokenizer.h"

namespace partita::engine {

// Time and tokens of all steps so far, prefill and decode apart (a mixed step counts as prefill).
// While steps overlap, each second is counted once, for the step that came back next.
struct EngineStats {
  int64_t prefill_steps = 0;
  int64_t prefill_tokens = 0;
  double prefill_seconds = 0;
  int64_t decode_steps = 0;
  int64_t decode_tokens = 0;
  double decode_seconds = 0;
};

// What Engine::submit() refuses of a prompt within these limits. Throws kInvalidArgument: no token,
// ids outside the vocabulary, a prompt that leaves no room in max_context or in the KV cache.
void check_prompt(std::span<const int32_t> prompt, const RunnerLimits& limits);

enum class Overlap : uint8_t { kSteps, kNoOverlap };

// Owns all requests; the runner executes. Keeps as many steps in flight as the runner's stages
// need; when one is back, the ranks get the next before texts and callbacks take their time. When
// the runner loses a replica, its requests go on with the others, from the tokens they have. Owned
// by one thread. Example:
//   Engine engine(runner, &tokenizer, {eos});
//   engine.submit({.prompt = tokenizer.encode("Once"), .on_token = print});
//   while (engine.step()) {}
class Engine {
 public:
  // `runner` and `tokenizer` must outlive the engine; without tokenizer (null) events carry tokens
  // but no text. Tokens of `end_of_text` end a request. With kNoOverlap there is one step at a
  // time, none between calls of step(), and prompts are not cut for the sake of stages.
  Engine(StepRunner& runner,
         const text::Tokenizer* tokenizer,
         std::vector<int32_t> end_of_text,
         Overlap overlap = Overlap::kSteps);

  // Queues a request for the replica with the fewest, of those that are left, and returns its id
  // (1, 2, ...). Throws kInvalidArgument: what check_prompt() refuses, bad sampling values, empty
  // stop string, max_tokens < 1.
  int64_t submit(Request request);
  // Waits for one step of the ranks; false when there is nothing to do. Errors of the runner pass
  // through with no request lost: after restart() on a new runner the same requests go on from
  // their tokens. What a callback throws comes out when the step is complete for all requests; of
  // several, the first.
  bool step();
  // Ends a request with kCancelled; unknown ids are ignored. From a callback: at the end of the
  // step.
  void cancel(int64_t id);
  // Goes on with another runner of the same limits.
  void restart(StepRunner& runner);
  // Waits for steps that nobody needs any more. CHECKs that the engine is idle.
  void drain();
  // One step for the caller, of the first replica that is left, beside all requests: drain() first.
  // Nothing when that replica is lost on the way, with what it had cached, and another is left: the
  // next step is that one's.
  [[nodiscard]] std::optional<StepResult> run(const StepBatch& batch);
  // What the ranks have done. A loss that is first seen here is told, but not to a callback of
  // step().
  [[nodiscard]] std::vector<RankReport> report();
  [[nodiscard]] bool idle() const;
  // Called with every step that is back, before its tokens are told. It must not throw.
  void observe(std::function<void(const ScheduledStep&, const StepResult&)> on_step) {
    on_step_ = std::move(on_step);
  }
  // Called when a replica is lost, with its number and the reason. It must not throw.
  void on_loss(std::function<void(int replica, const std::string& why)> told) {
    on_loss_ = std::move(told);
  }
  [[nodiscard]] const EngineStats& stats() const { return stats_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct StepInFlight {
    ScheduledStep step;
    Clock::time_point submitted;
  };
  struct Replica {
    Scheduler scheduler;
    std::deque<StepInFlight> in_flight;  // oldest first
    bool is_lost = false;
  };

  void check(const Request& request) const;
  [[nodiscard]] bool is_in_flight() const;
  [[nodiscard]] Replica& least_busy();
  void fill();
  bool finish_one();
  void lose(const StepResult& loss);
  [[nodiscard]] bool needs_whole_logits(const ScheduledStep& step) const;
  [[nodiscard]] std::vector<int32_t> choose_tokens(const ScheduledStep& step,
                                                   const StepResult& result) const;
  // The logits of the part with the `row`-th row, nothing where the step has candidates only.
  [[nodiscard]] std::span<const float> logits_of(const StepResult& result, size_t row) const;
  void check_sizes(const StepBatch& batch, const StepResult& result) const;
  void append(Sequence& sequence, int32_t token) const;
  void tell(const ScheduledStep& step,
            const std::vector<int32_t>& tokens,
            const StepResult& result);
  void tell_token(Sequence& sequence, int32_t token, std::span<const float> logits);
  void guarded(const std::function<void()>& action);
  void count(const StepInFlight& step);

  StepRunner* runner_;
  const text::Tokenizer* tokenizer_;
  std::vector<int32_t> end_of_text_;
  Overlap overlap_;
  std::deque<Replica> replicas_;
  int64_t next_id_ = 1;
  bool telling_ = false;            // a callback may be running
  std::vector<int64_t> to_cancel_;  // asked for by callbacks
  std::exception_ptr error_;  // of callbacks and of handing steps over, the first of this step
  std::function<void(const ScheduledStep&, const StepResult&)> on_step_;
  std::function<void(int, const std::string&)> on_loss_;
  Clock::time_point last_done_;  // when the last step came back
  EngineStats stats_;
};

}  // namespace partita::engine
