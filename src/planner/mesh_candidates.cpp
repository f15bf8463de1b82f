// SPDX-License-Identifier: Apache-2.0
#include "planner/mesh_candidates.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "ops/op.h"
#include "planner/mesh_parts.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Axes = std::vector<spec::MeshAxis>;

int64_t smallest_prime_factor(int64_t number) {
  for (int64_t factor = 2; factor * factor <= number; ++factor) {
    if (number % factor == 0) return factor;
  }
  return number;
}

// The innermost described axes that hold `ranks` neighbours; the outermost of them is cut short.
// Empty when the borders do not allow it.
Axes described_tensor_axes(const Axes& described, int64_t ranks) {
  Axes axes;
  for (size_t i = described.size(); i-- > 0 && ranks > 1;) {
    const int64_t size = std::gcd(described[i].size, ranks);
    ranks /= size;
    if (ranks > 1 && size != described[i].size) return {};
    axes.insert(axes.begin(), {described[i].name, size});
  }
  return ranks == 1 ? axes : Axes{};
}

// The first of `result` with each of its axes seen as two, in every way.
void add_factorised(std::vector<Axes>& result) {
  const spec::Mesh whole(result.front());
  for (const spec::MeshAxis& axis : whole.axes()) {
    for (int64_t factor = 2; factor < axis.size; ++factor) {
      if (axis.size % factor != 0) continue;
      const std::array<int64_t, 2> sizes = {factor, axis.size / factor};
      result.push_back(whole.factorised(axis.name, sizes).axes());
    }
  }
}

const cost::Link& slowest_link(const cost::Profile& profile) {
  CHECK(!profile.links.empty(), "a profile without links");
  return *std::min_element(
      profile.links.begin(), profile.links.end(),
      [](const cost::Link& a, const cost::Link& b) { return a.bandwidth < b.bandwidth; });
}

}  // namespace

MeshShapes mesh_shapes(const std::vector<spec::MeshAxis>& described, const ir::Graph& graph) {
  // The work of a piece is no fixed share of the whole: which way an axis splits it matters.
  const bool is_uneven = std::ranges::any_of(
      graph.nodes(), [](const ir::Node& node) { return ops::find_op(node.op).is_cost_of_piece; });
  return {described, is_uneven};
}

std::vector<Axes> submesh_axes(const MeshShapes& shapes, int64_t ranks) {
  if (ranks == 1) return {Axes{}};
  if (!shapes.described.empty()) {
    const Axes axes = described_tensor_axes(shapes.described, ranks);
    // Unlike the described borders: one axis over all of them.
    std::vector<Axes> result = {axes.empty() ? Axes{{"tp", ranks}} : axes};
    if (shapes.has_all_factors) add_factorised(result);
    return result;
  }
  std::vector<Axes> result = {{{"tp", ranks}}};
  const int64_t prime = smallest_prime_factor(ranks);
  for (int64_t factor = prime; factor < ranks; ++factor) {
    if (ranks % factor != 0 || (factor != prime && !shapes.has_all_factors)) continue;
    result.push_back({{"tp2", factor}, {"tp", ranks / factor}});
  }
  return result;
}

double gain_wanted(const MeshShapes& shapes, const spec::Mesh& mesh) {
  const spec::Mesh whole = mesh.merged();
  const auto tensor_axes = std::ranges::count_if(whole.axes(), [](const spec::MeshAxis& axis) {
    return axis.name != kStageAxis && axis.name != kReplicaAxis;
  });
  const bool is_cut_finer = whole.axis_count() < mesh.axis_count();
  const bool is_plain = tensor_axes <= 1 || !shapes.described.empty();
  return is_plain && !is_cut_finer ? 0 : kWorthwhileGain;
}

std::vector<spec::Mesh> candidate_meshes(const MeshShapes& shapes,
                                         int64_t ranks,
                                         int64_t max_stages) {
  std::vector<spec::Mesh> meshes;
  for (int64_t stages = 1; stages <= std::min(ranks, max_stages); ++stages) {
    if (ranks % stages != 0) continue;
    for (Axes& axes : submesh_axes(shapes, ranks / stages)) {
      if (stages > 1) axes.insert(axes.begin(), {kStageAxis, stages});
      meshes.emplace_back(axes);
    }
  }
  return meshes;
}

std::vector<int64_t> block_sizes(int64_t ranks) {
  std::vector<int64_t> sizes;
  if (ranks <= kMostBlocks) {
    sizes.resize(static_cast<size_t>(ranks));
    std::iota(sizes.begin(), sizes.end(), 1);
    return sizes;
  }
  int64_t unit = 1;
  for (int64_t divisor = 1; divisor <= ranks / kMostBlocks; ++divisor) {
    if (ranks % divisor == 0) unit = divisor;
  }
  for (int64_t power = unit; power < ranks; power *= 2) {
    sizes.push_back(power);
    if (power * 3 < ranks) sizes.push_back(power * 3);
  }
  sizes.push_back(ranks);
  std::ranges::sort(sizes);
  return sizes;
}

bool keeps_borders(const std::vector<spec::MeshAxis>& described, int64_t first, int64_t size) {
  int64_t group = 1;  // devices within one step of the axis
  for (size_t i = described.size(); i-- > 0;) {
    const int64_t larger = group * described[i].size;
    if (size <= larger)
      return size % group == 0 && first % group == 0 && first % larger + size <= larger;
    group = larger;
  }
  return true;
}

int64_t stage_limit(const ir::Graph& graph) {
  int64_t layers = 0;
  for (const ir::Node& node : graph.nodes()) layers = std::max<int64_t>(layers, node.layer + 1);
  return layers > 0 ? layers : static_cast<int64_t>(graph.nodes().size());
}

cost::Profile grown_profile(cost::Profile profile, int64_t ranks) {
  if (profile.axes.empty()) return profile;
  int64_t inner = 1;
  for (size_t i = 1; i < profile.axes.size(); ++i) inner *= profile.axes[i].size;
  const int64_t outer = (ranks + inner - 1) / inner;
  profile.axes.front().size = std::max(profile.axes.front().size, outer);
  return profile;
}

cost::Profile with_any_link(cost::Profile profile) {
  const bool has_any = std::any_of(profile.links.begin(), profile.links.end(),
                                   [](const auto& link) { return link.axis == cost::kAnyAxis; });
  if (has_any || !profile.axes.empty() || profile.links.empty()) return profile;
  cost::Link link = slowest_link(profile);
  link.axis = cost::kAnyAxis;
  profile.links.push_back(link);
  return profile;
}

}  // namespace partita::planner
