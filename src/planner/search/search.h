// SPDX-License-Identifier: Apache-2.0
// Search over replicas, stages and tensor ranks together for what the user wants most.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "planner/planner.h"
#include "planner/search/traffic.h"

namespace partita::planner {

enum class Objective : uint8_t {
  kLatency,     // least predicted seconds of one request
  kThroughput,  // most generated tokens per second under the traffic
  kKvTokens,    // most positions that the KV caches can hold
};

// "latency", "throughput" or "kv". Throws kInvalidArgument listing them.
[[nodiscard]] Objective parse_objective(std::string_view text);
[[nodiscard]] std::string_view to_string(Objective objective);

struct SearchRequest {
  const PlanRequest& plan;  // its mesh is not looked at; workload.concurrency = clients
  int64_t ranks = 1;
  Objective objective = Objective::kThroughput;
  double requests_per_s = 0;  // 0: the clients send as fast as they are answered
};

// One mesh that was looked at, judged in all three ways. Sequences are shared by the replicas.
struct CandidateReport {
  spec::Mesh mesh;          // with its axis dp, when there are replicas
  bool fits = false;        // holds the memory bound; otherwise the rest is what it would be
  double decode_s = 0;      // one step, all sequences of a replica in flight
  double prefill_s = 0;     // one full chunk
  double request_s = 0;     // one request, all others in flight
  TrafficResult traffic;    // of all replicas
  int64_t rank_bytes = 0;   // of the fullest rank
  int64_t limit_bytes = 0;  // of its device
  int64_t kv_tokens = 0;    // positions all replicas could hold within the limit
  bool is_pareto = false;   // no other one that fits is as good in latency, throughput and bytes
  bool is_chosen = false;
};

struct PlanSearch {
  PlanResult result;
  std::vector<CandidateReport> candidates;  // in the order they were tried
};

// Plans every mesh of `ranks` ranks with replicas, stages and tensor axes, simulates the traffic on
// each, and takes the best by the objective; fewer replicas, then fewer stages, unless more are at
// least 2 % better. When none fits the result is that of plan_for_ranks(). Deterministic.
[[nodiscard]] PlanSearch search_plans(const SearchRequest& request);

}  // namespace partita::planner
