// SPDX-License-Identifier: Apache-2.0
// The meshes that a search over a number of ranks looks at.
#pragma once

#include <cstdint>
#include <vector>

#include "cost/profile.h"
#include "ir/graph.h"
#include "spec/mesh.h"

namespace partita::planner {

// Into which axes ranks may be arranged.
struct MeshShapes {
  std::vector<spec::MeshAxis> described;  // empty when the ranks are not arranged
  // Every pair of factors of an axis too, because one op may be better split in two ways than in
  // either (experts: some ranks by expert, some inside).
  bool has_all_factors = false;
};
[[nodiscard]] MeshShapes mesh_shapes(const std::vector<spec::MeshAxis>& described,
                                     const ir::Graph& graph);

// Every split of `ranks` into stages and tensor ranks, fewest stages first. Over described axes the
// tensor ranks of a stage are neighbours and keep the described borders: 16 of { host=2, gpu=8 }
// are "host=2,gpu=8", 4 of them "gpu=4". Without axes they are "tp=n", and "tp2=p,tp=n/p" as well,
// p the smallest prime factor: some dims may then be split over one axis only (fewer KV heads than
// ranks).
[[nodiscard]] std::vector<spec::Mesh> candidate_meshes(const MeshShapes& shapes,
                                                       int64_t ranks,
                                                       int64_t max_stages);

// The axes that `ranks` neighbours may have as one stage, as above; {} for one rank.
[[nodiscard]] std::vector<std::vector<spec::MeshAxis>> submesh_axes(const MeshShapes& shapes,
                                                                    int64_t ranks);

// Predictions of layouts that nobody makes by hand must be better by this share of time than those
// of the best simpler one; equal stages with the described axes, or one, need no margin.
inline constexpr double kWorthwhileGain = 0.02;
[[nodiscard]] double gain_wanted(const MeshShapes& shapes, const spec::Mesh& mesh);

// A search over many devices forms at most this many stages of unlike sizes.
inline constexpr int64_t kMostBlocks = 16;

// Sizes of stages for a search over `ranks` devices: all up to 16; of more devices multiples of a
// sixteenth, by 1, 2 and 3 times powers of two, so that a search grows with the logarithm.
[[nodiscard]] std::vector<int64_t> block_sizes(int64_t ranks);

// Whether the devices [first, first + size) keep the described borders: they lie within one group
// of an axis, and are whole groups of the axis within it.
[[nodiscard]] bool keeps_borders(const std::vector<spec::MeshAxis>& described,
                                 int64_t first,
                                 int64_t size);

// The most stages that make sense: one per layer of the graph, one per node when it has no layers.
[[nodiscard]] int64_t stage_limit(const ir::Graph& graph);

// The profile with its outermost described axis made large enough for `ranks`.
[[nodiscard]] cost::Profile grown_profile(cost::Profile profile, int64_t ranks);

// The profile with its slowest link for every axis that has none. Unchanged when the devices are
// described: then links follow from what an axis joins.
[[nodiscard]] cost::Profile with_any_link(cost::Profile profile);

}  // namespace partita::planner
