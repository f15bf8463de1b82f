// SPDX-License-Identifier: Apache-2.0
// Everything the stages of one plan are chosen from: strategy tables and prices on the stages'
// mesh.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "planner/graph_facts.h"
#include "planner/phases.h"
#include "planner/reshard_prices.h"
#include "planner/strategy_tables.h"

namespace partita::planner {

// Stages of a plan have meshes of equal axes, so they share one space. Owns prices and tables,
// borrows the rest. Thread-compatible (prices are remembered as they are asked for).
class PlanSpace {
 public:
  PlanSpace(const ReshardPrices::Context& context, const StrategyRules& rules);
  PlanSpace(const PlanSpace&) = delete;
  PlanSpace& operator=(const PlanSpace&) = delete;

  [[nodiscard]] const GraphFacts& facts() const { return context_.facts; }
  [[nodiscard]] const ir::Graph& graph() const { return context_.facts.graph(); }
  [[nodiscard]] const spec::Mesh& mesh() const { return context_.mesh; }
  [[nodiscard]] const Phases& phases() const { return context_.phases; }
  [[nodiscard]] const cost::Profile& profile() const { return context_.profile; }

  [[nodiscard]] const StrategyTable& table_of(ir::NodeId node) const {
    const auto forced = forced_.find(node);
    if (forced != forced_.end()) return forced->second;
    return tables_[static_cast<size_t>(context_.facts.kind_of(node))];
  }
  // Every strategy of a node, those that the rules exclude too; kinds are alike.
  [[nodiscard]] StrategyTable all_strategies(ir::NodeId node);
  // Until release() the node has the strategies of `table` only. Problems built before must not be
  // used any more.
  void force(ir::NodeId node, StrategyTable table) { forced_[node] = std::move(table); }
  void release() { forced_.clear(); }

  [[nodiscard]] const PricedReshard& price(SpecId from, SpecId to, ir::ValueId value) {
    return prices_.price(from, to, context_.facts.type_of(value));
  }
  [[nodiscard]] SpecId replicated(ir::ValueId value);
  // Narrows the specs that a weight with several readers may be stored in to those that pins allow.
  void keep_pinned_specs(ir::ValueId value, std::vector<SpecId>& specs);
  // The pins that a choice follows, for the plan; empty = the planner chose.
  [[nodiscard]] std::string source_of_option(ir::NodeId node, const StrategyOption& option);
  [[nodiscard]] const std::string& source_of_stored(ir::ValueId value);
  [[nodiscard]] const spec::TensorSpec& spec(SpecId id) { return prices_.pool().spec(id); }
  [[nodiscard]] SpecId id_of(const spec::TensorSpec& spec) { return prices_.pool().id_of(spec); }
  // The same spec without its Partial axes: how a weight is stored whose reader wants terms.
  [[nodiscard]] SpecId without_partials(SpecId id);
  // Bytes of the largest piece of a value, symbols at their largest.
  [[nodiscard]] int64_t largest_bytes(SpecId id, ir::ValueId value);

  // The device of a cell.
  [[nodiscard]] const cost::Device& device_of(int64_t cell) const {
    return context_.group == nullptr ? profile().device : context_.group->device_of(cell);
  }
  // Unlike memories are bounded by one number: bytes on a rank count as the same share of the
  // largest memory. A piece counts as much as where it is the largest burden.
  [[nodiscard]] int64_t bounded_bytes(SpecId id, ir::ValueId value);
  // The bytes as they count on that cell.
  [[nodiscard]] int64_t as_bounded(int64_t bytes, int64_t cell) const;
  // What `used` bytes on every rank leave of the memory for what counts as above; 0 or less when
  // they do not fit.
  [[nodiscard]] int64_t bound_beside(int64_t used) const;

 private:
  ReshardPrices::Context context_;
  ReshardPrices prices_;
  std::vector<StrategyTable> tables_;  // per kind
  std::map<ir::NodeId, StrategyTable> forced_;
  int64_t largest_memory_ = 0;  // without reserves
  std::map<std::pair<SpecId, int>, int64_t> bytes_;
  std::map<std::pair<SpecId, int>, int64_t> bounded_bytes_;  // of unlike devices
  std::map<ir::ValueId, std::string> stored_sources_;
};

}  // namespace partita::planner
