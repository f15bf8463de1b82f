// SPDX-License-Identifier: Apache-2.0
// Rules of an operator from its strategies.
#include "ops/rules.h"

#include <algorithm>
#include <array>

#include "support/error.h"

namespace partita::ops {
namespace {

// Cells times strategies that are looked at: a second of work.
constexpr int64_t kMaxPieces = int64_t{1} << 18;

bool is_even(const spec::Strategy& strategy) {
  const auto even = [](const spec::TensorSpec& spec) {
    return std::ranges::all_of(spec.dims, [](const spec::DimSpec& dim) {
      return std::ranges::all_of(dim.pieces, [&](const Range& piece) {
        return piece.size() == dim.pieces.front().size();
      });
    });
  };
  return std::ranges::all_of(strategy.inputs, even) && std::ranges::all_of(strategy.outputs, even);
}

// The dim of an output that takes the axes of its terms; -1 when none can.
int scatter_dim(const spec::TensorSpec& spec, const std::vector<int64_t>& shape, int64_t ranks) {
  int first = -1;
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (!spec.dims[dim].axes.empty() || shape[dim] < ranks) continue;
    if (shape[dim] % ranks == 0) return static_cast<int>(dim);
    if (first < 0) first = static_cast<int>(dim);
  }
  return first;
}

class RuleList {
 public:
  RuleList(const OpCall& call, const spec::Mesh& mesh)
      : call_(call),
        mesh_(mesh),
        notation_(find_op(call.op).bind(call)),
        output_types_(infer_types(call)),
        output_shapes_(spec::output_shapes(notation_)) {}

