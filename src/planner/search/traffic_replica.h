// SPDX-License-Identifier: Apache-2.0
// One replica of a traffic simulation: the engine's policy over the stages of a pipeline.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <span>
#include <vector>

#include "planner/search/traffic.h"

namespace partita::planner {

// Of an event that will not come.
inline constexpr double kNever = std::numeric_limits<double>::infinity();

// A request of the simulation; times in seconds from its begin.
struct SimulatedRequest {
  double arrival_s = 0;
  int64_t prompt_left = 0;  // not yet in a step
  int64_t output_left = 0;
  bool awaits_token = false;  // a step in flight gives its next one
  double first_token_s = 0;
  double end_s = 0;
};

// What waits, what runs, and the steps in flight: as many as there are stages, one more before the
// first stage while prompts are read. A stage works on one step at a time, in order. When all
// sequences decode and every round of steps is like the one before, rounds are taken together until
// a sequence ends or a request joins. Borrows the times.
class TrafficReplica {
 public:
  explicit TrafficReplica(std::span<const StepTimes> stages)
      : stages_(stages), free_s_(stages.size(), 0) {}

  // A request that finds a place joins at the next step.
  void add(size_t request, double now_s, std::vector<SimulatedRequest>& requests);
  // Hands over all steps that there are to compute now.
  void start_steps(double now_s, std::vector<SimulatedRequest>& requests);
  // Applies the step that is back next; returns how many requests it finished.
  int64_t finish_step(std::vector<SimulatedRequest>& requests);

  [[nodiscard]] size_t in_flight() const { return waiting_.size() + running_.size(); }
  // When the next step is back.
  [[nodiscard]] double step_end_s() const { return steps_.empty() ? kNever : steps_.front().end_s; }

 private:
  struct Part {
    size_t request = 0;
    int64_t prompt_tokens = 0;  // 0 = decodes
    bool gives_token = false;   // what follows is known when it is back
    bool operator==(const Part&) const = default;
  };
  struct Step {
    std::vector<Part> parts;
    double end_s = 0;
  };
  // What decides how it goes on, with times from `now_s` on.
  struct State {
    double now_s = 0;
    std::vector<double> times_s;  // ends of steps, then when stages are free
    std::vector<std::vector<Part>> steps;
  };

  [[nodiscard]] bool is_full() const {
    return running_.size() >= static_cast<size_t>(stages_.front().max_sequences);
  }
  [[nodiscard]] Step next_step(const std::vector<SimulatedRequest>& requests);
  [[nodiscard]] int64_t chunk_tokens(int64_t pending) const;
  void launch(Step step, double now_s, std::vector<SimulatedRequest>& requests);
  [[nodiscard]] State state(double now_s) const;
  void skip_rounds(double now_s, std::vector<SimulatedRequest>& requests);
  void shift(int64_t rounds, std::vector<SimulatedRequest>& requests);

  std::span<const StepTimes> stages_;
  std::deque<size_t> waiting_;
  std::vector<size_t> running_;  // by arrival
  std::deque<Step> steps_;       // in flight
  std::vector<double> free_s_;   // per stage: when its last step leaves it
  int64_t prefill_wave_ = 0;     // most prompt tokens that waited since there were none
  std::deque<State> history_;    // one per step of a round, while all sequences decode
  // Rounds taken together: the first began at skipped_from_s_.
  int64_t skipped_ = 0;
  double skipped_from_s_ = 0;
  double round_s_ = 0;
};

}  // namespace partita::planner
