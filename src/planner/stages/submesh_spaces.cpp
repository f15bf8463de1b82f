// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/submesh_spaces.h"

#include <algorithm>

#include "cost/wire.h"
#include "planner/pins/pin_conflict.h"
#include "planner/stages/stage_links.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// Index of the kind of a device; the number of kinds when none lists it.
size_t kind_of(int device, const cost::Profile& profile) {
  for (size_t kind = 0; kind < profile.kinds.size(); ++kind) {
    if (std::ranges::binary_search(profile.kinds[kind].ranks, device)) return kind;
  }
  return profile.kinds.size();
}

// Everything that a stage's solution depends on besides the nodes.
std::string class_of(const spec::Mesh& devices, const cost::Profile& profile) {
  std::string text = devices.to_string();
  for (const cost::SpannedAxis& axis : spanned_axes(profile, devices)) {
    text += ";";
    for (const std::string& described : axis.described) text += str(described, " ");
  }
  if (profile.is_uniform()) return text;
  for (const int device : devices.ranks()) text += str(";", kind_of(device, profile));
  return text;
}

}  // namespace

StageEstimate::StageEstimate(PlanSpace& space, const StagePlan& whole)
    : seconds_before_(1, 0.0), bytes_(space.facts().node_count()) {
  free_bytes_ =
      space.bound_beside(whole.decisions.activation_bytes + whole.decisions.communication_bytes);
  for (const PhaseSeconds& seconds : whole.decisions.node_cost) {
    seconds_before_.push_back(seconds_before_.back() + space.phases().request_seconds(seconds));
  }
  for (const auto& [id, spec] : whole.decisions.values) {
    if (space.graph().value(id).kind == ir::ValueKind::kResult) continue;
    const std::span<const Use> uses = space.facts().uses_of(id);
    const bool is_sent = space.facts().is_sent(id);
    bytes_.add(is_sent ? uses.first(1) : uses, space.bounded_bytes(spec, id));
    if (!is_sent) continue;
    const int64_t whole_bytes = space.largest_bytes(space.replicated(id), id);
    SentWeight& sent = sent_.emplace_back();
    sent.owner = uses.front().node;
    sent.bytes_beside = std::max<int64_t>(0, whole_bytes - whole.decisions.activation_bytes);
    for (const Use& use : uses.subspan(1)) sent.readers.push_back(use.node);
  }
  bytes_.finish();
}

int64_t StageEstimate::received_bytes(Range nodes) const {
  const auto is_inside = [&](int64_t node) { return nodes.begin <= node && node < nodes.end; };
  int64_t bytes = 0;
  for (const SentWeight& sent : sent_) {
    const bool is_received = !is_inside(sent.owner) && std::ranges::any_of(sent.readers, is_inside);
    if (is_received) bytes += sent.bytes_beside;
  }
  return bytes;
}

SubmeshSpaces::SubmeshSpaces(const GraphFacts& facts,
                             const PlanRequest& request,
                             const cost::Profile& profile,
                             int64_t replicas)
    : facts_(facts),
      request_(request),
      profile_(cost::over_wire(profile, request.wire)),
      phases_(phases_of(request.workload, facts.graph(), replicas)) {}

SubmeshSpaces::Entry& SubmeshSpaces::entry_of(const spec::Mesh& devices) {
  auto& entry = entries_[class_of(devices, profile_)];
  if (entry == nullptr) {
    entry = std::make_unique<Entry>();
    entry->mesh = devices;
    entry->profile = profile_for_stage(profile_, devices);
    const DeviceGroup equal = group_of(profile_, devices);
    entry->groups = request_.equal_shares ? std::vector<DeviceGroup>{equal}
                                          : share_variants(equal, facts_.graph(), phases_);
    for (const DeviceGroup& group : entry->groups) {
      entry->spaces.push_back(std::make_unique<PlanSpace>(
          ReshardPrices::Context{facts_, entry->mesh, entry->profile, phases_,
                                 group.is_uniform() ? nullptr : &group},
          StrategyRules{.shard_weights = request_.shard_weights}));
    }
  }
  return *entry;
}

std::vector<PlanSpace*> SubmeshSpaces::spaces_of(const spec::Mesh& devices) {
  std::vector<PlanSpace*> spaces;
  for (const auto& space : entry_of(devices).spaces) spaces.push_back(space.get());
  return spaces;
}

const SubmeshSpaces::Estimates& SubmeshSpaces::fastest(const spec::Mesh& devices) {
  Entry& entry = entry_of(devices);
  if (entry.fastest.empty()) entry.fastest = estimate(entry, false);
  return entry.fastest;
}

const SubmeshSpaces::Estimates& SubmeshSpaces::smallest(const spec::Mesh& devices) {
  Entry& entry = entry_of(devices);
  if (entry.smallest.empty()) entry.smallest = estimate(entry, true);
  return entry.smallest;
}

StagePlan SubmeshSpaces::decide(const spec::Mesh& devices, Range nodes, bool is_bounded) {
  Entry& entry = entry_of(devices);
  const auto is_better = [](const StagePlan& plan, const StagePlan& best) {
    if (plan.fits != best.fits) return plan.fits;
    return plan.fits ? plan.cost < best.cost : plan.largest_excess() < best.largest_excess();
  };
  std::optional<StagePlan> best;
  for (const auto& space : entry.spaces) {
    std::optional<StagePlan> plan = solve(*space, nodes, is_bounded);
    if (plan && (!best || is_better(*plan, *best))) best = std::move(plan);
  }
  if (!best) throw_no_choice(entry, nodes);
  return std::move(*best);
}

std::optional<StagePlan> SubmeshSpaces::solve(PlanSpace& space, Range nodes, bool is_bounded) {
  return plan_forced_stage(space, {.nodes = nodes,
                                   .pinned = {},
                                   .time_limit_s = request_.time_limit_s,
                                   .is_bounded = is_bounded,
                                   .solver = request_.solver});
}

void SubmeshSpaces::throw_no_choice(const Entry& entry, Range nodes) const {
  CHECK(!facts_.pins().empty(), "no choice of strategies is legal");
  throw_conflict({.facts = facts_,
                  .keep_whole = request_.keep_whole,
                  .context = {facts_, entry.mesh, entry.profile, phases_},
                  .nodes = nodes});
}

SubmeshSpaces::Estimates SubmeshSpaces::estimate(Entry& entry, bool is_bounded) {
  const Range nodes = {0, facts_.node_count()};
  Estimates estimates;
  for (const auto& space : entry.spaces) {
    const std::optional<StagePlan> whole = solve(*space, nodes, is_bounded);
    if (whole) estimates.push_back(std::make_unique<StageEstimate>(*space, *whole));
  }
  if (estimates.empty()) throw_no_choice(entry, nodes);
  return estimates;
}

}  // namespace partita::planner
