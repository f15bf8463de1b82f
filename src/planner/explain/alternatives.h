// SPDX-License-Identifier: Apache-2.0
// Why an operator has its strategy, or a tensor its spec: what every alternative would cost.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/explain/open_plan.h"
#include "support/json.h"

namespace partita::planner {

// One strategy of an operator or one spec of a tensor, and the best whole plan that has it. Times
// are seconds of one request of the workload.
struct Alternative {
  std::string choice;  // "n:tp" of an operator, "[t, n:tp]" of a tensor
  std::string result;  // spec of the first output; for a tensor the strategy that goes with it
  bool is_chosen = false;
  std::string excluded_by;  // what the planner may not break: "pin", "shard_weights", "keep_whole"
  bool is_legal = true;     // false: the neighbours have no strategy that goes with it
  bool fits = true;
  Cost delta = 0;           // of the whole plan, picoseconds of an average step
  double compute_s = 0;     // own
  double comm_s = 0;        // of the reshards of its own inputs and outputs
  double plan_s = 0;        // of the whole plan
  double delta_s = 0;       // of the whole plan against the one in question
  plan::RankMemory memory;  // of the fullest rank
  std::string dearest;      // the dearest reshard that the plan in question does without
};

struct Subject;
struct SubjectChoice;
// One choice of a subject (planner/explain/subjects.h), priced by planning again.
[[nodiscard]] Alternative alternative_of(OpenPlan& plan,
                                         const Subject& subject,
                                         const SubjectChoice& choice);

struct Explanation {
  std::string name;
  std::string what;                       // "operator linear", "weight", "state", "result"
  std::string place;                      // "stage 0 on tp=4"
  std::string decided;                    // who decided, and why
  std::vector<std::string> alike;         // other names with the same decision
  std::vector<Alternative> alternatives;  // cheapest first; excluded, too large, illegal ones last
};

// Explains all operators and tensors whose names match (see NamePattern); names that differ in
// their layer only and have the same decision are explained once. An operator that has the name of
// its result is explained as both. Every alternative is found by planning again. Throws kNotFound
// with the nearest names, kInvalidArgument when more than 12 different things match.
[[nodiscard]] std::vector<Explanation> explain_choices(OpenPlan& plan, const std::string& pattern);

[[nodiscard]] std::string to_text(const Explanation& explanation, const OpenPlan& plan);
[[nodiscard]] Json to_json(const Explanation& explanation);
[[nodiscard]] Json to_json(const Alternative& alternative);
// "does not fit; all_gather(tp) of x for y, 1.0 us": what a table says beside the numbers.
[[nodiscard]] std::string remark_on(const Alternative& alternative);

}  // namespace partita::planner
