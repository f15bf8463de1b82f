// SPDX-License-Identifier: Apache-2.0
// Rebuilds the strategy of a node from a plan.
#include "partition/node_layout.h"

#include <algorithm>
#include <optional>
#include <span>

#include "ops/op.h"
#include "spec/legal_strategy.h"
#include "support/error.h"

namespace partita::partition {
namespace {

using spec::Notation;
using spec::Strategy;

Error illegal(const ir::Node& node, const std::string& text) {
  return Error(ErrorCode::kInvalidArgument,
               str("[partition] the plan contradicts the graph: node \"", node.name, "\" (",
                   node.op, "): ", text));
}

void check_axis_factor(const ir::Node& node,
                       const Notation& notation,
                       std::span<const int> axis_factor,
                       int axes) {
  if (static_cast<int>(axis_factor.size()) != axes) {
    throw illegal(node, str(axis_factor.size(),
                            " entries in its strategy; expected one per mesh axis, ", axes));
  }
  for (const int choice : axis_factor) {
    if (choice == Strategy::kNone) continue;
    const int passed = Strategy::kPassPartial - choice;
    if (choice < 0) {
      if (passed < static_cast<int>(notation.linear_in.size())) continue;
      throw illegal(node, str("passes the partial inputs of set ", passed, ", but the op has ",
                              notation.linear_in.size(), " such sets"));
    }
    if (choice >= static_cast<int>(notation.factors.size())) {
      throw illegal(node, str("splits factor ", choice, " of ", notation.factors.size()));
    }
    const spec::Factor& factor = notation.factors[static_cast<size_t>(choice)];
    if (factor.kind == spec::FactorKind::kWhole || factor.size < 0) {
      throw illegal(node, str("splits factor ", factor.name, ", which must stay whole"));
    }
  }
  if (spec::is_legal(notation, axis_factor)) return;
  throw illegal(node,
                "its strategy splits a factor that may not be split alone, or mixes reductions");
}

// Product of the sizes of the minor factors of a compound dim.
int64_t minor_size(const Notation& notation, const spec::DimIndex& dim) {
  int64_t size = 1;
  for (size_t term = 1; term < dim.size(); ++term) {
    size *= notation.factors[static_cast<size_t>(dim[term].factor)].size;
  }
  return size;
}

// Listed specs by tensor index, in the order in which they are believed.
class Evidence {
 public:
  explicit Evidence(const Notation& notation) : notation_(notation) {}

  void add(const spec::TensorIndex& index, const spec::TensorSpec& spec) {
    entries_.push_back({&index, &spec});
  }

  [[nodiscard]] std::optional<std::vector<Range>> pieces(int factor,
                                                         std::span<const int> axes) const {
    for (const Entry& entry : entries_) {
      for (size_t dim = 0; dim < entry.index->size(); ++dim) {
        const spec::DimIndex& terms = (*entry.index)[dim];
        const spec::DimSpec& split = entry.spec->dims[dim];
        const bool shows = !terms.empty() && terms[0].factor == factor && terms[0].divide == 1 &&
                           std::ranges::equal(split.axes, axes);
        if (!shows) continue;
        if (auto found = divided(split.pieces, minor_size(notation_, terms))) return found;
      }
    }
    return std::nullopt;
  }

 private:
  struct Entry {
    const spec::TensorIndex* index;
    const spec::TensorSpec* spec;
  };

  // Pieces of the major factor; nothing when a piece cuts through it.
  static std::optional<std::vector<Range>> divided(std::vector<Range> pieces, int64_t minor) {
    for (Range& piece : pieces) {
      if (minor <= 0 || piece.begin % minor != 0 || piece.end % minor != 0) return std::nullopt;
      piece = {piece.begin / minor, piece.end / minor};
    }
    return pieces;
  }

  const Notation& notation_;
  std::vector<Entry> entries_;
};

Evidence collect(const Notation& notation, const Strategy& even, const ListedSpecs& listed) {
  Evidence evidence(notation);
  for (size_t i = 0; i < listed.outputs.size(); ++i) {
    const spec::TensorSpec* spec = listed.outputs[i];
    if (spec != nullptr && same_axes(*spec, even.outputs[i]))
      evidence.add(notation.outputs[i], *spec);
  }
  for (size_t i = 0; i < listed.inputs.size(); ++i) {
    for (const spec::TensorSpec* spec : listed.inputs[i]) {
      if (!same_axes(*spec, even.inputs[i])) continue;
      evidence.add(notation.inputs[i], *spec);
      break;
    }
  }
  return evidence;
}

}  // namespace

bool same_axes(const spec::TensorSpec& a, const spec::TensorSpec& b) {
  return a.partials == b.partials &&
         std::ranges::equal(a.dims, b.dims, {}, &spec::DimSpec::axes, &spec::DimSpec::axes);
}

NodeLayout layout_of(const ir::Graph& graph,
                     const ir::Node& node,
                     const spec::Mesh& mesh,
                     const std::vector<int>& axis_factor,
                     const ListedSpecs& listed) {
  NodeLayout layout;
  layout.notation = ops::notation_of(graph, node);
  std::vector<int> choice = axis_factor;
  if (choice.empty()) choice.assign(static_cast<size_t>(mesh.axis_count()), Strategy::kNone);
  check_axis_factor(node, layout.notation, choice, mesh.axis_count());
  const Strategy even = spec::make_strategy(layout.notation, mesh, choice);
  const Evidence evidence = collect(layout.notation, even, listed);
  const auto pieces_of = [&](int factor, std::span<const int> axes) {
    if (auto found = evidence.pieces(factor, axes)) return *found;
    std::vector<int64_t> sizes;
    for (const int axis : axes) sizes.push_back(mesh.axes()[static_cast<size_t>(axis)].size);
    return spec::balanced_pieces(layout.notation.factors[static_cast<size_t>(factor)].size, sizes);
  };
  layout.strategy = spec::make_strategy(layout.notation, mesh, choice, pieces_of);
  return layout;
}

}  // namespace partita::partition
