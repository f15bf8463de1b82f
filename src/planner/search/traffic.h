// SPDX-License-Identifier: Apache-2.0
// A simulation of requests on replicas, so that their number follows from traffic and not from the
// graph.
#pragma once

#include <cstdint>
#include <span>

namespace partita::planner {

// What clients ask for. Lengths are spread evenly over half to one and a half of their mean.
struct Traffic {
  double requests_per_s = 0;    // Poisson arrivals; 0 = `clients` that each wait for their answer
  int64_t clients = 1;          // used when requests_per_s is 0
  int64_t prompt_tokens = 512;  // mean, >= 1
  int64_t output_tokens = 128;  // mean, >= 1
  int64_t requests = 0;         // simulated ones; 0 = as many as steady figures need
  uint64_t seed = 0;
};

// Seconds of one step of one replica, or of one stage of it. A step with `n` decoding sequences
// takes the straight line between the two priced batches; prefill tokens take their share of a full
// chunk.
struct StepTimes {
  double decode_one_s = 0;   // one sequence
  double decode_full_s = 0;  // max_sequences of them
  double prefill_s = 0;      // a full chunk
  int64_t max_sequences = 1;
  int64_t chunk_tokens = 1;

  // Of a step that decodes `sequences` and prefills `prompt_tokens`; both together share the reads
  // of the weights, so the longer of the two counts.
  [[nodiscard]] double step_s(int64_t sequences, int64_t prompt_tokens) const;
};

struct TrafficResult {
  double tokens_per_s = 0;       // generated, by all replicas
  double first_token_p50_s = 0;  // from arrival
  double first_token_p95_s = 0;
  double request_p50_s = 0;  // from arrival to the last token
  double request_p95_s = 0;
  bool keeps_up = true;  // false: arrivals come faster than they are served
  bool operator==(const TrafficResult&) const = default;
};

// Runs the engine's policy (every decoding sequence each step, the rest of the chunk filled with
// prompts in order of arrival) on each of `replicas`, a request going to the replica with the
// fewest in flight. Each has the given stages: a step goes through all, as many steps are in flight
// as there are stages, and the decoding sequences are shared out to them; max_sequences are those
// of the replica, and they and chunk_tokens must be the same for all stages. Event driven,
// deterministic. Throws kInvalidArgument for numbers out of range. Costs O((requests + prompt
// chunks) * stages * (sequences of a replica + log replicas)), however many tokens are generated.
[[nodiscard]] TrafficResult simulate_traffic(const Traffic& traffic,
                                             std::span<const StepTimes> stages,
                                             int64_t replicas);
// Of one stage.
[[nodiscard]] inline TrafficResult simulate_traffic(const Traffic& traffic,
                                                    const StepTimes& times,
                                                    int64_t replicas) {
  return simulate_traffic(traffic, std::span(&times, 1), replicas);
}

}  // namespace partita::planner
