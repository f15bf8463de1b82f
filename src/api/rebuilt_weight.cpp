// SPDX-License-Identifier: Apache-2.0
// Covers a weight with pieces, dim by dim.
#include "api/rebuilt_weight.h"

#include <algorithm>
#include <map>

namespace partita::api {
namespace {

using ir::WeightSource;
using Pieces = std::vector<const StoredPiece*>;

std::optional<WeightSource> cover(const std::vector<int64_t>& shape,
                                  size_t dim,
                                  const Pieces& pieces);

// The pieces that begin at or before `at` and reach farthest beyond it.
const std::pair<const Range, Pieces>* reaching(const std::map<Range, Pieces>& by_range,
                                               int64_t at) {
  const std::pair<const Range, Pieces>* best = nullptr;
  for (const auto& entry : by_range) {
    const Range& range = entry.first;
    if (range.begin > at || range.end <= at) continue;
    if (best == nullptr || range.end > best->first.end) best = &entry;
  }
  return best;
}

std::optional<WeightSource> cover(const std::vector<int64_t>& shape,
                                  size_t dim,
                                  const Pieces& pieces) {
  if (pieces.empty()) return std::nullopt;
  if (dim == shape.size()) return WeightSource::from_tensor(pieces.front()->tensor);
  std::map<Range, Pieces> by_range;
  for (const StoredPiece* piece : pieces) by_range[piece->ranges[dim]].push_back(piece);
  if (shape[dim] == 0) return cover(shape, dim + 1, pieces);
  std::vector<WeightSource> parts;
  for (int64_t at = 0; at < shape[dim];) {
    const auto* next = reaching(by_range, at);
    if (next == nullptr) return std::nullopt;
    auto part = cover(shape, dim + 1, next->second);
    if (!part) return std::nullopt;
    const Range& range = next->first;
    if (range.begin < at)
      part = part->slice(static_cast<int>(dim), {at - range.begin, range.size()});
    parts.push_back(std::move(*part));
    at = range.end;
  }
  if (parts.size() == 1) return std::move(parts.front());
  return WeightSource::concat(static_cast<int>(dim), std::move(parts));
}

}  // namespace

std::optional<WeightSource> rebuilt_weight(const std::vector<int64_t>& shape,
                                           const std::vector<StoredPiece>& pieces) {
  Pieces candidates;
  for (const StoredPiece& piece : pieces) candidates.push_back(&piece);
  return cover(shape, 0, candidates);
}

}  // namespace partita::api
