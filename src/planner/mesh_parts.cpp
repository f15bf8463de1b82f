// SPDX-License-Identifier: Apache-2.0
#include "planner/mesh_parts.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"

namespace partita::planner {
namespace {

// The one axis over the ranks of unequal stages.
constexpr char kRankAxis[] = "rank";

bool is_plain(const spec::Mesh& mesh) {
  std::vector<int> plain(static_cast<size_t>(mesh.size()));
  std::iota(plain.begin(), plain.end(), 0);
  return mesh.ranks() == plain;
}

spec::Mesh without_replicas(const spec::Mesh& mesh) {
  std::vector<spec::MeshAxis> axes = mesh.axes();
  std::erase_if(axes, [](const auto& axis) { return axis.name == kReplicaAxis; });
  if (axes.size() == mesh.axes().size()) return mesh;
  if (!is_plain(mesh)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] mesh ", mesh.to_string(),
                    " has replicas and an own order of the ranks; use one of them"));
  }
  return spec::Mesh(axes);
}

// The last axis that is neither stages nor replicas, or -1.
int growing_axis(const spec::Mesh& mesh) {
  int result = -1;
  for (int axis = 0; axis < mesh.axis_count(); ++axis) {
    const std::string& name = mesh.axes()[static_cast<size_t>(axis)].name;
    if (name != kStageAxis && name != kReplicaAxis) result = axis;
  }
  return result;
}

// The described device of each rank of the first replica: ranks are numbered through the whole
// mesh, whatever the place of the replica axis.
std::vector<int> first_replica(const spec::Mesh& mesh) {
  const int replica_axis = mesh.axis_index(kReplicaAxis);
  std::vector<int> devices;
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    const bool is_first = replica_axis < 0 || mesh.coordinate(cell, replica_axis) == 0;
    if (is_first) devices.push_back(static_cast<int>(cell));
  }
  return devices;
}

}  // namespace

spec::Mesh MeshParts::devices_of_stage(size_t stage) const {
  std::vector<int> of_stage;
  for (const int rank : stages[stage].ranks()) {
    of_stage.push_back(devices[static_cast<size_t>(rank)]);
  }
  return {stages[stage].axes(), of_stage};
}

bool MeshParts::is_equal() const {
  return replica.axis_index(kRankAxis) < 0 && std::ranges::all_of(stages, [&](const auto& stage) {
           return stage.axes() == stages.front().axes();
         });
}

std::string MeshParts::to_string() const {
  if (is_equal()) return replica.to_string();
  std::string text;
  for (const spec::Mesh& stage : stages) {
    const std::string own = stage.axis_count() == 0 ? "tp=1" : stage.to_string();
    text += str(text.empty() ? "" : " | ", own);
  }
  return text;
}

MeshParts parts_of(const spec::Mesh& mesh) {
  MeshParts parts;
  parts.replica = without_replicas(mesh);
  parts.replicas = mesh.size() / parts.replica.size();
  parts.devices = first_replica(mesh);
  const int stage_axis = parts.replica.axis_index(kStageAxis);
  if (stage_axis < 0) {
    parts.stages = {parts.replica};
    return parts;
  }
  std::vector<spec::MeshAxis> axes = parts.replica.axes();
  const int64_t stages = axes[static_cast<size_t>(stage_axis)].size;
  axes.erase(axes.begin() + stage_axis);
  for (int64_t stage = 0; stage < stages; ++stage) {
    std::vector<int> ranks;
    for (int64_t cell = 0; cell < parts.replica.size(); ++cell) {
      if (parts.replica.coordinate(cell, stage_axis) == stage) {
        ranks.push_back(parts.replica.ranks()[static_cast<size_t>(cell)]);
      }
    }
    parts.stages.emplace_back(axes, ranks);
  }
  return parts;
}

MeshParts parts_of_devices(const std::vector<spec::Mesh>& stages) {
  if (stages.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "[planner] no stages; expected at least one mesh");
  }
  MeshParts parts;
  parts.stages = stages;
  int64_t count = 0;
  for (const spec::Mesh& stage : stages) count += stage.size();
  parts.replica = stages.size() == 1 ? stages.front() : spec::Mesh({{kRankAxis, count}});
  parts.devices.resize(static_cast<size_t>(count));
  std::iota(parts.devices.begin(), parts.devices.end(), 0);
  return parts;
}

MeshParts parts_of_stages(const std::vector<spec::Mesh>& stages) {
  std::vector<spec::Mesh> numbered;
  int next = 0;
  for (const spec::Mesh& stage : stages) {
    if (stage.axis_index(kStageAxis) >= 0 || stage.axis_index(kReplicaAxis) >= 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[planner] the mesh ", stage.to_string(), " of one stage has the axis ",
                      kStageAxis, " or ", kReplicaAxis, "; expected axes that split tensors"));
    }
    std::vector<int> ranks(static_cast<size_t>(stage.size()));
    std::iota(ranks.begin(), ranks.end(), next);
    next += static_cast<int>(stage.size());
    numbered.emplace_back(stage.axes(), ranks);
  }
  return parts_of_devices(numbered);
}

MeshParts parse_parts(std::string_view text) {
  if (text.find('|') == std::string_view::npos) return parts_of(spec::Mesh::parse(text));
  std::vector<spec::Mesh> stages;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find('|', begin), text.size());
    const std::string_view stage = text.substr(begin, end - begin);
    if (stage.find_first_not_of(' ') == std::string_view::npos) {
      throw Error(ErrorCode::kInvalidArgument, str("[planner] mesh \"", text,
                                                   "\" has a stage without axes; expected e.g. "
                                                   "\"tp=2 | tp=1\""));
    }
    stages.push_back(spec::Mesh::parse(stage));
    begin = end + 1;
  }
  return parts_of_stages(stages);
}

// Sub-axes grow as the axis that they belong to.
int64_t growing_axis_size(const spec::Mesh& mesh) {
  const spec::Mesh whole = mesh.merged();
  const int axis = growing_axis(whole);
  return axis < 0 ? 1 : whole.axes()[static_cast<size_t>(axis)].size;
}

spec::Mesh resized_mesh(const spec::Mesh& mesh, int64_t size) {
  const spec::Mesh whole = mesh.merged();
  std::vector<spec::MeshAxis> axes = whole.axes();
  const int axis = growing_axis(whole);
  if (axis < 0) {
    axes.push_back({"tp", size});
  } else {
    axes[static_cast<size_t>(axis)].size = size;
  }
  return spec::Mesh(axes);
}

}  // namespace partita::planner