  std::vector<OpRule> make() {
    const std::vector<spec::Strategy> strategies = spec::derive_strategies(notation_, mesh_);
    if (static_cast<int64_t>(strategies.size()) * mesh_.size() > kMaxPieces) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[ops] ", strategies.size(), " strategies of ", call_.op, " on ",
                      mesh_.size(), " cells; expected a smaller mesh"));
    }
    for (const spec::Strategy& strategy : strategies) add(strategy);
    return std::move(rules_);
  }

 private:
  void add(const spec::Strategy& strategy) {
    OpRule rule{.strategy = strategy, .outputs = strategy.outputs};
    rule.is_even = is_even(strategy);
    look_at_pieces(rule);
    const bool passes = std::ranges::any_of(
        strategy.axis_factor, [](int choice) { return choice <= spec::Strategy::kPassPartial; });
    const bool has_terms = !strategy.outputs.empty() && !strategy.outputs[0].partials.empty();
    if (passes || !has_terms) {
      rule.reduction = passes ? RuleReduction::kPassed : RuleReduction::kNone;
      rules_.push_back(std::move(rule));
      return;
    }
    rule.reduction = RuleReduction::kAllReduce;
    for (spec::TensorSpec& output : rule.outputs) output.partials.clear();
    rules_.push_back(rule);
    if (scatter(rule)) rules_.push_back(std::move(rule));
  }

  // Turns a rule that reduces into the one that leaves a piece on every rank, if there is one.
  bool scatter(OpRule& rule) const {
    rule.reduction = RuleReduction::kReduceScatter;
    std::vector<int> axes;
    std::vector<int64_t> sizes;
    for (const spec::PartialAxis& partial : rule.strategy.outputs[0].partials) {
      axes.push_back(partial.axis);
      sizes.push_back(mesh_.size_of({&partial.axis, 1}));
    }
    for (size_t i = 0; i < rule.outputs.size(); ++i) {
      const int dim = scatter_dim(rule.outputs[i], output_shapes_[i], mesh_.size_of(axes));
      if (dim < 0) return false;
      const auto index = static_cast<size_t>(dim);
      const int64_t size = output_shapes_[i][index];
      rule.outputs[i].dims[index] = {axes, spec::balanced_pieces(size, sizes)};
      rule.is_even = rule.is_even && size % mesh_.size_of(axes) == 0;
    }
    return true;
  }

  static ir::TensorType piece_of(const ir::TensorType& whole, const std::vector<Range>& ranges) {
    ir::TensorType piece = whole;
    for (size_t dim = 0; dim < ranges.size(); ++dim) {
      if (!whole.dims[dim].is_symbolic()) piece.dims[dim] = ir::Dim(ranges[dim].size());
    }
    return piece;
  }

  // Whether the unchanged call fits every rank's pieces, and the most that one rank computes.
  void look_at_pieces(OpRule& rule) const {
    for (int64_t cell = 0; cell < mesh_.size(); ++cell) {
      std::vector<ir::TensorType> inputs;
      for (size_t i = 0; i < call_.inputs.size(); ++i) {
        const auto ranges =
            spec::local_ranges(rule.strategy.inputs[i], call_.inputs[i].shape(), mesh_, cell);
        inputs.push_back(piece_of(call_.inputs[i], ranges));
      }
      std::vector<ir::TensorType> outputs;
      for (size_t i = 0; i < output_types_.size(); ++i) {
        const auto ranges =
            spec::local_ranges(rule.strategy.outputs[i], output_shapes_[i], mesh_, cell);
        outputs.push_back(piece_of(output_types_[i], ranges));
      }
      const auto ranges = spec::factor_ranges(notation_, rule.strategy, mesh_, cell);
      const bool adds = !spec::local_attributes(notation_, ranges).empty();
      const bool fits = !adds && fits_unchanged(inputs, outputs);
      rule.keeps_attributes = rule.keeps_attributes && fits;
      add_cost(rule, inputs, fits);
    }
  }

  [[nodiscard]] bool fits_unchanged(const std::vector<ir::TensorType>& inputs,
                                    const std::vector<ir::TensorType>& outputs) const {
    try {
      return infer_types({call_.op, call_.attributes, inputs}) == outputs;
    } catch (const Error&) {
      return false;
    }
  }

  // A call whose attributes would change is priced by its share of the elements.
  void add_cost(OpRule& rule, const std::vector<ir::TensorType>& inputs, bool fits) const {
    const auto is_static = [](const ir::TensorType& type) { return type.is_static(); };
    if (!std::ranges::all_of(call_.inputs, is_static)) return;
    const OpCall local{call_.op, call_.attributes, fits ? std::span(inputs) : call_.inputs};
    double share = 1;
    if (!fits) {
      for (size_t i = 0; i < inputs.size(); ++i) {
        const auto whole = static_cast<double>(std::max<int64_t>(call_.inputs[i].elements(), 1));
        share = std::min(share, static_cast<double>(inputs[i].elements()) / whole);
      }
    }
    rule.flops = std::max(rule.flops, share * flops_of(local, {}));
    rule.bytes = std::max(rule.bytes, share * bytes_of(local, {}));
  }

  const OpCall& call_;
  const spec::Mesh& mesh_;
  spec::Notation notation_;
  std::vector<ir::TensorType> output_types_;
  std::vector<std::vector<int64_t>> output_shapes_;
  std::vector<OpRule> rules_;
};

}  // namespace

std::vector<OpRule> rules_of(const OpCall& call, const spec::Mesh& mesh) {
  return RuleList(call, mesh).make();
}

std::string_view to_string(RuleReduction reduction) {
  static constexpr std::array<std::string_view, 4> kNames = {"none", "all_reduce", "reduce_scatter",
                                                             "passed"};
  return kNames.at(static_cast<size_t>(reduction));
}

std::vector<std::string> dim_names(const spec::Notation& notation,
                                   const spec::TensorIndex& tensor) {
  std::vector<std::string> names;
  for (const spec::DimIndex& dim : tensor) {
    std::string& name = names.emplace_back();
    for (const spec::IndexTerm& term : dim) {
      name += notation.factors.at(static_cast<size_t>(term.factor)).name;
    }
    if (dim.empty()) name = "1";
  }
  return names;
}

}  // namespace partita::ops
