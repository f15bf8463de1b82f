// SPDX-License-Identifier: Apache-2.0
// Pieces of tensor specs: balanced pieces, the ranges a cell holds, validity.
#include "spec/tensor_spec.h"

#include <algorithm>
#include <map>

#include "support/error.h"

namespace partita::spec {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, str("[spec] ", message));
}

// Marks `axis` as used; throws when the mesh has no such axis or the spec used it before.
void use_axis(int axis, const Mesh& mesh, std::vector<bool>& used) {
  if (axis < 0 || axis >= mesh.axis_count()) {
    refuse(str("mesh axis ", axis, " is unknown; the mesh has ", mesh.axis_count(), " axes"));
  }
  const auto index = static_cast<size_t>(axis);
  if (used[index]) {
    refuse(str("mesh axis '", mesh.axes()[index].name, "' is used twice; expected at most once"));
  }
  used[index] = true;
}

// Non-empty pieces ascend, lie in [0, size) and leave no gap.
void validate_pieces(const DimSpec& dim, size_t dim_index, int64_t size, const Mesh& mesh) {
  const int64_t expected = mesh.size_of(dim.axes);
  if (static_cast<int64_t>(dim.pieces.size()) != expected) {
    refuse(str("dim ", dim_index, " has ", dim.pieces.size(), " pieces; expected ", expected));
  }
  Range last{0, 0};
  for (const Range& piece : dim.pieces) {
    if (piece.begin < 0 || piece.end > size || piece.begin > piece.end) {
      refuse(str("piece ", piece, " of dim ", dim_index, " leaves [0,", size, ")"));
    }
    if (piece.empty()) continue;
    if (piece.begin < last.begin || piece.end < last.end) {
      refuse(str("piece ", piece, " of dim ", dim_index, " follows ", last,
                 "; expected ascending pieces"));
    }
    if (piece.begin > last.end) {
      refuse(str("pieces of dim ", dim_index, " leave out [", last.end, ",", piece.begin, ")"));
    }
    last = piece;
  }
  if (last.end != size) {
    refuse(str("pieces of dim ", dim_index, " leave out [", last.end, ",", size, ")"));
  }
}

void validate_dim(const DimSpec& dim, size_t dim_index, int64_t size, const Mesh& mesh) {
  if (dim.axes.empty()) {
    if (!dim.pieces.empty()) refuse(str("dim ", dim_index, " is whole but lists pieces"));
    return;
  }
  if (size < 0) refuse(str("dim ", dim_index, " is symbolic; expected it whole"));
  validate_pieces(dim, dim_index, size, mesh);
}

// Per axis of `coarse` the axes of `fine` that it consists of.
std::vector<std::vector<int>> parts_of(const Mesh& coarse, const Mesh& fine) {
  std::vector<std::vector<int>> parts;
  int next = 0;
  for (const MeshAxis& axis : coarse.axes()) {
    std::vector<int>& own = parts.emplace_back();
    while (next < fine.axis_count() && fine.size_of(own) < axis.size) own.push_back(next++);
    if (own.empty() && next < fine.axis_count()) own.push_back(next++);  // an axis of size 1
    bool is_own = fine.size_of(own) == axis.size;
    for (const int part : own) {
      const std::string& name = fine.axes()[static_cast<size_t>(part)].name;
      is_own = is_own && parent_axis(name) == parent_axis(axis.name);
    }
    if (!is_own) {
      refuse(str("mesh ", fine.to_string(), " does not have the axes of ", coarse.to_string(),
                 " as they are or as sub-axes"));
    }
  }
  return parts;
}

// The coarse axes whose parts are listed one after the other; nothing when they are not.
std::optional<std::vector<int>> joined(std::span<const int> axes,
                                       const std::vector<std::vector<int>>& parts) {
  std::vector<int> result;
  while (!axes.empty()) {
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const auto& own) {
      return own.size() <= axes.size() && std::equal(own.begin(), own.end(), axes.begin());
    });
    if (found == parts.end()) return std::nullopt;
    result.push_back(static_cast<int>(found - parts.begin()));
    axes = axes.subspan(found->size());
  }
  return result;
}

}  // namespace

bool TensorSpec::is_replicated() const {
  return partials.empty() &&
         std::all_of(dims.begin(), dims.end(), [](const DimSpec& dim) { return dim.axes.empty(); });
}

