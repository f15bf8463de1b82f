// SPDX-License-Identifier: Apache-2.0
// Tokens per second of many requests at once, on several meshes by turns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partita/engine.h"
#include "partita/plan.h"

namespace partita {

struct BatchBenchOptions {
  // "1" is one rank. The others are compared with the first.
  std::vector<std::string> meshes = {"1"};
  // Requests at once for every stage and replica: as many sequences share a step on every mesh, and
  // all stages have one.
  int64_t requests_per_stage = 4;
  PlanOptions plan;  // prompt_tokens, output_tokens, max_step_tokens; mesh and concurrency follow
  EngineOptions engine;
  int rounds = 3;  // after one to warm up
  // What the ranks of the last mesh did when is written here, see Engine::write_trace().
  std::string trace_file;
};

// One kind of work in one round.
struct BatchRate {
  double tokens_per_second = 0;
  std::vector<double> busy;  // by rank: share of the time that was no bubble
};

struct BatchRound {
  BatchRate prefill;         // prompts only
  BatchRate decode;          // prompts of one token
  double round_trip_ns = 0;  // between two cores before it, see calibrate.h
};

struct BatchBenchResult {
  std::string mesh;
  int64_t requests = 0;
  std::vector<BatchRound> rounds;
};

// Starts the ranks of all meshes and lets each work in turn. Throws what Plan::make() and Engine
// throw, and kInvalidArgument for less than one round or request.
[[nodiscard]] std::vector<BatchBenchResult> bench_batch(const Model& model,
                                                        const BatchBenchOptions& options);

}  // namespace partita
