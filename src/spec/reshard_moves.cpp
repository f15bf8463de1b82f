// SPDX-License-Identifier: Apache-2.0
// Options of each dim and the moves between them.
#include "spec/reshard_moves.h"

#include <algorithm>
#include <cstdlib>

#include "support/error.h"

namespace partita::spec {
namespace {

// Up to this many mesh axes the search may use detours; beyond it only splits of `from` and `to`,
// because the number of options per dim grows with the factorial of the axes.
constexpr int kMaxDetourAxes = 2;

AxisMask mask_of(std::span<const int> axes) {
  AxisMask mask = 0;
  for (const int axis : axes) mask |= AxisMask{1} << axis;
  return mask;
}

// The hull of each run of `run` pieces: what ranks hold after gathering them.
std::vector<Range> hulls(const std::vector<Range>& pieces, size_t run) {
  std::vector<Range> result;
  for (size_t first = 0; first < pieces.size(); first += run) {
    Range hull = pieces[first];
    for (size_t i = first; i < first + run; ++i) {
      if (pieces[i].empty()) continue;
      hull = hull.empty()
                 ? pieces[i]
                 : Range{std::min(hull.begin, pieces[i].begin), std::max(hull.end, pieces[i].end)};
    }
    result.push_back(hull);
  }
  return result;
}

bool overlap(const std::vector<Range>& pieces) {
  int64_t end = 0;
  for (const Range& piece : pieces) {
    if (piece.empty()) continue;
    if (piece.begin < end) return true;
    end = piece.end;
  }
  return false;
}

bool is_prefix(const std::vector<int>& prefix, const std::vector<int>& list) {
  return prefix.size() < list.size() && std::equal(prefix.begin(), prefix.end(), list.begin());
}

std::vector<Range> pieces_or_whole(const DimSpec& spec, int64_t size) {
  return spec.axes.empty() ? std::vector<Range>{{0, size}} : spec.pieces;
}

// Equal, where empty pieces are equal wherever they stand.
bool same_pieces(const std::vector<Range>& a, const std::vector<Range>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Range& x, const Range& y) {
    return x == y || (x.empty() && y.empty());
  });
}

bool each_contains(const std::vector<Range>& coarse, const std::vector<Range>& fine) {
  const size_t run = fine.size() / coarse.size();
  for (size_t i = 0; i < fine.size(); ++i) {
    if (!coarse[i / run].contains(fine[i])) return false;
  }
  return true;
}

}  // namespace

ReshardSpace::ReshardSpace(const TensorSpec& from,
                           const TensorSpec& to,
                           std::span<const int64_t> shape,
                           const Mesh& mesh)
    : from_(from), mesh_(mesh), options_(shape.size()) {
  for (const int64_t size : shape) shape_.push_back(std::abs(size));
  CHECK(from.dims.size() == shape.size() && to.dims.size() == shape.size(),
        "specs and shape differ in their number of dims");
  CHECK(mesh.axis_count() <= 64, "mesh of ", mesh.axis_count(), " axes; at most 64");
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    add_options(dim, from.dims[dim]);
    add_options(dim, to.dims[dim]);
    if (mesh.axis_count() <= kMaxDetourAxes && shape[dim] >= 0) add_even_options(dim);
    connect(dim);
    start_.options.push_back(option_index(dim, from.dims[dim]));
    goal_.options.push_back(option_index(dim, to.dims[dim]));
  }
  add_partials(to);
  std::vector<std::vector<int>> sets = {{}};
  for (const PartialAxis& partial : from.partials) {
    if ((mask_of({&partial.axis, 1}) & reducible_) == 0) continue;
    for (size_t i = 0, count = sets.size(); i < count; ++i) {
      sets.push_back(sets[i]);
      sets.back().push_back(partial.axis);
    }
  }
  sets.erase(sets.begin());
  std::erase_if(sets, [&](const auto& set) { return !may_reduce(start_, mask_of(set)); });
  reducible_sets_ = std::move(sets);
}

// What is Partial at the start and at the end. Terms of a sum can be made, and commute with other
// sums only.
void ReshardSpace::add_partials(const TensorSpec& to) {
  partials_ = from_.partials;
  for (const PartialAxis& partial : from_.partials) start_.partials |= mask_of({&partial.axis, 1});
  const bool only_sums = std::all_of(to.partials.begin(), to.partials.end(),
                                     [](const auto& p) { return p.kind == ReduceKind::kSum; });
  for (const PartialAxis& partial : to.partials) {
    const AxisMask mask = mask_of({&partial.axis, 1});
    goal_.partials |= mask;
    if (std::find(from_.partials.begin(), from_.partials.end(), partial) != from_.partials.end()) {
      continue;
    }
    if (!only_sums || (start_.partials & mask) != 0) is_reachable_ = false;
    wanted_ |= mask;
    partials_.push_back(partial);
  }
  std::sort(partials_.begin(), partials_.end());
  reducible_ = start_.partials & ~goal_.partials;
}

