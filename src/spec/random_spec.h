// SPDX-License-Identifier: Apache-2.0
// Random valid tensor specs for property tests: uneven, empty and overlapping pieces, several axes
// on a dim, partials.
#pragma once

#include <algorithm>
#include <random>
#include <span>
#include <vector>

#include "spec/tensor_spec.h"

namespace partita::spec {

// Ascending pieces that cover [0, size): `overlap` lets neighbours share elements.
inline std::vector<Range> random_pieces(int64_t size,
                                        int64_t count,
                                        bool overlap,
                                        std::mt19937& random) {
  const auto below = [&](int64_t limit) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(limit));
  };
  std::vector<int64_t> cuts = {0, size};
  for (int64_t i = 1; i < count; ++i) cuts.push_back(below(size + 1));
  std::sort(cuts.begin(), cuts.end());
  std::vector<Range> pieces;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    Range piece{cuts[i], cuts[i + 1]};
    const bool may_grow = overlap && i > 0 && !piece.empty() && !pieces.back().empty();
    if (may_grow) piece.begin -= below(piece.begin - pieces.back().begin + 1);
    pieces.push_back(piece);
  }
  return pieces;
}

struct RandomSpecOptions {
  bool uneven = true;
  bool overlap = true;
  bool partials = true;
  bool several_kinds = true;
};

inline TensorSpec random_spec(std::span<const int64_t> shape,
                              const Mesh& mesh,
                              std::mt19937& random,
                              RandomSpecOptions options = {}) {
  const auto dims = static_cast<int>(shape.size());
  TensorSpec spec = TensorSpec::replicated(dims);
  std::vector<int> axes;
  for (int axis = 0; axis < mesh.axis_count(); ++axis) axes.push_back(axis);
  std::shuffle(axes.begin(), axes.end(), random);
  for (const int axis : axes) {
    const int place = static_cast<int>(random() % static_cast<unsigned>(dims + 2));
    if (place < dims && shape[static_cast<size_t>(place)] >= 0) {
      spec.dims[static_cast<size_t>(place)].axes.push_back(axis);
    } else if (place == dims && options.partials) {
      const auto kind =
          options.several_kinds ? static_cast<ReduceKind>(random() % 5) : ReduceKind::kSum;
      spec.partials.push_back({axis, kind});
    }
  }
  std::sort(spec.partials.begin(), spec.partials.end());
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    DimSpec& split = spec.dims[dim];
    if (split.axes.empty()) continue;
    std::vector<int64_t> sizes;
    for (const int axis : split.axes) sizes.push_back(mesh.size_of({&axis, 1}));
    split.pieces = balanced_pieces(shape[dim], sizes);
    if (options.uneven && random() % 2 == 0) {
      const bool overlap = options.overlap && random() % 2 == 0;
      split.pieces = random_pieces(shape[dim], mesh.size_of(split.axes), overlap, random);
    }
  }
  return spec;
}

}  // namespace partita::spec
