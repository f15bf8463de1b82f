// SPDX-License-Identifier: Apache-2.0
#include "api/own_plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include "api/model_impl.h"
#include "support/error.h"

namespace partita::api {
namespace {

struct OptionState {
  const char* name;
  bool is_set;     // is not the default
  bool cuts_anew;  // asks for another cut, which a partition is planned again for
};

std::vector<OptionState> states_of(const PlanOptions& options) {
  // Takes every member, so that a new one does not compile until it is listed below.
  const auto& [mesh, ranks, devices, prompt_tokens, output_tokens, concurrency, max_context,
               max_step_tokens, memory_limit_gb, time_limit_seconds, wire, split_at, split,
               memory_weight, shared_weights, solver, optimize, requests_per_second, pins,
               pins_file, tp_plan, autotp, on_measure] = options;
  (void)on_measure;  // decides nothing
  const PlanOptions unset;
  return {{"mesh", mesh != unset.mesh, true},
          {"ranks", ranks != unset.ranks, true},
          {"devices", devices != unset.devices, true},
          {"prompt_tokens", prompt_tokens != unset.prompt_tokens, false},
          {"output_tokens", output_tokens != unset.output_tokens, false},
          {"concurrency", concurrency != unset.concurrency, false},
          {"max_context", max_context != unset.max_context, false},
          {"max_step_tokens", max_step_tokens != unset.max_step_tokens, false},
          {"memory_limit_gb", memory_limit_gb != unset.memory_limit_gb, false},
          {"time_limit_seconds", time_limit_seconds != unset.time_limit_seconds, false},
          {"wire", wire != unset.wire, true},
          {"split_at", split_at != unset.split_at, true},
          {"split", split != unset.split, true},
          {"memory_weight", memory_weight != unset.memory_weight, true},
          {"shared_weights", shared_weights != unset.shared_weights, true},
          {"solver", solver != unset.solver, false},
          {"optimize", optimize != unset.optimize, true},
          {"requests_per_second", requests_per_second != unset.requests_per_second, false},
          {"pins", pins != unset.pins, true},
          {"pins_file", pins_file != unset.pins_file, true},
          {"tp_plan", tp_plan != unset.tp_plan, true},
          {"autotp", autotp != unset.autotp, true}};
}

}  // namespace

bool keeps_own_plan(const Model& model, const PlanOptions& options) {
  if (!model.impl().partition) return false;
  const std::vector<OptionState> states = states_of(options);
  return std::ranges::none_of(
      states, [](const OptionState& state) { return state.is_set && state.cuts_anew; });
}

void refuse_options_beside_own_plan(const Model& model, const PlanOptions& options) {
  std::string names;
  for (const OptionState& state : states_of(options)) {
    if (state.is_set) names += str(names.empty() ? "" : ", ", state.name);
  }
  if (names.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[plan] ", model.directory().string(),
                  " keeps the plan it was cut by, on which these have no ", "effect: ", names,
                  "; drop them, or give a mesh or ranks to plan again"));
}

}  // namespace partita::api
