// SPDX-License-Identifier: Apache-2.0
// Rules of other systems about modules of a checkpoint, as pins.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "planner/pins/checkpoint_modules.h"
#include "planner/pins/pin.h"

namespace partita::planner {

// What becomes of a module's tensors and result. "Cut" = split over all axes of a stage's mesh, as
// systems with one axis do.
struct ModuleRule {
  enum class Weight : uint8_t {
    kFree,   // not said
    kWhole,  // on every rank
    kCut,    // along `dim`
  };
  enum class Output : uint8_t {
    kFree,   // stays as the module makes it
    kWhole,  // summed or gathered at once: every reader gets it whole
  };
  Weight weight = Weight::kFree;
  int dim = 0;               // of the stored tensor, negative from the end
  bool cuts_vectors = true;  // tensors of one dim (biases) are cut as well, else whole
  Output output = Output::kFree;
  bool sums_first = false;  // whole before the bias is added, so that it is added once
};

// Who says so.
struct RuleSource {
  std::string text;
  PinLevel level = PinLevel::kTpPlan;
};

// Gathers pins of rules about one graph; a pin that is said twice is kept once. Borrows both.
class ModulePins {
 public:
  ModulePins(const ir::Graph& graph, const CheckpointModules& modules)
      : graph_(graph), modules_(modules) {}

  // The weights made of a tensor. Throws kInvalidArgument when the rule cuts a dim that the tensor
  // has not, or that the graph does not show.
  void add_parameter(const ModuleParameter& parameter,
                     const ModuleRule& rule,
                     const RuleSource& source);
  // The result of the module that reads these weights: of its last operator, and, with sums_first,
  // of all its operators.
  void add_output(const std::vector<ir::ValueId>& weights,
                  const ModuleRule& rule,
                  const RuleSource& source);
  // A weight whole on every rank.
  void add_whole(ir::ValueId weight, const RuleSource& source);

  [[nodiscard]] std::vector<Pin> take() { return std::move(pins_); }

 private:
  void add(ir::ValueId value, std::string spec, const RuleSource& source);

  const ir::Graph& graph_;
  const CheckpointModules& modules_;
  std::vector<Pin> pins_;
  std::set<std::pair<std::string, std::string>> known_;
};

}  // namespace partita::planner
