// SPDX-License-Identifier: Apache-2.0
// From a checkpoint in the page cache to the first token: seconds by phase, and memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "partita/engine.h"
#include "partita/model.h"
#include "partita/plan.h"

namespace partita {

struct LoadBenchOptions {
  LoadOptions load;
  PlanOptions plan;
  EngineOptions engine;
  int rounds = 3;
  int64_t prompt_tokens = 8;  // of the request whose first token ends a round
  // Memory that no program has used for some seconds may have gone back from a virtual machine to
  // its host, and then its first use is many times slower than all loading. False: each round uses
  // as much memory as it will load before it begins, so that the host has it ready; true: it finds
  // the memory as it is, and that rate is measured afterwards.
  bool uses_memory_as_found = false;
};

// One load, in seconds. The ranks load at the same time: of each phase the slowest rank counts.
struct LoadRound {
  double total = 0;                  // from reading config.json to the first token
  double model = 0;                  // config, tokenizer, graph
  double plan = 0;                   // the profile of the machine and the plan
  double start = 0;                  // starting and joining the ranks, and all that is not listed
  LoadCost load;                     // of the slowest rank by phase
  double first_token = 0;            // the first step, which makes what is made on first use
  double read_bytes_per_second = 0;  // all ranks together, over `load.read` and `load.pack`
  // Beside it, by as many threads as ranks: copying the checkpoint's files out of the page cache,
  // and using new memory for the first time.
  double copy_bytes_per_second = 0;
  double new_memory_bytes_per_second = 0;
};

struct LoadBenchResult {
  std::string mesh;  // "" for one rank
  std::string dtype;
  std::string kv_cache;
  int64_t file_bytes = 0;           // of the checkpoint
  std::vector<LoadRound> rounds;    // ascending by total
  std::vector<RankCost> ranks;      // of the last round: shards, caches, peaks of memory
  double busy_share = 0;            // of the processors by other programs, before
  double round_trip_before_ns = 0;  // see calibrate.h
  double round_trip_after_ns = 0;

  [[nodiscard]] const LoadRound& median() const { return rounds[rounds.size() / 2]; }
};

// Reads the checkpoint once, so that it is in the page cache if that has room, then loads it
// `rounds` times. Throws what Model::load(), Plan::make() and Engine throw, and kInvalidArgument
// for less than one round or token.
[[nodiscard]] LoadBenchResult bench_load(const std::filesystem::path& path,
                                         const LoadBenchOptions& options);

}  // namespace partita
