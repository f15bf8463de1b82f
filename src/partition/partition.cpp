// SPDX-License-Identifier: Apache-2.0
// Rank programs and groups of a plan.
#include "partition/partition.h"

#include <algorithm>
#include <set>
#include <variant>

#include "partition/plan_index.h"
#include "partition/rank_graph.h"
#include "partition/stage_program.h"
#include "passes/pipeline.h"
#include "support/error.h"

namespace partita::partition {
namespace {

// Collects groups once each, in the order in which they are first met.
class GroupList {
 public:
  void add(std::vector<int> ranks) {
    if (!seen_.insert(ranks).second) return;
    groups_.push_back({group_name(ranks), std::move(ranks)});
  }
  [[nodiscard]] std::vector<Group> take() { return std::move(groups_); }

 private:
  std::set<std::vector<int>> seen_;
  std::vector<Group> groups_;
};

void add_groups(const StageProgram& program, const spec::Mesh& mesh, GroupList& groups) {
  std::set<std::vector<int>> axes_seen;
  for (const StageItem& item : program.items) {
    const auto* reshard = std::get_if<PlacedReshard>(&item);
    if (reshard == nullptr || spec::is_local(reshard->step.kind)) continue;
    if (mesh.size_of(reshard->step.axes) == 1 || !axes_seen.insert(reshard->step.axes).second)
      continue;
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      groups.add(step_ranks(mesh, cell, reshard->step.axes));
    }
  }
}

}  // namespace

std::vector<Group> groups_of(const ir::Graph& graph, const plan::Plan& plan) {
  const PlanIndex index(graph, plan);
  GroupList groups;
  for (int stage = 0; stage < index.stage_count(); ++stage) {
    add_groups(make_stage_program(index, stage), plan.stages[static_cast<size_t>(stage)].mesh,
               groups);
  }
  if (!index.transfers().empty()) groups.add(all_ranks(plan));
  return groups.take();
}

RankProgram partition_rank(const ir::Graph& graph, const plan::Plan& plan, int rank) {
  const PlanIndex index(graph, plan);
  for (int stage = 0; stage < index.stage_count(); ++stage) {
    const std::vector<int>& ranks = plan.stages[static_cast<size_t>(stage)].mesh.ranks();
    const auto found = std::ranges::find(ranks, rank);
    if (found == ranks.end()) continue;
    const auto cell = static_cast<int64_t>(found - ranks.begin());
    RankProgram program;
    program.rank = rank;
    program.stage = stage;
    const StageProgram stage_program = make_stage_program(index, stage);
    program.graph = passes::run_rank_pipeline(rank_graph(index, stage_program, cell)).graph;
    program.weights = weight_pieces(index, stage_program, cell);
    program.has_logits = stage == index.stage_count() - 1 && cell == 0;
    return program;
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[partition] rank ", rank, " is in no stage of the plan; expected a rank below ",
                  plan.ranks()));
}

}  // namespace partita::partition
