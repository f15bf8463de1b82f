// SPDX-License-Identifier: Apache-2.0
// Derives the sharding strategies of an operator from its index notation.
#include "spec/strategy.h"

#include <algorithm>
#include <optional>

#include "spec/legal_strategy.h"
#include "support/error.h"

namespace partita::spec {
namespace {

// Every axis multiplies them: six axes with six choices each.
constexpr size_t kMaxCombinations = size_t{1} << 16;

using FactorAxes = std::vector<std::vector<int>>;      // per factor: mesh axes that split it
using FactorPieces = std::vector<std::vector<Range>>;  // per factor: its pieces over those axes

template <typename Visit>
void for_each_tensor(const Notation& notation, const Visit& visit) {
  for (const TensorIndex& tensor : notation.inputs) visit(tensor);
  for (const TensorIndex& tensor : notation.outputs) visit(tensor);
}

// How one tensor carries a factor.
struct Appearance {
  int count = 0;
  bool is_major = true;  // in its compound dim, with minors of known size
  bool is_divided = false;
};

Appearance find_factor(const Notation& notation, const TensorIndex& tensor, int factor) {
  Appearance found;
  for (const DimIndex& dim : tensor) {
    for (size_t term = 0; term < dim.size(); ++term) {
      if (dim[term].factor != factor) continue;
      ++found.count;
      found.is_divided = found.is_divided || dim[term].divide > 1;
      const bool is_major = term == 0 && dim_size(notation, std::span(dim).subspan(1)) > 0;
      found.is_major = found.is_major && is_major;
    }
  }
  return found;
}

// The piece of a dim whose major term is `term`, when its factor has the piece `range`.
Range dim_piece(Range range, const IndexTerm& term, int64_t minor_size) {
  const int64_t begin = range.begin / term.divide;
  const int64_t end = range.empty() ? begin : (range.end + term.divide - 1) / term.divide;
  return {begin * minor_size, end * minor_size};
}

TensorSpec tensor_spec(const Notation& notation,
                       const TensorIndex& tensor,
                       const FactorAxes& axes,
                       const FactorPieces& pieces) {
  TensorSpec spec = TensorSpec::replicated(static_cast<int>(tensor.size()));
  for (size_t dim = 0; dim < tensor.size(); ++dim) {
    if (tensor[dim].empty()) continue;
    const IndexTerm& major = tensor[dim][0];
    const auto factor = static_cast<size_t>(major.factor);
    if (axes[factor].empty()) continue;
    const int64_t minor_size = dim_size(notation, std::span(tensor[dim]).subspan(1));
    spec.dims[dim].axes = axes[factor];
    for (const Range& piece : pieces[factor]) {
      spec.dims[dim].pieces.push_back(dim_piece(piece, major, minor_size));
    }
  }
  return spec;
}

// The Partial that the outputs get along an axis with this choice, if any.
std::optional<ReduceKind> output_partial(const Notation& notation, int choice) {
  if (choice == Strategy::kNone) return std::nullopt;
  if (choice <= Strategy::kPassPartial) return ReduceKind::kSum;
  const Factor& factor = notation.factors.at(static_cast<size_t>(choice));
  switch (factor.kind) {
    case FactorKind::kReduce:
      return factor.reduce;
    case FactorKind::kGather:
      return ReduceKind::kSum;
    case FactorKind::kMap:
    case FactorKind::kWhole:
      return std::nullopt;
  }
  return std::nullopt;
}

bool is_legal_choice(const Notation& notation, int choice) {
  if (choice == Strategy::kNone) return true;
  if (choice >= 0) {
    return choice < static_cast<int>(notation.factors.size()) && is_splittable(notation, choice);
  }
  const int set = Strategy::kPassPartial - choice;
  return set < static_cast<int>(notation.linear_in.size());
}

// Two reductions of different kinds do not commute, so outputs hold one kind.
bool mixes_partials(const Notation& notation, std::span<const int> axis_factor) {
  std::optional<ReduceKind> first;
  for (const int choice : axis_factor) {
    const auto kind = output_partial(notation, choice);
    if (kind && first && *kind != *first) return true;
    if (kind) first = kind;
  }
  return false;
}

std::vector<Range> default_pieces(const Factor& factor,
                                  const Mesh& mesh,
                                  std::span<const int> axes) {
  std::vector<int64_t> sizes;
  for (const int axis : axes) sizes.push_back(mesh.size_of({&axis, 1}));
  return balanced_pieces(factor.size, sizes, factor.granularity);
}

void add_partials(const Notation& notation, Strategy& strategy) {
  for (size_t axis = 0; axis < strategy.axis_factor.size(); ++axis) {
    const int choice = strategy.axis_factor[axis];
    const auto kind = output_partial(notation, choice);
    if (!kind) continue;
    const PartialAxis partial{static_cast<int>(axis), *kind};
    for (TensorSpec& output : strategy.outputs) output.partials.push_back(partial);
    if (choice > Strategy::kPassPartial) continue;
    for (const int input :
         notation.linear_in[static_cast<size_t>(Strategy::kPassPartial - choice)]) {
      strategy.inputs.at(static_cast<size_t>(input)).partials.push_back(partial);
    }
  }
}

std::vector<int> choices_of(const Notation& notation) {
  std::vector<int> choices = {Strategy::kNone};
  for (int factor = 0; factor < static_cast<int>(notation.factors.size()); ++factor) {
    if (is_splittable(notation, factor)) choices.push_back(factor);
  }
  for (int set = 0; set < static_cast<int>(notation.linear_in.size()); ++set) {
    choices.push_back(Strategy::kPassPartial - set);
  }
  return choices;
}

// The rank's piece of `factor` read back from a tensor dim that carries it undivided; nothing when
// that tensor does not.
std::optional<Range> factor_range_in(const Notation& notation,
                                     const TensorIndex& tensor,
                                     std::span<const Range> ranges,
                                     int factor) {
  for (size_t dim = 0; dim < tensor.size(); ++dim) {
    if (tensor[dim].empty()) continue;
    const IndexTerm& major = tensor[dim][0];
    if (major.factor != factor || major.divide != 1) continue;
    const int64_t minor_size = dim_size(notation, std::span(tensor[dim]).subspan(1));
    return Range{ranges[dim].begin / minor_size, ranges[dim].end / minor_size};
  }
  return std::nullopt;
}

// The largest divisor with which a dim carries the factor; 1 when none divides it.
int64_t divisor_of(const Notation& notation, int factor) {
  int64_t divisor = 1;
  for_each_tensor(notation, [&](const TensorIndex& tensor) {
    for (const DimIndex& dim : tensor) {
      for (const IndexTerm& term : dim) {
        if (term.factor == factor) divisor = std::max(divisor, term.divide);
      }
    }
  });
  return divisor;
}

}  // namespace

bool is_splittable(const Notation& notation, int factor) {
  const Factor& split = notation.factors.at(static_cast<size_t>(factor));
  if (split.kind == FactorKind::kWhole || split.size <= 0) return false;
  bool is_legal = true;
  bool is_readable = false;  // factor_ranges() needs one undivided dim
  for_each_tensor(notation, [&](const TensorIndex& tensor) {
    const Appearance found = find_factor(notation, tensor, factor);
    if (found.count > 1 || !found.is_major) is_legal = false;
    if (found.count == 1 && !found.is_divided) is_readable = true;
  });
  for (const TensorIndex& output : notation.outputs) {
    const bool is_carried = find_factor(notation, output, factor).count > 0;
    if (split.kind != FactorKind::kMap && is_carried) is_legal = false;
  }
  return is_legal && is_readable;
}

bool is_whole(const Notation& notation) {
  return !notation.factors.empty() &&
         std::all_of(notation.factors.begin(), notation.factors.end(),
                     [](const Factor& factor) { return factor.kind == FactorKind::kWhole; });
}

bool is_legal(const Notation& notation, std::span<const int> axis_factor) {
  return std::all_of(axis_factor.begin(), axis_factor.end(),
                     [&](int choice) { return is_legal_choice(notation, choice); }) &&
         !mixes_partials(notation, axis_factor);
}

Strategy make_strategy(const Notation& notation,
                       const Mesh& mesh,
                       std::vector<int> axis_factor,
                       const PiecesOf& pieces_of) {
  CHECK(static_cast<int>(axis_factor.size()) == mesh.axis_count(), axis_factor.size(),
        " choices for a mesh of ", mesh.axis_count(), " axes");
  FactorAxes axes(notation.factors.size());
  FactorPieces pieces(notation.factors.size());
  for (size_t axis = 0; axis < axis_factor.size(); ++axis) {
    CHECK(is_legal_choice(notation, axis_factor[axis]), "choice ", axis_factor[axis],
          " is not legal for ", to_string(notation));
    if (axis_factor[axis] < 0) continue;
    axes[static_cast<size_t>(axis_factor[axis])].push_back(static_cast<int>(axis));
  }
  CHECK(!mixes_partials(notation, axis_factor), "outputs would mix reductions");
  for (size_t factor = 0; factor < axes.size(); ++factor) {
    if (axes[factor].empty()) continue;
    pieces[factor] = pieces_of ? pieces_of(static_cast<int>(factor), axes[factor])
                               : default_pieces(notation.factors[factor], mesh, axes[factor]);
    CHECK(static_cast<int64_t>(pieces[factor].size()) == mesh.size_of(axes[factor]),
          pieces[factor].size(), " pieces of factor ", notation.factors[factor].name);
  }
  Strategy strategy;
  strategy.axis_factor = std::move(axis_factor);
  for (const TensorIndex& tensor : notation.inputs) {
    strategy.inputs.push_back(tensor_spec(notation, tensor, axes, pieces));
  }
  for (const TensorIndex& tensor : notation.outputs) {
    strategy.outputs.push_back(tensor_spec(notation, tensor, axes, pieces));
  }
  add_partials(notation, strategy);
  return strategy;
}

std::vector<Strategy> derive_strategies(const Notation& notation,
                                        const Mesh& mesh,
                                        const PiecesOf& pieces_of) {
  const std::vector<int> choices = choices_of(notation);
  std::vector<std::vector<int>> combinations = {{}};
  for (const MeshAxis& axis : mesh.axes()) {
    const size_t count = combinations.size() * (axis.size == 1 ? 1 : choices.size());
    if (count > kMaxCombinations) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[strategy] mesh ", mesh.to_string(), " gives more than ", kMaxCombinations,
                      " ways to cut one operator; join some of its axes"));
    }
    std::vector<std::vector<int>> longer;
    for (const std::vector<int>& combination : combinations) {
      for (const int choice : choices) {
        if (axis.size == 1 && choice != Strategy::kNone) continue;
        longer.push_back(combination);
        longer.back().push_back(choice);
      }
    }
    combinations = std::move(longer);
  }
  std::vector<Strategy> strategies;
  for (std::vector<int>& combination : combinations) {
    if (mixes_partials(notation, combination)) continue;
    strategies.push_back(make_strategy(notation, mesh, std::move(combination), pieces_of));
  }
  return strategies;
}

