// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/page_data.h"

#include "planner/explain/html/transfers.h"

namespace partita::planner {
namespace {

Json timeline_data(const Timeline& timeline) {
  double compute_s = 0;
  double comm_s = 0;
  for (const Segment& segment : timeline.segments) {
    (segment.is_comm ? comm_s : compute_s) += segment.seconds;
  }
  return {{"total_s", timeline.total_s}, {"compute_s", compute_s}, {"comm_s", comm_s}};
}

Json group_data(const LayerGroup& group) {
  int64_t bytes = 0;
  Json operators = Json::array();
  for (const OpRow& row : group.rows) {
    operators.push_back(row.name);
    for (const CollectiveRow& collective : row.collectives) bytes += collective.decode_bytes;
  }
  return {{"layers", group.layers}, {"operators", operators}, {"decode_bytes", bytes}};
}

Json memory_data(const RankGroup& group) {
  const plan::RankMemory& memory = group.memory;
  return {{"ranks", group.ranks},
          {"stage", group.stage},
          {"weights", memory.weights},
          {"kv_cache", memory.kv_cache},
          {"activations", memory.activations},
          {"communication", memory.communication},
          {"reserve", memory.reserve},
          {"limit", memory.limit}};
}

Json candidate_data(const PageCandidate& candidate) {
  return {{"mesh", candidate.mesh},
          {"is_chosen", candidate.is_chosen},
          {"fits", candidate.fits},
          {"request_s", candidate.request_s},
          {"rank_bytes", candidate.rank_bytes},
          {"verdict", candidate.verdict}};
}

}  // namespace

Json page_data(const PageInput& input, const PageFacts& facts) {
  const plan::Plan& plan = input.plan;
  Json json;
  json["model"] = plan.model;
  json["graph_hash"] = plan.graph_hash;
  json["mesh"] = plan.mesh.to_string();
  json["replicas"] = plan.replicas;
  json["gap"] = plan.gap;
  json["decode"] = timeline_data(facts.decode);
  json["prefill"] = timeline_data(facts.prefill);
  json["memory"] = Json::array();
  for (const RankGroup& group : facts.ranks) json["memory"].push_back(memory_data(group));
  json["groups"] = Json::array();
  for (const LayerGroup& group : facts.groups) json["groups"].push_back(group_data(group));
  json["transfers"] = Json::array();
  for (const StageTransfer& transfer : transfers_of(plan, input.graph)) {
    json["transfers"].push_back({{"value", transfer.value},
                                 {"from", transfer.from},
                                 {"to", transfer.to},
                                 {"decode_bytes", transfer.decode_bytes},
                                 {"prefill_bytes", transfer.prefill_bytes}});
  }
  json["candidates"] = Json::array();
  for (const PageCandidate& candidate : input.candidates) {
    json["candidates"].push_back(candidate_data(candidate));
  }
  return json;
}

}  // namespace partita::planner
