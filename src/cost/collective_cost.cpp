// SPDX-License-Identifier: Apache-2.0
#include "cost/collective_cost.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "cost/collective_table.h"
#include "cost/op_cost.h"
#include "support/error.h"

namespace partita::cost {
namespace {

std::optional<CollectiveKind> measured_kind(spec::ReshardKind kind) {
  switch (kind) {
    case spec::ReshardKind::kSlice:
    case spec::ReshardKind::kTerm:
      return std::nullopt;
    case spec::ReshardKind::kAllGather:
      return CollectiveKind::kAllGather;
    case spec::ReshardKind::kReduceScatter:
      return CollectiveKind::kReduceScatter;
    case spec::ReshardKind::kAllToAll:
    case spec::ReshardKind::kPermute:  // runs as an all_to_all in which every rank sends to one
      return CollectiveKind::kAllToAll;
    case spec::ReshardKind::kAllReduce:
      return CollectiveKind::kAllReduce;
  }
  CHECK(false, "unknown collective kind");
  return std::nullopt;
}

// The tables that hold for a group over all of these axes: the same ones for each.
std::vector<const CollectiveTable*> tables_of_group(const Profile& profile,
                                                    const spec::Mesh& mesh,
                                                    const CollectiveCall& call) {
  const auto kind = measured_kind(call.kind);
  if (!kind || profile.collectives.empty()) return {};
  std::vector<const CollectiveTable*> result;
  for (size_t i = 0; i < call.axes.size(); ++i) {
    const std::string& name = mesh.axes().at(static_cast<size_t>(call.axes[i])).name;
    const auto tables = tables_for(profile, *kind, name);
    if (i > 0 && tables != result) return {};
    result = tables;
  }
  return result;
}

}  // namespace

GroupLink group_link(const Profile& profile, const spec::Mesh& mesh, std::span<const int> axes) {
  GroupLink result = {0, std::numeric_limits<double>::infinity()};
  for (const int axis : axes) {
    const Link& link = profile.link(mesh.axes().at(static_cast<size_t>(axis)).name);
    result.latency_s = std::max(result.latency_s, link.latency_s);
    result.bandwidth = std::min(result.bandwidth, link.bandwidth);
  }
  return result;
}

double collective_seconds(spec::ReshardKind kind,
                          int64_t group_size,
                          const Payload& payload,
                          const GroupLink& link,
                          const Device& device) {
  const auto ranks = static_cast<double>(group_size);
  const double ring_share = (ranks - 1) / ranks;
  const double one_round = device.launch_s + ranks * link.latency_s;
  switch (kind) {
    case spec::ReshardKind::kSlice:
      return device.launch_s +
             2 * payload.bytes_out / bandwidth_for(device, 2 * payload.bytes_out, 1);
    case spec::ReshardKind::kAllGather:
      return one_round + payload.bytes_out * ring_share / link.bandwidth;
    case spec::ReshardKind::kReduceScatter:
    case spec::ReshardKind::kAllToAll:
      return one_round + payload.bytes_in * ring_share / link.bandwidth;
    case spec::ReshardKind::kPermute:
      return one_round + payload.bytes_in / link.bandwidth;
    case spec::ReshardKind::kTerm:
      return device.launch_s + payload.bytes_out / bandwidth_for(device, payload.bytes_out, 1);
    case spec::ReshardKind::kAllReduce:
      return one_round + (ranks - 1) * link.latency_s +
             2 * payload.bytes_in * ring_share / link.bandwidth;
  }
  CHECK(false, "unknown collective kind");
  return 0;
}

double collective_seconds(const Profile& profile,
                          const spec::Mesh& mesh,
                          const CollectiveCall& call) {
  const int64_t ranks = mesh.size_of(call.axes);
  const GroupLink link = group_link(profile, mesh, call.axes);
  const auto formula = [&](int64_t group_size) {
    return collective_seconds(call.kind, group_size, call.payload, link, profile.device);
  };
  const auto tables = tables_of_group(profile, mesh, call);
  if (tables.empty()) return formula(ranks);
  double bytes =
      call.kind == spec::ReshardKind::kAllGather ? call.payload.bytes_out : call.payload.bytes_in;
  // All of the payload leaves the rank, where an all_to_all keeps one part of n: half of it at
  // most. The same factor for every group keeps the price monotone.
  if (call.kind == spec::ReshardKind::kPermute) bytes *= 2;
  return seconds_at(tables, ranks, bytes, formula);
}

double transfer_seconds(double bytes, const Link& link, const Device& device) {
  return device.launch_s + link.latency_s + bytes / link.bandwidth;
}

double transfer_seconds(double bytes, const Profile& profile, std::string_view axis) {
  const auto tables = tables_for(profile, CollectiveKind::kSend, axis);
  if (tables.empty()) return transfer_seconds(bytes, profile.link(axis), profile.device);
  return seconds_at(*tables.front(), bytes);
}

}  // namespace partita::cost