std::vector<Range> factor_ranges(const Notation& notation,
                                 const Strategy& strategy,
                                 const Mesh& mesh,
                                 int64_t cell) {
  std::vector<Range> ranges;
  for (const Factor& factor : notation.factors) ranges.push_back({0, factor.size});
  const auto read = [&](const TensorIndex& tensor, const TensorSpec& spec) {
    for (size_t dim = 0; dim < tensor.size(); ++dim) {
      if (spec.dims[dim].axes.empty()) continue;
      const auto factor = tensor[dim][0].factor;
      std::vector<Range> local(tensor.size());
      const DimSpec& split = spec.dims[dim];
      local[dim] = split.pieces.at(static_cast<size_t>(mesh.position(cell, split.axes)));
      const auto range = factor_range_in(notation, tensor, local, factor);
      if (range) ranges[static_cast<size_t>(factor)] = *range;
    }
  };
  for (size_t i = 0; i < notation.inputs.size(); ++i) read(notation.inputs[i], strategy.inputs[i]);
  for (size_t i = 0; i < notation.outputs.size(); ++i) {
    read(notation.outputs[i], strategy.outputs[i]);
  }
  return ranges;
}

std::vector<std::pair<std::string, int64_t>> local_attributes(
    const Notation& notation, std::span<const Range> factor_ranges) {
  std::vector<std::pair<std::string, int64_t>> attributes;
  for (size_t i = 0; i < notation.factors.size(); ++i) {
    const Factor& factor = notation.factors[i];
    if (factor.size < 0 || factor_ranges[i] == Range{0, factor.size}) continue;
    if (factor.kind == FactorKind::kGather) {
      attributes.emplace_back(factor.name + "_begin", factor_ranges[i].begin);
    }
    const int64_t divisor = divisor_of(notation, static_cast<int>(i));
    if (divisor > 1) {
      attributes.emplace_back(factor.name + "_phase", factor_ranges[i].begin % divisor);
    }
  }
  return attributes;
}

std::string to_string(const Strategy& strategy, const Notation& notation, const Mesh& mesh) {
  std::string text;
  for (size_t axis = 0; axis < strategy.axis_factor.size(); ++axis) {
    const int choice = strategy.axis_factor[axis];
    if (choice == Strategy::kNone) continue;
    const std::string what = choice < 0 ? str("partial", Strategy::kPassPartial - choice)
                                        : notation.factors.at(static_cast<size_t>(choice)).name;
    text += str(text.empty() ? "" : " ", what, ":", mesh.axes().at(axis).name);
  }
  return text.empty() ? "replicated" : text;
}

}  // namespace partita::spec
