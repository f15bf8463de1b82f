// SPDX-License-Identifier: Apache-2.0
// Questions about a plan: why it is so, and what something else would cost.
#pragma once

#include <string>

#include "partita/plan.h"

namespace partita {

struct Question {
  // An operator or tensor as `Model::dump_graph()` names it, or a pattern with '*' and '?'. One
  // that differs in its layer only is explained once.
  std::string name;
  // A spec ("[t, n:tp]") or strategy ("n:tp") that `name`, then one exact name, has not: the
  // cheapest plan that has it, or why there is none.
  std::string why_not = {};
  bool as_json = false;
};

// All strategies of an operator, all specs of a tensor: own time, the cost of the best whole plan
// that has it (found by planning again on the same mesh and stages), memory, and who decided.
// `options` are those the plan was made with, or fit a plan that was read. Throws kNotFound with
// similar names; kInvalidArgument for another profile or too many matches.
[[nodiscard]] std::string explain(const Plan& plan,
                                  const PlanOptions& options,
                                  const Question& question);

// What two plans of one model decide differently, identical layers on one line, and what that
// changes in time, memory and collectives; as a JSON object when asked for. Throws kInvalidArgument
// when they are of different models.
[[nodiscard]] std::string diff(const Plan& before, const Plan& after, bool as_json = false);

// The plan as one page of HTML for people, complete in itself: devices, stages, layers with their
// specs, collectives, memory, predicted times, and the meshes that were tried.
[[nodiscard]] std::string to_html(const Plan& plan);

}  // namespace partita
