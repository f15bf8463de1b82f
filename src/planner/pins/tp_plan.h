// SPDX-License-Identifier: Apache-2.0
// The tensor and pipeline plans that Hugging Face configurations carry, as pins.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "planner/pins/module_rules.h"
#include "support/json.h"

namespace partita::planner {

// Module path with '*' for numbers, and style.
struct TpPlanEntry {
  std::string path;
  std::string style;
};

// As read; order as in the file.
struct TpPlan {
  std::vector<TpPlanEntry> entries;  // base_model_tp_plan
  std::vector<std::string> stages;   // the modules of base_model_pp_plan, in order
  std::string what;                  // the file, for messages
};

// An object with base_model_tp_plan and perhaps base_model_pp_plan (a config.json; other keys are
// not looked at), or the plan itself (path -> style, nothing else). Throws kInvalidFile naming
// file, entry and rule: a wrong shape, an unknown style.
[[nodiscard]] TpPlan tp_plan_from_json(const Json& json, std::string_view what);

// What a style means for the module it is given to. `weights` are those of the module's own
// tensors.
[[nodiscard]] const ModuleRule* find_style(std::string_view style);
// All known style names, sorted.
[[nodiscard]] std::vector<std::string> style_names();

struct TpPlanImport {
  std::vector<Pin> pins;
  std::vector<std::string> unused;     // entries that match no module of the model
  std::vector<std::string> unsharded;  // weights of two or more dims without entry, numbers as '*'
};

enum class Unlisted : uint8_t {
  kFree,   // the planner decides what the plan does not list
  kWhole,  // as transformers: what is not listed is on every rank
};

// Pins of level kTpPlan with sources "tp_plan: ENTRY" and "pp_plan: ENTRY". A tied head that is cut
// by columns cuts the embedding by rows, as transformers does. Throws kInvalidArgument for an entry
// that cuts a dim its module has not.
[[nodiscard]] TpPlanImport import_tp_plan(const ir::Graph& graph,
                                          const TpPlan& plan,
                                          Unlisted unlisted);

// The unused entries and unsharded weights as lines for the user; empty when there are none.
[[nodiscard]] std::string report_of(const TpPlanImport& import);

}  // namespace partita::planner
