// SPDX-License-Identifier: Apache-2.0
// Predicted and measured seconds of a model on this machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partita/engine.h"
#include "partita/plan.h"

namespace partita {

struct ModelBenchOptions {
  // plan.concurrency prompts are prefilled, in one step where the runner has only one in flight;
  // then the output tokens are decoded. max_context and max_step_tokens follow.
  PlanOptions plan;
  EngineOptions engine;
  int repeats = 5;
  // Measures this machine for as many ranks just before, instead of plan.devices or the cache: the
  // cores are moved now and then, and a profile holds for how they lay.
  bool calibrates = false;
  bool profile_ops = false;  // also time every operator; asks the ranks for reports between steps
};

// Seconds of one step: as the plan predicts it, and the repeats, frontend and sampling included.
struct StepTimes {
  double predicted = 0;
  std::vector<double> measured;  // ascending

  [[nodiscard]] double best() const { return measured.front(); }
  [[nodiscard]] double median() const { return measured[measured.size() / 2]; }
};

struct MemoryBytes {
  int64_t predicted = 0;  // of the rank: weights, cache, activations, buffers, reserve
  int64_t measured = 0;   // most resident memory of its process; 0 where ranks share one
};

// Seconds that all nodes of one operator take in a step of one rank.
struct OpTimes {
  int rank = 0;
  std::string op;
  int64_t calls = 0;  // per step
  double best = 0;
  double median = 0;
};

struct ModelBenchResult {
  std::string mesh;  // "" for one rank
  int ranks = 1;
  int64_t vocab_size = 0;            // the prompt's tokens are below
  std::string profile;               // the id
  StepTimes prefill;                 // all prompts
  StepTimes decode;                  // one token of every request
  std::vector<OpTimes> prefill_ops;  // by rank, slowest first; empty unless asked for
  std::vector<OpTimes> decode_ops;
  std::vector<MemoryBytes> memory;  // by rank
  // Of a decode step: the bytes of weights that all ranks read, and the seconds that plain reads of
  // so many take with as many threads as work at once. Stages read one after the other.
  double step_weight_bytes = 0;
  double step_read_seconds = 0;
  double profile_round_trip_ns = 0;  // when the profile was measured; 0 = unknown
  double busy_share = 0;             // of the processors by other programs, before
  double round_trip_before_ns = 0;   // see calibrate.h
  double round_trip_after_ns = 0;
};

// Plans, starts the ranks, runs a prompt of pseudo-random tokens `repeats` times (and once to warm
// up). Throws what Plan::make() and Engine throw, and kInvalidArgument unless repeats >= 1.
[[nodiscard]] ModelBenchResult bench_model(const Model& model, const ModelBenchOptions& options);

}  // namespace partita