// The spec itself and, for each prefix of its axes, the hulls of its pieces.
void ReshardSpace::add_options(size_t dim, const DimSpec& spec) {
  std::vector<DimOption>& options = options_[dim];
  for (size_t length = spec.axes.size() + 1; length-- > 0;) {
    DimSpec prefix;
    if (length > 0) {
      prefix.axes.assign(spec.axes.begin(), spec.axes.begin() + static_cast<int64_t>(length));
      const auto run = static_cast<size_t>(mesh_.size_of(std::span(spec.axes).subspan(length)));
      prefix.pieces = length == spec.axes.size() ? spec.pieces : hulls(spec.pieces, run);
    }
    const bool is_known = std::any_of(options.begin(), options.end(),
                                      [&](const DimOption& o) { return o.spec == prefix; });
    if (is_known) continue;
    DimOption option{.spec = std::move(prefix)};
    option.mask = mask_of(option.spec.axes);
    option.overlaps = overlap(option.spec.pieces);
    for (const Range& piece : pieces_or_whole(option.spec, shape_[dim])) {
      option.largest_piece = std::max(option.largest_piece, piece.size());
    }
    options.push_back(std::move(option));
  }
}

void ReshardSpace::add_even_options(size_t dim) {
  std::vector<std::vector<int>> lists;
  for (int axis = 0; axis < mesh_.axis_count(); ++axis) lists.push_back({axis});
  if (mesh_.axis_count() == 2) lists.insert(lists.end(), {{0, 1}, {1, 0}});
  for (std::vector<int>& axes : lists) {
    std::vector<int64_t> sizes;
    for (const int axis : axes) sizes.push_back(mesh_.size_of({&axis, 1}));
    DimSpec even;
    even.pieces = balanced_pieces(shape_[dim], sizes);
    even.axes = std::move(axes);
    add_options(dim, even);
  }
}

void ReshardSpace::connect(size_t dim) {
  std::vector<DimOption>& options = options_[dim];
  for (size_t i = 0; i < options.size(); ++i) {
    for (size_t j = 0; j < options.size(); ++j) {
      DimOption& coarse = options[i];
      DimOption& fine = options[j];
      const bool is_split = !coarse.spec.axes.empty() && coarse.spec.axes != fine.spec.axes;
      if (is_split && same_pieces(coarse.spec.pieces, fine.spec.pieces)) {
        coarse.permuted.push_back(static_cast<int>(j));
      }
      if (!is_prefix(coarse.spec.axes, fine.spec.axes)) continue;
      const auto kept = static_cast<int64_t>(coarse.spec.axes.size());
      const std::vector<int> axes(fine.spec.axes.begin() + kept, fine.spec.axes.end());
      const auto coarse_pieces = pieces_or_whole(coarse.spec, shape_[dim]);
      const auto run = static_cast<size_t>(mesh_.size_of(axes));
      if (same_pieces(hulls(fine.spec.pieces, run), coarse_pieces)) {
        fine.losses.push_back({static_cast<int>(i), axes, mask_of(axes)});
      }
      if (each_contains(coarse_pieces, fine.spec.pieces)) {
        coarse.gains.push_back({static_cast<int>(j), axes, mask_of(axes)});
      }
    }
  }
}

int ReshardSpace::option_index(size_t dim, const DimSpec& spec) const {
  const std::vector<DimOption>& options = options_[dim];
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const DimOption& o) { return o.spec == spec; });
  CHECK(found != options.end(), "spec without an option");
  return static_cast<int>(found - options.begin());
}

const DimOption& ReshardSpace::option(const ReshardState& state, size_t dim) const {
  return options_[dim][static_cast<size_t>(state.options[dim])];
}

AxisMask ReshardSpace::used_axes(const ReshardState& state) const {
  AxisMask used = state.partials;
  for (size_t dim = 0; dim < options_.size(); ++dim) used |= option(state, dim).mask;
  return used;
}

int64_t ReshardSpace::elements(const ReshardState& state) const {
  // Dims use different axes, so some rank holds the largest piece of every dim.
  int64_t product = 1;
  for (size_t dim = 0; dim < options_.size(); ++dim) product *= option(state, dim).largest_piece;
  return product;
}

TensorSpec ReshardSpace::spec_of(const ReshardState& state) const {
  TensorSpec spec;
  for (size_t dim = 0; dim < options_.size(); ++dim) {
    spec.dims.push_back(option(state, dim).spec);
  }
  for (const PartialAxis& partial : partials_) {
    if ((mask_of({&partial.axis, 1}) & state.partials) != 0) spec.partials.push_back(partial);
  }
  return spec;
}

// True when all axes of the mask are Partial of one kind and `to` does not keep them.
bool ReshardSpace::may_reduce(const ReshardState& state, AxisMask mask) const {
  if ((mask & ~(state.partials & reducible_)) != 0) return false;
  const ReduceKind kind = reduce_kind(mask);
  return std::all_of(from_.partials.begin(), from_.partials.end(), [&](const PartialAxis& p) {
    return (mask_of({&p.axis, 1}) & mask) == 0 || p.kind == kind;
  });
}

ReduceKind ReshardSpace::reduce_kind(AxisMask mask) const {
  for (const PartialAxis& partial : from_.partials) {
    if ((mask_of({&partial.axis, 1}) & mask) != 0) return partial.kind;
  }
  return ReduceKind::kSum;
}

