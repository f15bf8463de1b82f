// SPDX-License-Identifier: Apache-2.0
#include "planner/device_group.h"

#include <algorithm>

#include "cost/op_cost.h"
#include "ops/op.h"

namespace partita::planner {
namespace {

// Seconds of one request on one device alone, without the starts of kernels, which no share
// changes.
double seconds_alone(const ir::Graph& graph, const Phases& phases, cost::Device device) {
  device.launch_s = 0;
  for (cost::KernelRates& rates : device.kernels) rates.launch_s = 0;
  PhaseSeconds sum;
  for (const ir::Node& node : graph.nodes()) {
    std::vector<ir::TensorType> inputs;
    for (const ir::ValueId input : node.inputs) inputs.push_back(graph.value(input).type);
    const ops::OpCall call = {node.op, node.attributes, inputs};
    sum += {cost::seconds_of(cost::whole_work(call, phases.decode), device),
            cost::seconds_of(cost::whole_work(call, phases.prefill), device)};
  }
  return phases.request_seconds(sum);
}

// Each cell gets the share of its kind.
DeviceGroup with_shares(DeviceGroup group, const std::vector<double>& share_of_kind) {
  for (const int kind : group.kind_of_cell) {
    group.shares.push_back(share_of_kind[static_cast<size_t>(kind)]);
  }
  return group;
}

bool are_equal(const std::vector<double>& shares) {
  return std::ranges::adjacent_find(shares, std::not_equal_to<>()) == shares.end();
}

}  // namespace

std::vector<double> DeviceGroup::shares_of(const spec::Mesh& mesh,
                                           std::span<const int> axes) const {
  if (shares.empty()) return {};
  std::vector<double> result(static_cast<size_t>(mesh.size_of(axes)), 0.0);
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    result[static_cast<size_t>(mesh.position(cell, axes))] += shares[static_cast<size_t>(cell)];
  }
  return result;
}

DeviceGroup group_of(const cost::Profile& profile, const spec::Mesh& devices) {
  DeviceGroup group;
  for (const int device : devices.ranks()) {
    const cost::Device& own = profile.device_of(device);
    const auto known = std::ranges::find(group.kinds, own);
    group.kind_of_cell.push_back(static_cast<int>(known - group.kinds.begin()));
    if (known == group.kinds.end()) group.kinds.push_back(own);
  }
  return group;
}

std::vector<DeviceGroup> share_variants(const DeviceGroup& equal,
                                        const ir::Graph& graph,
                                        const Phases& phases) {
  std::vector<DeviceGroup> variants = {equal};
  if (equal.is_uniform()) return variants;
  std::vector<double> speeds;
  std::vector<double> memories;
  for (const cost::Device& device : equal.kinds) {
    speeds.push_back(1 / seconds_alone(graph, phases, device));
    memories.push_back(static_cast<double>(device.memory_bytes - device.reserve_bytes));
  }
  if (!are_equal(speeds)) variants.push_back(with_shares(equal, speeds));
  const bool is_positive = *std::ranges::min_element(memories) > 0;
  if (!are_equal(memories) && is_positive) variants.push_back(with_shares(equal, memories));
  return variants;
}

spec::Strategy restricted_to(const spec::Strategy& strategy,
                             const DeviceGroup& group,
                             const spec::Mesh& mesh,
                             int kind) {
  const auto restrict_spec = [&](spec::TensorSpec& spec) {
    for (spec::DimSpec& dim : spec.dims) {
      std::vector<bool> is_held(dim.pieces.size(), false);
      for (int64_t cell = 0; cell < mesh.size() && !dim.axes.empty(); ++cell) {
        if (group.kind_of_cell[static_cast<size_t>(cell)] != kind) continue;
        is_held[static_cast<size_t>(mesh.position(cell, dim.axes))] = true;
      }
      for (size_t i = 0; i < dim.pieces.size(); ++i) {
        if (!is_held[i]) dim.pieces[i] = {0, 0};
      }
    }
  };
  spec::Strategy result = strategy;
  for (spec::TensorSpec& spec : result.inputs) restrict_spec(spec);
  for (spec::TensorSpec& spec : result.outputs) restrict_spec(spec);
  return result;
}

}  // namespace partita::planner
