// SPDX-License-Identifier: Apache-2.0
// Prices of turning specs into each other; each pair is searched once.
#pragma once

#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "cost/op_cost.h"
#include "cost/profile.h"
#include "planner/device_group.h"
#include "planner/graph_facts.h"
#include "planner/phases.h"
#include "spec/mesh.h"
#include "spec/reshard.h"

namespace partita::planner {

// Index of a spec that has been seen; equal specs have equal ids.
using SpecId = int;

class SpecPool {
 public:
  SpecId id_of(const spec::TensorSpec& spec);
  [[nodiscard]] const spec::TensorSpec& spec(SpecId id) const {
    return *specs_[static_cast<size_t>(id)];
  }

 private:
  std::map<spec::TensorSpec, SpecId> ids_;
  std::vector<const spec::TensorSpec*> specs_;  // keys of ids_
};

// The cheapest path between two specs of one type of value; the object that is injected.
struct PricedReshard {
  spec::ReshardPath steps;
  PhaseSeconds seconds;
  Cost cost = 0;              // kForbidden when there is no path
  int64_t decode_bytes = 0;   // payload of all collectives in one decode step
  int64_t largest_bytes = 0;  // in and out of the largest step, for buffers
  bool is_local = true;       // slices and terms only
};

// Thread-compatible. Borrows all arguments; `mesh` gives the axes (its ranks do not matter).
class ReshardPrices {
 public:
  struct Context {
    const GraphFacts& facts;
    const spec::Mesh& mesh;
    const cost::Profile& profile;
    const Phases& phases;
    const DeviceGroup* group = nullptr;    // null = all have the device of `profile`
    cost::Surroundings surroundings = {};  // set by PlanSpace
  };
  explicit ReshardPrices(const Context& context) : context_(context) {}

  [[nodiscard]] SpecPool& pool() { return pool_; }
  [[nodiscard]] const PricedReshard& price(SpecId from, SpecId to, int type);

 private:
  [[nodiscard]] PricedReshard search(SpecId from, SpecId to, const ir::TensorType& type) const;
  void add_step(const spec::ReshardStep& step,
                const spec::TensorSpec& before,
                const ir::TensorType& type,
                PricedReshard& priced) const;

  Context context_;
  SpecPool pool_;
  std::map<std::tuple<SpecId, SpecId, int>, PricedReshard> known_;
};

}  // namespace partita::planner
