// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/alternatives.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "planner/explain/subjects.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Reshards = std::vector<std::pair<ir::ValueId, plan::ReshardDecision>>;

// A reshard of the forced plan, as it is named in a table.
std::string reshard_text(const OpenPlan& plan,
                         const plan::ReshardDecision& reshard,
                         const spec::Mesh& mesh) {
  std::string readers;
  for (const std::string& name : reshard.consumers) {
    if (!readers.empty()) {
      readers += ", ...";
      break;
    }
    readers = name.empty() ? "the caller" : name;
  }
  return str(path_text(reshard.steps, mesh), " of ", reshard.value,
             readers.empty() ? "" : str(" for ", readers), ", ",
             seconds_text(plan.request_seconds(reshard.cost)));
}

bool has_reshard(const Reshards& reshards, const plan::ReshardDecision& wanted) {
  return std::any_of(reshards.begin(), reshards.end(), [&](const auto& entry) {
    return entry.second.value == wanted.value && entry.second.from == wanted.from &&
           entry.second.to == wanted.to;
  });
}

class Explainer {
 public:
  Explainer(OpenPlan& plan, const Subject& subject) : plan_(plan), subject_(subject) {}

  Explanation explain() {
    Explanation result;
    result.name = subject_.name;
    result.what = subject_.what;
    const auto stages = plan_.plan().stages.size();
    result.place = str(stages > 1 ? str("stage ", subject_.stage, " on ") : "",
                       mesh_text(plan_.space(subject_.stage).mesh()));
    for (const SubjectChoice& choice : subject_.choices) {
      result.alternatives.push_back(priced(choice));
    }
    std::stable_sort(result.alternatives.begin(), result.alternatives.end(),
                     [](const Alternative& a, const Alternative& b) { return rank(a) < rank(b); });
    result.decided = decided_by(result.alternatives);
    return result;
  }

  Alternative priced(const SubjectChoice& choice) {
    Alternative result;
    result.choice = choice.name;
    result.result = choice.result;
    result.is_chosen = choice.is_chosen;
    result.excluded_by = choice.excluded_by;
    const std::optional<ForcedPlan> forced = plan_.with(choice.forced);
    result.is_legal = forced.has_value();
    if (!forced) return result;
    result.fits = forced->fits;
    result.delta = forced->delta;
    result.delta_s = plan_.request_seconds(forced->delta);
    result.plan_s = plan_.request_seconds(plan_.predicted()) + result.delta_s;
    result.memory = forced->fullest;
    const size_t stage = subject_.stage;
    add_own_terms(forced->stages.front().decisions, stage, result);
    result.dearest = dearest_new_reshard(forced->stages.front().decisions, stage);
    return result;
  }

 private:
  // Allowed and fitting ones first, each kind by its cost; of equal ones the chosen one.
  static std::tuple<bool, bool, bool, Cost, bool> rank(const Alternative& alternative) {
    return {!alternative.is_legal, !alternative.excluded_by.empty(), !alternative.fits,
            alternative.delta, !alternative.is_chosen};
  }

  void add_own_terms(const StageDecisions& decisions, size_t stage, Alternative& result) const {
    const int64_t first = plan_.plan().stages[stage].first_node;
    for (const ir::NodeId node : subject_.nodes) {
      const int64_t index = node - first;
      if (index < 0 || index >= static_cast<int64_t>(decisions.ops.size())) continue;
      result.compute_s += plan_.request_seconds(decisions.ops[static_cast<size_t>(index)].cost);
    }
    for (const auto& [id, reshard] : decisions.reshards) {
      if (subject_.owns(id, reshard)) result.comm_s += plan_.request_seconds(reshard.cost);
    }
  }

  [[nodiscard]] std::string dearest_new_reshard(const StageDecisions& decisions,
                                                size_t stage) const {
    const Reshards& before = plan_.stage(stage).decisions.reshards;
    const plan::ReshardDecision* dearest = nullptr;
    for (const auto& [id, reshard] : decisions.reshards) {
      if (has_reshard(before, reshard)) continue;
      const double seconds = plan_.request_seconds(reshard.cost);
      if (dearest == nullptr || seconds > plan_.request_seconds(dearest->cost)) dearest = &reshard;
    }
    if (dearest == nullptr) return "";
    return reshard_text(plan_, *dearest, plan_.plan().stages[stage].mesh);
  }

  // The first of the alternatives that the planner would rather have.
  template <typename IsMeant>
  static const Alternative* cheaper_one(const std::vector<Alternative>& all,
                                        const IsMeant& is_meant) {
    for (const Alternative& a : all) {
      if (a.is_legal && a.delta < 0 && is_meant(a)) return &a;
    }
    return nullptr;
  }

  static bool is_allowed(const Alternative& a) { return a.is_legal && a.excluded_by.empty(); }

  [[nodiscard]] std::string decided_by(const std::vector<Alternative>& all) const {
    const Alternative* excluded =
        cheaper_one(all, [](const Alternative& a) { return !a.excluded_by.empty() && a.fits; });
    const std::string loss =
        excluded == nullptr ? "" : str("; without it ", excluded->choice, " would be cheaper");
    if (!subject_.source.empty()) return str("pin ", subject_.source, loss);
    for (const Alternative& a : all) {
      if (a.is_chosen && !a.excluded_by.empty()) {
        return str("the plan file, against ", rule_text(a.excluded_by));
      }
    }
    const Alternative* better =
        cheaper_one(all, [](const Alternative& a) { return is_allowed(a) && a.fits; });
    if (better != nullptr) return "the plan file; the planner's own best is " + better->choice;
    if (excluded != nullptr) return rule_text(excluded->excluded_by) + loss;
    return decided_freely(all);
  }

  static std::string rule_text(const std::string& rule) {
    return rule == "pin" ? "a pin" : "rule " + rule;
  }

  [[nodiscard]] static std::string decided_freely(const std::vector<Alternative>& all) {
    if (std::count_if(all.begin(), all.end(), is_allowed) == 1) {
      const auto other = std::find_if(all.begin(), all.end(),
                                      [](const Alternative& a) { return !a.excluded_by.empty(); });
      if (other == all.end()) return "the only choice there is";
      return rule_text(other->excluded_by) + ": the only choice it leaves";
    }
    if (cheaper_one(all, is_allowed) != nullptr) return "memory: what is cheaper does not fit";
    const auto ties = std::count_if(all.begin(), all.end(), [](const Alternative& a) {
      return is_allowed(a) && a.fits && a.delta == 0;
    });
    return ties > 1 ? "planner: least cost, and of equal ones the fewest bytes"
                    : "planner: least cost";
  }

  OpenPlan& plan_;
  const Subject& subject_;
};

}  // namespace

Alternative alternative_of(OpenPlan& plan, const Subject& subject, const SubjectChoice& choice) {
  return Explainer(plan, subject).priced(choice);
}

std::vector<Explanation> explain_choices(OpenPlan& plan, const std::string& pattern) {
  std::vector<Explanation> result;
  for (const SubjectGroup& group : subjects_of(plan, pattern)) {
    Explanation explanation = Explainer(plan, group.subject).explain();
    explanation.alike = group.alike;
    result.push_back(std::move(explanation));
  }
  return result;
}

}  // namespace partita::planner