std::vector<Range> balanced_pieces(int64_t size,
                                   std::span<const int64_t> axis_sizes,
                                   int64_t granularity) {
  CHECK(size >= 0 && granularity >= 1 && size % granularity == 0, "size ", size,
        " in pieces of granularity ", granularity);
  std::vector<Range> pieces = {{0, size / granularity}};
  for (const int64_t parts : axis_sizes) {
    CHECK(parts >= 1, "axis of size ", parts);
    std::vector<Range> finer;
    finer.reserve(pieces.size() * static_cast<size_t>(parts));
    for (const Range& piece : pieces) {
      int64_t begin = piece.begin;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t longer = part < piece.size() % parts ? 1 : 0;
        finer.push_back({begin, begin + piece.size() / parts + longer});
        begin = finer.back().end;
      }
    }
    pieces = std::move(finer);
  }
  for (Range& piece : pieces) piece = {piece.begin * granularity, piece.end * granularity};
  return pieces;
}

std::vector<Range> local_ranges(const TensorSpec& spec,
                                std::span<const int64_t> shape,
                                const Mesh& mesh,
                                int64_t cell) {
  CHECK(spec.dims.size() == shape.size(), "spec of ", spec.dims.size(), " dims for a shape of ",
        shape.size());
  std::vector<Range> ranges;
  ranges.reserve(shape.size());
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    const DimSpec& split = spec.dims[dim];
    if (split.axes.empty()) {
      ranges.push_back({0, shape[dim]});
    } else {
      CHECK(shape[dim] >= 0, "symbolic dim ", dim, " is split");
      ranges.push_back(split.pieces.at(static_cast<size_t>(mesh.position(cell, split.axes))));
    }
  }
  return ranges;
}

TensorSpec refined(const TensorSpec& spec, const Mesh& coarse, const Mesh& fine) {
  const std::vector<std::vector<int>> parts = parts_of(coarse, fine);
  const auto all_parts = [&](const std::vector<int>& axes) {
    std::vector<int> result;
    for (const int axis : axes) {
      const std::vector<int>& own = parts.at(static_cast<size_t>(axis));
      result.insert(result.end(), own.begin(), own.end());
    }
    return result;
  };
  TensorSpec result;
  for (const DimSpec& dim : spec.dims) result.dims.push_back({all_parts(dim.axes), dim.pieces});
  for (const PartialAxis& partial : spec.partials) {
    for (const int axis : all_parts({partial.axis}))
      result.partials.push_back({axis, partial.kind});
  }
  return result;
}

std::optional<TensorSpec> merged(const TensorSpec& spec, const Mesh& fine, const Mesh& coarse) {
  const std::vector<std::vector<int>> parts = parts_of(coarse, fine);
  TensorSpec result;
  for (const DimSpec& dim : spec.dims) {
    auto axes = joined(dim.axes, parts);
    if (!axes) return std::nullopt;
    result.dims.push_back({std::move(*axes), dim.pieces});
  }
  std::map<ReduceKind, std::vector<int>> partial_axes;
  for (const PartialAxis& partial : spec.partials) {
    partial_axes[partial.kind].push_back(partial.axis);
  }
  for (const auto& [kind, fine_axes] : partial_axes) {
    const auto axes = joined(fine_axes, parts);
    if (!axes) return std::nullopt;
    for (const int axis : *axes) result.partials.push_back({axis, kind});
  }
  std::sort(result.partials.begin(), result.partials.end());
  return result;
}

void validate(const TensorSpec& spec, std::span<const int64_t> shape, const Mesh& mesh) {
  if (spec.dims.size() != shape.size()) {
    refuse(str(spec.dims.size(), " dims; expected ", shape.size(), " as in the tensor"));
  }
  std::vector<bool> used(static_cast<size_t>(mesh.axis_count()), false);
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    for (const int axis : spec.dims[dim].axes) use_axis(axis, mesh, used);
    validate_dim(spec.dims[dim], dim, shape[dim], mesh);
  }
  for (const PartialAxis& partial : spec.partials) use_axis(partial.axis, mesh, used);
  if (!std::is_sorted(spec.partials.begin(), spec.partials.end())) {
    refuse("partials are not sorted by axis");
  }
}

}  // namespace partita::spec
