// SPDX-License-Identifier: Apache-2.0
// The plan: every decision of how a graph lies on its ranks, as data. The only thing the two halves
// of partita share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "spec/mesh.h"
#include "spec/reshard.h"
#include "spec/tensor_spec.h"
#include "support/json.h"

namespace partita::plan {

// What the plan is made for.
struct Workload {
  int64_t prompt_tokens = 512;    // average prompt length
  int64_t output_tokens = 128;    // average number of generated tokens
  int64_t concurrency = 1;        // sequences in flight
  int64_t max_context = 2048;     // positions per sequence the KV cache must hold
  int64_t max_step_tokens = 512;  // tokens of one step (prefill chunk)
  int64_t block_size = 16;        // positions per KV block
  bool operator==(const Workload&) const = default;
};

// Predicted seconds of one piece of work in one decode step and in one full prefill chunk, with the
// named terms.
struct CostTerms {
  double decode_compute_s = 0;
  double decode_comm_s = 0;
  double prefill_compute_s = 0;
  double prefill_comm_s = 0;
  bool operator==(const CostTerms&) const = default;
};

struct OpDecision {
  std::string node;              // Node::name
  std::vector<int> axis_factor;  // spec::Strategy::axis_factor on the stage's mesh
  CostTerms cost;
  std::string source = {};  // who decided, e.g. "pins.toml:3"; empty = the planner
  bool operator==(const OpDecision&) const = default;
};

// A priced path of collectives of one value, injected exactly as listed, once, before its first
// consumer.
struct ReshardDecision {
  std::string value;  // Value::name in the unsharded graph
  spec::TensorSpec from;
  spec::TensorSpec to;
  spec::ReshardPath steps;
  std::vector<std::string> consumers;  // Node::name; "" = a graph output
  int64_t decode_bytes = 0;            // payload of all steps in one decode step
  CostTerms cost;
  // The stage on whose mesh it happens; kOwnStage = where the value is made or first read.
  int stage = kOwnStage;
  static constexpr int kOwnStage = -1;
  bool operator==(const ReshardDecision&) const = default;
};

// Consecutive nodes [first_node, end_node) of the graph on an own mesh; mesh.ranks() are the global
// ranks (within one replica).
struct Stage {
  int64_t first_node = 0;
  int64_t end_node = 0;
  spec::Mesh mesh;
  CostTerms predicted = {};  // of its own nodes and reshards; messages between stages not included
  bool operator==(const Stage&) const = default;
};

// How a later stage stores its own copy of a weight that an earlier stage stores too; or that it
// stores none and is sent the whole weight by the first stage that reads it, at every step.
struct WeightCopy {
  std::string value;
  int stage = 0;
  spec::TensorSpec spec;  // replicated when sent
  bool is_sent = false;
  bool operator==(const WeightCopy&) const = default;
};

// Bytes on one rank, by kind.
struct RankMemory {
  int64_t weights = 0;
  int64_t kv_cache = 0;
  int64_t activations = 0;
  int64_t communication = 0;
  int64_t reserve = 0;
  int64_t limit = 0;  // of the device; 0 = not bounded
  [[nodiscard]] int64_t total() const {
    return weights + kv_cache + activations + communication + reserve;
  }
  // Bytes beyond the limit; negative = free.
  [[nodiscard]] int64_t excess() const { return total() - limit; }
  bool operator==(const RankMemory&) const = default;
};

// Everything. Same graph, mesh, profile, workload and options give a byte-identical file. Values,
// ops and reshards that are absent (hand-written plans) are replicated.
struct Plan {
  std::string graph_hash;
  std::string model;    // Graph::name()
  spec::Mesh mesh;      // the whole mesh of one replica, e.g. pp=2,tp=2
  std::string profile;  // id of the cost profile
  Workload workload;
  std::string dtype = "f32";        // of weights at run time: f32, bf16, q8_0 or q4_0
  std::string cache_dtype = "f32";  // of the KV caches, which the graph has: f32, bf16 or f16
  // How sums travel between ranks (comm/all_reduce.h): "f32", or "bf16" rounded; the largest
  // payload that is reduced in one exchange, kOwnChoice = what the transport takes for best.
  std::string wire = "f32";
  int64_t one_shot_bytes = kOwnChoice;
  static constexpr int64_t kOwnChoice = -1;
  int64_t replicas = 1;
  std::vector<Stage> stages;  // in order; together they cover all nodes
  std::vector<std::pair<std::string, spec::TensorSpec>>
      values;  // weights, states and results, in graph order, on their stage's mesh
  std::map<std::string, std::string> value_sources;  // value -> who decided; absent = the planner
  std::vector<WeightCopy> copies;                    // in the order of stages, then of the graph
  std::vector<OpDecision> ops;                       // in graph order
  std::vector<ReshardDecision> reshards;             // in graph order
  std::vector<RankMemory> memory;                    // per rank of one replica
  CostTerms predicted;                               // of one step through all stages
  std::string solver;                                // which algorithm decided
  double gap = 0;  // (cost - proven lower bound) / cost; 0 = proven optimal
  bool operator==(const Plan&) const = default;

  [[nodiscard]] int64_t ranks() const { return mesh.size(); }
  // Stage of a rank / of a node index; CHECKs the range.
  [[nodiscard]] int stage_of_rank(int rank) const;
  [[nodiscard]] int stage_of_node(int64_t node) const;
};

// plan.json (docs/formats/plan.md). from_json throws kInvalidFile naming the key and the rule, and
// checks everything that can be checked without the graph. Specs are written as text and as pieces
// where uneven. The graph gives shapes for the text.
[[nodiscard]] Json to_json(const Plan& plan, const ir::Graph& graph);
[[nodiscard]] Plan plan_from_json(const Json& json, const ir::Graph& graph, std::string_view what);

// The element type of the graph's KV caches (its states) as a plan notes it; "f32" without any.
[[nodiscard]] std::string cache_dtype_of(const ir::Graph& graph);

// Checks a plan against its graph: hash, type of the KV caches, stages cover all nodes, names
// exist, specs valid, strategies legal. Throws kInvalidArgument naming the first contradiction.
void validate(const Plan& plan, const ir::Graph& graph);

// 16 hex digits over the JSON text; goes into the handshake of the ranks.
[[nodiscard]] std::string hash_of(const Plan& plan, const ir::Graph& graph);

}  // namespace partita::plan
