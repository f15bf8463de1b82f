// SPDX-License-Identifier: Apache-2.0
#include "api/bench/step_reads.h"

#include <omp.h>

#include <algorithm>
#include <map>
#include <string>

#include "api/bench/machine_limits.h"
#include "api/rank_cores.h"
#include "api/rank_runner.h"
#include "ops/op.h"
#include "support/integers.h"

namespace partita::api {
namespace {

constexpr int kProbes = 9;
constexpr double kProbeBytes = 64 << 20;

// Of the weights of experts, by name: the share that a step with so many tokens reads, as plans
// count them. All other weights are read whole.
std::map<std::string, double> shares_read(const ir::Graph& graph, int64_t tokens) {
  std::map<std::string, double> shares;
  for (const ir::Node& node : graph.nodes()) {
    if (node.op != "experts") continue;
    std::vector<ir::TensorType> types;
    double all = 0;
    for (const ir::ValueId input : node.inputs) {
      types.push_back(graph.value(input).type);
      if (types.back().is_static()) all += static_cast<double>(types.back().bytes());
    }
    const double read = ops::bytes_of({node.op, node.attributes, types}, {{"t", tokens}});
    for (const ir::ValueId input : node.inputs) {
      shares[graph.value(input).name] = std::min(1.0, read / all);
    }
  }
  return shares;
}

// Of the weights that some node reads, but for embeddings, of which it reads rows.
double bytes_read_by(const ir::Graph& program, const std::map<std::string, double>& shares) {
  const auto consumers = program.consumers();
  double bytes = 0;
  for (size_t i = 0; i < program.values().size(); ++i) {
    const ir::Value& value = program.values()[i];
    if (value.kind != ir::ValueKind::kWeight) continue;
    const bool is_read = std::ranges::any_of(
        consumers[i], [&](ir::NodeId node) { return program.node(node).op != "embedding"; });
    if (!is_read) continue;
    const auto share = shares.find(value.name);
    bytes += static_cast<double>(value.type.bytes()) * (share == shares.end() ? 1 : share->second);
  }
  return bytes;
}

double median_read_rate(MachineLimits& limits, int threads) {
  omp_set_num_threads(threads);
  std::vector<double> rates;
  (void)limits.read_rate(kProbeBytes);  // wakes the team
  for (int probe = 0; probe < kProbes; ++probe) rates.push_back(limits.read_rate(kProbeBytes));
  std::ranges::sort(rates);
  return rates[rates.size() / 2];
}

}  // namespace

double StepReads::bytes() const {
  double sum = 0;
  for (const Stage& stage : stages) sum += stage.bytes;
  return sum;
}

StepReads step_reads(const ir::Graph& graph, const plan::Plan& plan, int threads_per_rank) {
  const auto ranks = static_cast<int>(plan.ranks());
  StepReads reads;
  const auto shares = shares_read(graph, ceil_div(plan.workload.concurrency, plan.replicas));
  for (int rank = 0; rank < ranks; ++rank) {
    const RankPart part = make_rank_part(graph, plan, rank);
    const auto stage = static_cast<size_t>(part.program.stage);
    if (reads.stages.size() <= stage) reads.stages.resize(stage + 1, {0, 0});
    reads.stages[stage].bytes += bytes_read_by(part.program.graph, shares);
    const int all_ranks = ranks * static_cast<int>(plan.replicas);
    reads.stages[stage].threads += threads_of_rank({rank, all_ranks, threads_per_rank});
  }
  return reads;
}

double read_seconds(const StepReads& reads) {
  const int team_before = omp_get_max_threads();
  MachineLimits limits;
  double seconds = 0;
  for (const StepReads::Stage& stage : reads.stages) {
    seconds += stage.bytes / median_read_rate(limits, std::max(1, stage.threads));
  }
  omp_set_num_threads(team_before);
  return seconds;
}

}  // namespace partita::api
