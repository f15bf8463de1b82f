// SPDX-License-Identifier: Apache-2.0
// How one tensor lies on a mesh: split dims with explicit pieces, replicated and partial axes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spec/mesh.h"
#include "support/range.h"
#include "support/reduce_kind.h"

namespace partita::spec {

// One tensor dim. `axes` = mesh axes that split it, major first; none = whole. `pieces` = the
// global half-open range of each of the product(axes) positions: uneven, empty or overlapping (KV
// heads fewer than ranks) as the plan decided.
struct DimSpec {
  std::vector<int> axes;
  std::vector<Range> pieces;  // size == product of the axes' sizes; empty when axes is empty
  bool operator==(const DimSpec&) const = default;
  auto operator<=>(const DimSpec&) const = default;
};

// A mesh axis along which every rank holds a term of a reduction.
struct PartialAxis {
  int axis = 0;
  ReduceKind kind = ReduceKind::kSum;
  bool operator==(const PartialAxis&) const = default;
  auto operator<=>(const PartialAxis&) const = default;
};

// Value type. An axis appears at most once over all dims and partials; axes that appear nowhere are
// replicated. Example on the mesh dp=2,tp=2: "[t, n:tp] +sum(dp)" is split by columns over tp, and
// the ranks along dp hold terms of a sum; see to_string().
struct TensorSpec {
  std::vector<DimSpec> dims;
  std::vector<PartialAxis> partials;  // sorted by axis

  [[nodiscard]] static TensorSpec replicated(int rank) { return {std::vector<DimSpec>(rank), {}}; }
  [[nodiscard]] bool is_replicated() const;  // no split dim and no partial
  bool operator==(const TensorSpec&) const = default;
  auto operator<=>(const TensorSpec&) const = default;
};

// Balanced nested pieces of `size` over the listed axes (major first): the first size mod n pieces
// of each level are one `granularity` longer. granularity must divide size.
[[nodiscard]] std::vector<Range> balanced_pieces(int64_t size,
                                                 std::span<const int64_t> axis_sizes,
                                                 int64_t granularity = 1);

// The global ranges, one per dim, that the rank at `cell` holds. `shape` = global dims; a symbolic
// dim (-1) must be whole and gives {0, -1}.
[[nodiscard]] std::vector<Range> local_ranges(const TensorSpec& spec,
                                              std::span<const int64_t> shape,
                                              const Mesh& mesh,
                                              int64_t cell);

// "[t, n:tp]" with the given dim names (or "_" for none): split dims as name:axis[*axis], then
// " +sum(tp)" per partial. Pieces that are not the balanced ones of granularity 1 are appended as
// "{0-4,4-6}" after the axes. All sub-axes of an axis, in order, are written as the axis.
[[nodiscard]] std::string to_string(const TensorSpec& spec,
                                    std::span<const int64_t> shape,
                                    const Mesh& mesh,
                                    std::span<const std::string> dim_names = {});
// Parses the form above and the short forms "(S0, R)", "S01", "S[1],R" (S<axes> per dim; S[i] per
// mesh axis). `shape` gives the dims for balanced pieces. Throws kInvalidArgument naming text,
// position and rule.
[[nodiscard]] TensorSpec parse_tensor_spec(std::string_view text,
                                           std::span<const int64_t> shape,
                                           const Mesh& mesh);

// The layout of `spec`, given on `coarse`, on a mesh that has some axes of `coarse` as sub-axes
// (Mesh::factorised): an axis becomes its sub-axes, pieces stay.
[[nodiscard]] TensorSpec refined(const TensorSpec& spec, const Mesh& coarse, const Mesh& fine);
// The inverse; nothing when a sub-axis stands without the others of its axis, or in another order.
[[nodiscard]] std::optional<TensorSpec> merged(const TensorSpec& spec,
                                               const Mesh& fine,
                                               const Mesh& coarse);

// Throws kInvalidArgument when an axis is used twice or unknown, a symbolic dim is split, or pieces
// are of another number than positions, leave the dim, do not cover it or do not ascend (empty ones
// may stand anywhere).
void validate(const TensorSpec& spec, std::span<const int64_t> shape, const Mesh& mesh);

}  // namespace partita::spec
