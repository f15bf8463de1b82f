// SPDX-License-Identifier: Apache-2.0
// Why a tensor has not another spec, or an operator another strategy: the cheapest plan that has
// it.
#pragma once

#include <string>
#include <vector>

#include "planner/explain/alternatives.h"
#include "planner/explain/plan_diff.h"

namespace partita::planner {

struct WhyNot {
  std::string name;
  std::string wanted;        // as the plan would write it
  std::string answer;        // one sentence
  bool is_possible = false;  // a plan has it, though it may not fit or a rule may exclude it
  Alternative alternative;   // when possible
  PlanDiff diff;             // when possible: from the plan in question to the one that has it
  std::vector<Alternative> nearest;  // when not: what is most like it, nearest first
};

// `wanted` is a spec ("[t, n:tp]", "(R, S0)"), "replicated", or a strategy ("n:tp"); `name` is one
// operator or tensor. The spec of a result is how its operator makes it. Throws kNotFound with the
// nearest names, kInvalidArgument when the text cannot be meant for what is named.
[[nodiscard]] WhyNot why_not(OpenPlan& plan, const std::string& name, const std::string& wanted);

[[nodiscard]] std::string to_text(const WhyNot& answer);
[[nodiscard]] Json to_json(const WhyNot& answer);

}  // namespace partita::planner
