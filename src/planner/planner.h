// SPDX-License-Identifier: Apache-2.0
// From graph, mesh, profile and workload to a plan. Writes plans, never edits the graph.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cost/profile.h"
#include "ir/graph.h"
#include "plan/plan.h"
#include "planner/pins/pin.h"
#include "planner/solvers/solver.h"
#include "spec/mesh.h"

namespace partita::planner {

// What decides where a given number of stages is cut.
struct StageBalance {
  enum class By : uint8_t {
    kObjective,    // time, as the caller's objective adds it up
    kMix,          // the stage with the largest share of time and memory, mixed
    kWeightBytes,  // the stage with the most bytes of weights
  };
  By by = By::kObjective;
  double memory_weight = 0;  // of kMix: 0 = time alone .. 1 = weights and KV caches alone
};

// Where the readers of a weight with several ones (a tied embedding) may be.
enum class SharedWeights : uint8_t {
  kByCost,    // as kCopied or as kSent, whichever plan fits and is faster; of equal ones kCopied
  kCopied,    // anywhere; every stage that reads it stores its own copy, which counts there
  kTogether,  // in one stage
  // Anywhere; the first stage stores it and sends it on at every step. That takes time and, while
  // the weight is read, as much room; but room that other activations have at other times.
  kSent,
};

// The same model with weights of another type.
struct SmallerWeights {
  std::string name;   // as users ask for it: "bf16", "q8", "q4"
  std::string dtype;  // as plans note it: "bf16", "q8_0", "q4_0"
  std::function<ir::Graph()> graph;
};

// What to plan. The graph is borrowed for the call.
struct PlanRequest {
  const ir::Graph& graph;
  // The axis "pp" makes stages, "dp" replicas; all other axes split tensors. Example: "pp=2,tp=4".
  // plan_for_ranks() chooses the mesh itself and ignores this one.
  spec::Mesh mesh = {};
  // Instead of `mesh`: the mesh of every stage, in order; they may differ.
  std::vector<spec::Mesh> stage_meshes = {};
  cost::Profile profile = {};
  plan::Workload workload = {};
  std::string dtype = "f32";  // of the weights in the graph; noted in the plan
  std::string wire = "f32";   // of sums between ranks; noted in the plan
  // Every weight of two or more dims and every KV cache is split over all tensor axes where its
  // operators can be, even where a small model would be faster without.
  bool shard_weights = true;
  // Names of weights that stay whole on every rank all the same.
  std::vector<std::string> keep_whole = {};
  // Unlike devices of one stage share alike all the same.
  bool equal_shares = false;
  // Decisions taken beforehand (docs/formats/pins.md).
  std::vector<Pin> pins = {};
  // The nodes before which one stage ends and the next begins, ascending; one fewer than stages.
  // Empty = the planner cuts.
  std::vector<int64_t> cuts = {};
  // Another balance than kObjective makes plan_for_ranks() try equal stages only.
  StageBalance balance = {};
  SharedWeights shared_weights = SharedWeights::kByCost;
  double time_limit_s = 10;  // of the solver; plans repeat byte for byte unless it is reached
  // Borrowed for the call; null = the exact solver with the time limit.
  const Solver* solver = nullptr;
  // The same model with smaller weights, largest first; asked for only when nothing fits, to see
  // whether it would. Empty: it cannot be run so, or is already.
  std::vector<SmallerWeights> smaller_weights = {};
  // The same with KV caches of f16; null where they are as small already.
  std::function<ir::Graph()> smaller_cache = nullptr;
};

// One change of a request that does not fit, after which it does.
struct FitChange {
  enum class Kind : uint8_t {
    kMemory,
    kContext,
    kConcurrency,
    kStepTokens,
    kWeights,
    kCache,
    kRanks
  };
  Kind kind = Kind::kMemory;
  int64_t value = 0;       // bytes per device, positions, sequences, tokens, none, none, ranks
  std::string mesh;        // of kRanks
  std::string text;        // for people: "20.0 GB of memory per device"
  std::string dtype = {};  // of kWeights: "bf16", "q8", "q4"; of kCache: "f16"
};

// No plan holds the bound on memory.
struct Infeasible {
  std::string reason;              // one sentence for the user, with shortfall and what would fit
  std::string too_large;           // the kinds that are too much: "weights alone", ...
  int rank = 0;                    // the fullest rank, in the smallest plan
  int stage = 0;                   // of that rank
  int64_t shortfall_bytes = 0;     // of that rank
  plan::RankMemory memory;         // of that rank
  std::vector<FitChange> changes;  // each makes it fit by itself; found by trying
  std::optional<int64_t> fitting_ranks;  // the smallest power-of-two multiple found to fit
  std::string fitting_mesh;
};

using PlanResult = std::variant<plan::Plan, Infeasible>;

// A mesh that was looked at.
struct TriedMesh {
  std::string mesh;         // "pp=2,tp=4", "tp=2 | tp=1", "pp=2, shared weights sent"
  bool is_decided = false;  // false: its estimate was so much worse that it was not decided
  bool is_chosen = false;
  bool fits = false;
  double request_s = 0;    // estimated when not decided
  plan::CostTerms step;    // of one step, when decided
  int64_t rank_bytes = 0;  // of the fullest rank, when decided
  int64_t limit_bytes = 0;
};

// The plan of least predicted time per request on the given mesh. Exact for each stage (see
// Plan::gap); stages are balanced by dynamic programming. Throws kInvalidArgument (mesh, workload
// or profile that do not fit together; pins that do not fit or contradict each other), kUnsupported
// (unknown symbol of the graph).
// `tried` gets what was looked at where there was a choice: shared weights copied or sent.
[[nodiscard]] PlanResult make_plan(const PlanRequest& request,
                                   std::vector<TriedMesh>* tried = nullptr);

// Tries stages of all sizes over `ranks` ranks, equal and unequal, each with one or two tensor
// axes, and returns the plan of least predicted time per request. Of equal ones fewer stages win;
// arrangements that are not made by hand (unequal stages, axes that the machine has not) must be at
// least 2 % faster. Over a described mesh the axes follow its borders. Meshes without the axes and
// stages that pins name are passed over, and with pins or cuts stages are equal. `tried` gets what
// was looked at, in that order.
[[nodiscard]] PlanResult plan_for_ranks(const PlanRequest& request,
                                        int64_t ranks,
                                        std::vector<TriedMesh>* tried = nullptr);

}  // namespace partita::planner
