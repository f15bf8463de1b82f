// SPDX-License-Identifier: Apache-2.0
// Pieces of tensor specs: balanced pieces, the ranges a cell holds, validity.
#include "spec/tensor_spec.h"

#include <algorithm>

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
