// SPDX-License-Identifier: Apache-2.0
#include "planner/graph_facts.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "ops/add_norm/normalised_sum.h"
#include "ops/gated/gated_product.h"
#include "ops/op.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::vector<bool> whole_values(const ir::Graph& graph, std::span<const std::string> names) {
  std::vector<bool> result(graph.values().size(), false);
  for (const std::string& name : names) {
    const auto id = graph.find_value(name);
    if (!id || graph.value(*id).kind != ir::ValueKind::kWeight) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[planner] \"", name, "\" shall stay whole, but is no weight of ",
                      graph.name(), "; give names of weights as `plan --json` lists them"));
    }
    result[static_cast<size_t>(*id)] = true;
  }
  return result;
}

// Notations of all nodes; nodes of the same call share one, because reading a notation is slow.
class NotationTable {
 public:
  NotationTable(const ir::Graph& graph, std::span<const int> type_of) {
    for (const ir::Node& node : graph.nodes()) {
      std::vector<int> types;
      for (const ir::ValueId input : node.inputs)
        types.push_back(type_of[static_cast<size_t>(input)]);
      auto [found, is_new] =
          known_.try_emplace({node.op, node.attributes.values(), types}, nullptr);
      if (is_new) {
        found->second = std::make_unique<spec::Notation>(ops::notation_of(graph, node));
      }
      of_node_.push_back(found->second.get());
    }
  }

  [[nodiscard]] const std::vector<const spec::Notation*>& of_node() const { return of_node_; }

 private:
  using Call = std::tuple<std::string, std::map<std::string, ir::Attribute>, std::vector<int>>;
  std::map<Call, std::unique_ptr<spec::Notation>> known_;
  std::vector<const spec::Notation*> of_node_;
};

// Rows chosen by data and given as they are: of such a tensor a step moves what it is asked for,
// however large it is. Experts are chosen by data too, but they compute.
bool is_lookup(const spec::TensorIndex& index, const spec::Notation& notation) {
  const bool computes = std::ranges::any_of(notation.factors, [](const spec::Factor& factor) {
    return factor.kind == spec::FactorKind::kReduce;
  });
  if (computes) return false;
  return std::ranges::any_of(index, [&](const spec::DimIndex& dim) {
    return std::ranges::any_of(dim, [&](const spec::IndexTerm& term) {
      return notation.factors[static_cast<size_t>(term.factor)].kind == spec::FactorKind::kGather;
    });
  });
}

}  // namespace

GraphFacts::GraphFacts(const ir::Graph& graph,
                       std::span<const std::string> keep_whole,
                       std::vector<Pin> pins,
                       bool sends_shared)
    : graph_(graph), pins_(graph, std::move(pins)), sends_shared_(sends_shared) {
  index_types();
  index_uses();
  index_kinds(keep_whole);
}

bool GraphFacts::is_sent(ir::ValueId value) const { return sends_shared_ && may_be_sent(value); }

bool GraphFacts::may_be_sent(ir::ValueId value) const {
  const ir::Value& weight = graph_.value(value);
  return weight.kind == ir::ValueKind::kWeight && uses_of(value).size() > 1 &&
         block_elements(weight.type.dtype) == 1;
}

GraphFacts GraphFacts::sending_shared() const {
  GraphFacts facts = *this;
  facts.sends_shared_ = true;
  return facts;
}

void GraphFacts::index_types() {
  std::map<std::string, int> known;
  for (const ir::Value& value : graph_.values()) {
    const auto [found, is_new] =
        known.try_emplace(ir::to_string(value.type), static_cast<int>(types_.size()));
    if (is_new) types_.push_back(&value.type);
    type_of_.push_back(found->second);
  }
}

void GraphFacts::index_uses() {
  uses_.resize(graph_.values().size());
  for (int node = 0; node < node_count(); ++node) {
    const auto& inputs = graph_.node(node).inputs;
    for (size_t slot = 0; slot < inputs.size(); ++slot) {
      uses_[static_cast<size_t>(inputs[slot])].push_back({node, static_cast<int>(slot)});
    }
  }
  for (const ir::ValueId output : graph_.outputs()) {
    uses_[static_cast<size_t>(output)].push_back({ir::kNoId, 0});
  }
}

bool GraphFacts::shall_be_sharded(ir::ValueId input,
                                  const spec::Notation& notation,
                                  size_t slot) const {
  const ir::Value& value = graph_.value(input);
  if (value.kind == ir::ValueKind::kState) return true;
  if (value.kind != ir::ValueKind::kWeight || value.type.dims.size() < 2) return false;
  return uses_of(input).size() > 1 || !is_lookup(notation.inputs[slot], notation);
}

bool GraphFacts::joins_norm(const ir::Node& node) const {
  if (node.op != "add") return false;
  const std::vector<Use>& uses = uses_of(node.outputs.front());
  // One term is the stream, which others read too. The sum of two embeddings is not meant: whether
  // these come as terms is a wish of shard_weights, not a matter of price.
  const bool adds_to_stream =
      std::ranges::any_of(node.inputs, [&](ir::ValueId term) { return uses_of(term).size() > 1; });
  return adds_to_stream && !uses.empty() && uses.front().node != ir::kNoId &&
         ops::is_normalised_sum(graph_, node, graph_.node(uses.front().node));
}

void GraphFacts::index_kinds(std::span<const std::string> keep_whole) {
  const std::vector<bool> is_whole = whole_values(graph_, keep_whole);
  const NotationTable notations(graph_, type_of_);
  const CutClasses classes(graph_, notations.of_node());
  const ops::GatedProducts products(graph_);
  std::vector<bool> joins_product(graph_.nodes().size(), false);
  for (const ir::Node& node : graph_.nodes()) {
    const ir::NodeId activation = products.activation_of(node);
    if (activation != ir::kNoId) joins_product[static_cast<size_t>(activation)] = true;
  }
  using Signature = std::tuple<const spec::Notation*, std::vector<CutMember>, std::vector<bool>,
                               bool, std::vector<PinCondition>, std::string, bool, bool>;
  std::map<Signature, int> known;
  for (int id = 0; id < node_count(); ++id) {
    const ir::Node& node = graph_.node(id);
    NodeKind kind;
    kind.example = id;
    const spec::Notation* notation = notations.of_node()[static_cast<size_t>(id)];
    for (int factor = 0; factor < static_cast<int>(notation->factors.size()); ++factor) {
      kind.factor_cuts.push_back(classes.of_factor(id, factor));
    }
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      kind.shard_input.push_back(shall_be_sharded(node.inputs[slot], *notation, slot));
      kind.keep_whole = kind.keep_whole || is_whole[static_cast<size_t>(node.inputs[slot])];
    }
    const auto pins = pins_.conditions_of(id);
    kind.pins.assign(pins.begin(), pins.end());
    if (const ir::NodeId activation = products.activation_of(node); activation != ir::kNoId) {
      kind.activation = graph_.node(activation).op;
    }
    kind.joins_product = joins_product[static_cast<size_t>(id)];
    kind.joins_norm = joins_norm(node);
    const auto [found, is_new] =
        known.try_emplace({notation, kind.factor_cuts, kind.shard_input, kind.keep_whole, kind.pins,
                           kind.activation, kind.joins_product, kind.joins_norm},
                          static_cast<int>(kinds_.size()));
    if (is_new) {
      kind.notation = *notation;
      kinds_.push_back(std::move(kind));
    }
    kind_of_.push_back(found->second);
  }
}

}  // namespace partita::planner
