// SPDX-License-Identifier: Apache-2.0
#include "planner/stage_plan.h"

#include <algorithm>
#include <limits>

#include "cost/memory.h"
#include "ops/op.h"
#include "planner/solvers/eliminate.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// Local bytes of stored values, per cell; alike weights of all layers are computed once.
class StoredBytes {
 public:
  explicit StoredBytes(PlanSpace& space) : space_(space) {}

  const std::vector<int64_t>& per_cell(ir::ValueId value, SpecId spec) {
    const int type = space_.facts().type_of(value);
    const auto [found, is_new] = known_.try_emplace({spec, type});
    if (is_new) {
      for (int64_t cell = 0; cell < space_.mesh().size(); ++cell) {
        found->second.push_back(cost::local_bytes(space_.facts().type(type), space_.spec(spec),
                                                  space_.mesh(), cell, space_.phases().largest));
      }
    }
    return found->second;
  }

 private:
  PlanSpace& space_;
  std::map<std::pair<SpecId, int>, std::vector<int64_t>> known_;
};

// Whether one node of the stage keeps the weight in a layout of its own, since all others that read
// it there can take rows of that.
bool is_packed(ir::ValueId id, const Range& nodes, PlanSpace& space) {
  const ir::Node* reader = nullptr;
  for (const Use& use : space.facts().uses_of(id)) {
    if (use.node < nodes.begin || use.node >= nodes.end) continue;
    const ir::Node& node = space.graph().node(use.node);
    if (ops::find_op(node.op).reads_packed_rows) continue;
    if (reader != nullptr) return false;
    reader = &node;
  }
  return reader != nullptr && ops::find_op(reader->op).packs_weights;
}

std::vector<plan::RankMemory> memory_of(const StageDecisions& decisions,
                                        PlanSpace& space,
                                        const StageRequest& request) {
  plan::RankMemory common;
  common.activations = decisions.activation_bytes;
  common.communication = decisions.communication_bytes;
  std::vector<plan::RankMemory> memory(static_cast<size_t>(space.mesh().size()), common);
  for (size_t cell = 0; cell < memory.size(); ++cell) {
    const cost::Device& device = space.device_of(static_cast<int64_t>(cell));
    memory[cell].reserve = device.reserve_bytes;
    memory[cell].limit = request.is_bounded ? device.memory_bytes : 0;
  }
  std::vector<int64_t> packing(memory.size(), 0);  // of the largest block
  StoredBytes stored(space);
  for (const auto& [id, spec] : decisions.values) {
    const ir::ValueKind kind = space.graph().value(id).kind;
    if (kind != ir::ValueKind::kWeight && kind != ir::ValueKind::kState) continue;
    const std::vector<int64_t>& bytes = stored.per_cell(id, spec);
    for (size_t cell = 0; cell < memory.size(); ++cell) {
      auto& sum = kind == ir::ValueKind::kWeight ? memory[cell].weights : memory[cell].kv_cache;
      sum += bytes[cell];
    }
    if (kind != ir::ValueKind::kWeight || !is_packed(id, request.nodes, space)) continue;
    for (size_t cell = 0; cell < memory.size(); ++cell) {
      packing[cell] = std::max(packing[cell], std::min(bytes[cell], ops::kPackedBlockBytes));
    }
  }
  // Caches and buffers are made after the weights have been packed, so the larger of both counts.
  for (size_t cell = 0; cell < memory.size(); ++cell) {
    plan::RankMemory& rank = memory[cell];
    rank.activations =
        std::max(rank.activations, packing[cell] - rank.kv_cache - rank.communication);
  }
  return memory;
}

// Numbers of a workload or of a device file may be within their own ranges and yet too large
// together.
void require_range(const Problem& problem, const PlanSpace& space) {
  const ProblemTotals totals = totals_of(problem);
  if (totals.bytes > kMaxBytes) {
    throw Error(ErrorCode::kInvalidArgument,
                "[planner] weights and KV caches that are not cut take more than 2^50 bytes on one "
                "rank, beyond which plans are not compared; lower concurrency or max_context");
  }
  if (totals.cost <= kMaxTotal) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[planner] one step of ", space.graph().name(), " on ", space.profile().name,
                  " may take more than 20 hours (2^56 ps), beyond which plans are not compared; "
                  "correct the rates and links of the device file, or lower max_step_tokens"));
}

// Of the rank that lacks most, counted as the solver's bound counts; 0 or less = all fit.
int64_t bounded_excess(const StagePlan& plan, const PlanSpace& space) {
  int64_t largest = std::numeric_limits<int64_t>::min();
  for (size_t cell = 0; cell < plan.memory.size(); ++cell) {
    largest =
        std::max(largest, space.as_bounded(plan.memory[cell].excess(), static_cast<int64_t>(cell)));
  }
  return largest;
}

StagePlan from_solution(const StageProblem& stage, PlanSpace& space, const Solution& solution) {
  StagePlan plan;
  plan.decisions = decisions_of(stage, space, solution.choice);
  plan.cost = solution.cost;
  plan.lower_bound = solution.lower_bound;
  plan.solver = solution.solver;
  plan.space = &space;
  return plan;
}

}  // namespace

StagePlan plan_stage(PlanSpace& space, const StageRequest& request) {
  std::optional<StagePlan> plan = plan_forced_stage(space, request);
  CHECK(plan.has_value(), "no choice of strategies is legal");
  return std::move(*plan);
}

int64_t StagePlan::largest_excess() const {
  int64_t largest = std::numeric_limits<int64_t>::min();
  for (const plan::RankMemory& rank : memory) largest = std::max(largest, rank.excess());
  return largest;
}

std::optional<StagePlan> plan_forced_stage(PlanSpace& space, const StageRequest& request) {
  StageProblem stage(space, request.nodes, request.pinned);
  require_range(stage.problem(), space);
  const EliminationSolver exact(request.time_limit_s);
  const Solver& solver = request.solver != nullptr ? *request.solver : exact;
  int64_t bound = space.bound_beside(0);
  while (true) {
    if (request.is_bounded) stage.problem().memory_bound = std::max<int64_t>(0, bound);
    const Solution solution = solver.solve(stage.problem());
    if (solution.cost >= kForbidden) return std::nullopt;
    StagePlan plan = from_solution(stage, space, solution);
    plan.memory = memory_of(plan.decisions, space, request);
    const int64_t excess = bounded_excess(plan, space);
    plan.fits = !request.is_bounded || (solution.feasible && excess <= 0);
    if (plan.fits || !solution.feasible || solution.bytes == 0) return plan;
    // The next choice has fewer bytes than this one, so the loop ends: a stage without weights and
    // caches may need more for activations and buffers than there is, and then has nothing to give.
    bound = std::min(bound - 1, solution.bytes - excess);
  }
}

}  // namespace partita::planner