std::vector<ReshardMove> ReshardSpace::moves(const ReshardState& state) const {
  Moves moves;
  for (size_t dim = 0; dim < options_.size(); ++dim) {
    for (const DimChange& loss : option(state, dim).losses) {
      ReshardMove move{ReshardKind::kAllGather, loss.axes, static_cast<int>(dim)};
      move.next = state;
      move.next.options[dim] = loss.target;
      moves.push_back(std::move(move));
    }
    add_gains(state, dim, moves);
    add_exchanges(state, dim, moves);
  }
  add_reductions(state, moves);
  add_permutes(state, moves);
  add_terms(state, moves);
  return moves;
}

// Slices and reduce_scatters that give axes to `dim`.
void ReshardSpace::add_gains(const ReshardState& state, size_t dim, Moves& moves) const {
  const AxisMask used = used_axes(state);
  for (const DimChange& gain : option(state, dim).gains) {
    const bool is_free = (gain.mask & used) == 0;
    const bool is_partial =
        may_reduce(state, gain.mask) && !options_[dim][static_cast<size_t>(gain.target)].overlaps;
    if (!is_free && !is_partial) continue;
    ReshardMove move{is_free ? ReshardKind::kSlice : ReshardKind::kReduceScatter, gain.axes,
                     static_cast<int>(dim)};
    if (!is_free) move.reduce = reduce_kind(gain.mask);
    move.next = state;
    move.next.options[dim] = gain.target;
    if (!is_free) move.next.partials &= ~gain.mask;
    moves.push_back(std::move(move));
  }
}

// All_to_alls that move axes from another dim to `dim`.
void ReshardSpace::add_exchanges(const ReshardState& state, size_t dim, Moves& moves) const {
  for (const DimChange& gain : option(state, dim).gains) {
    if (options_[dim][static_cast<size_t>(gain.target)].overlaps) continue;
    for (size_t from_dim = 0; from_dim < options_.size(); ++from_dim) {
      if (from_dim == dim) continue;
      for (const DimChange& loss : option(state, from_dim).losses) {
        if (loss.axes != gain.axes) continue;
        ReshardMove move{ReshardKind::kAllToAll, gain.axes, static_cast<int>(dim),
                         static_cast<int>(from_dim)};
        move.next = state;
        move.next.options[dim] = gain.target;
        move.next.options[from_dim] = loss.target;
        moves.push_back(std::move(move));
      }
    }
  }
}

void ReshardSpace::add_reductions(const ReshardState& state, Moves& moves) const {
  for (const std::vector<int>& axes : reducible_sets_) {
    const AxisMask mask = mask_of(axes);
    if (!may_reduce(state, mask)) continue;
    ReshardMove move{ReshardKind::kAllReduce, axes};
    move.reduce = reduce_kind(mask);
    move.next = state;
    move.next.partials &= ~mask;
    moves.push_back(std::move(move));
  }
}

// Every way to give dims other axes without changing their pieces.
void ReshardSpace::add_permutes(const ReshardState& state, Moves& moves) const {
  std::vector<ReshardState> states = {state};
  for (size_t dim = 0; dim < options_.size(); ++dim) {
    for (size_t i = 0, count = states.size(); i < count; ++i) {
      for (const int other : option(state, dim).permuted) {
        states.push_back(states[i]);
        states.back().options[dim] = other;
      }
    }
  }
  for (size_t i = 1; i < states.size(); ++i) {
    if (!has_free_axes(states[i])) continue;
    AxisMask changed = 0;
    for (size_t dim = 0; dim < options_.size(); ++dim) {
      if (states[i].options[dim] == state.options[dim]) continue;
      changed |= option(state, dim).mask | option(states[i], dim).mask;
    }
    ReshardMove move{ReshardKind::kPermute, axes_of(changed)};
    move.next = std::move(states[i]);
    moves.push_back(std::move(move));
  }
}

// All Partials that are still to be made, at once.
void ReshardSpace::add_terms(const ReshardState& state, Moves& moves) const {
  if (wanted_ == 0 || (wanted_ & used_axes(state)) != 0) return;
  ReshardMove move{ReshardKind::kTerm, axes_of(wanted_)};
  move.next = state;
  move.next.partials |= wanted_;
  moves.push_back(std::move(move));
}

// No axis is used twice.
bool ReshardSpace::has_free_axes(const ReshardState& state) const {
  AxisMask used = state.partials;
  for (size_t dim = 0; dim < options_.size(); ++dim) {
    const AxisMask mask = option(state, dim).mask;
    if ((used & mask) != 0) return false;
    used |= mask;
  }
  return true;
}

std::span<const int> ReshardSpace::axes_of(AxisMask mask) const {
  std::vector<int>& axes = axis_lists_[mask];
  if (!axes.empty()) return axes;
  for (int axis = 0; axis < mesh_.axis_count(); ++axis) {
    if ((mask >> axis & 1U) != 0) axes.push_back(axis);
  }
  return axes;
}

}  // namespace partita::spec
