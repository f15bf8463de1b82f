// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/why_not.h"

#include <algorithm>

#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "planner/explain/subjects.h"
#include "planner/pins/pin_decision.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr char kSource[] = "--why-not";
constexpr size_t kNearest = 3;

// What an axis does in a spec: splits dim 0, 1, ...; holds terms of a sum; nothing.
std::vector<int> use_of_axes(const spec::TensorSpec& spec, int axes) {
  constexpr int kNothing = -1;
  constexpr int kPartial = -2;
  std::vector<int> use(static_cast<size_t>(axes), kNothing);
  for (size_t dim = 0; dim < spec.dims.size(); ++dim) {
    for (const int axis : spec.dims[dim].axes) {
      use[static_cast<size_t>(axis)] = static_cast<int>(dim);
    }
  }
  for (const spec::PartialAxis& partial : spec.partials) {
    use[static_cast<size_t>(partial.axis)] = kPartial;
  }
  return use;
}

// On how many axes two uses differ.
int distance(const std::vector<int>& a, const std::vector<int>& b) {
  int count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += a[i] == b[i] ? 0 : 1;
  return count;
}

class Question {
 public:
  Question(OpenPlan& plan, const std::string& name, const std::string& wanted)
      : plan_(plan), decision_(parse_decision(wanted, kSource)), subject_(subject_of(name)) {
    result_.name = subject_.name;
    result_.wanted = wanted;
  }

  WhyNot answer() {
    const spec::Mesh& mesh = plan_.space(subject_.stage).mesh();
    if (const std::string_view axis = missing_axis(decision_, mesh); !axis.empty()) {
      throw Error(ErrorCode::kInvalidArgument, str("[explain] ", decision_.text, " names the axis ",
                                                   axis, "; the mesh is ", mesh_text(mesh)));
    }
    if (subject_.node != ir::kNoId) {
      answer_strategy(mesh);
    } else {
      answer_spec(mesh);
    }
    return std::move(result_);
  }

 private:
  // A strategy is asked of an operator, a spec of a tensor; "replicated" of what has the name, an
  // operator first.
  Subject subject_of(const std::string& name) {
    if (decision_.kind == PinDecision::Kind::kStage) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[explain] --why-not asks for a spec like \"[_, _:tp]\" or a strategy like "
                      "\"n:tp\", not for \"",
                      decision_.text, "\"; plan with --pin to see another cut into stages"));
    }
    const bool is_spec = decision_.kind == PinDecision::Kind::kSpec;
    const bool is_strategy = decision_.kind == PinDecision::Kind::kStrategy;
    for (SubjectGroup& group : subjects_of(plan_, name)) {
      if (group.subject.name != name) {
        throw Error(ErrorCode::kInvalidArgument,
                    str("[explain] \"", name, "\" is a pattern; --why-not needs one name"));
      }
      const bool is_operator = group.subject.node != ir::kNoId;
      if (is_operator ? !is_spec : !is_strategy) return std::move(group.subject);
    }
    throw Error(ErrorCode::kInvalidArgument,
                str("[explain] ", name, " is ", is_spec ? "an operator" : "a tensor",
                    " and cannot be \"", decision_.text, "\"; a tensor has a spec like ",
                    "\"[_, _:tp]\", an operator a strategy like \"n:tp\""));
  }

  [[nodiscard]] std::vector<int> wanted_at(const ir::Node& node,
                                           const NodeKind& kind,
                                           const spec::Mesh& mesh) const {
    try {
      return wanted_strategy(decision_, kind.notation,
                             factor_names_of(plan_.facts(), subject_.node), mesh);
    } catch (const Error& error) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[explain] ", node.name, " (", node.op, ") cannot be \"", decision_.text,
                      "\": ", error.what()));
    }
  }

  void answer_strategy(const spec::Mesh& mesh) {
    const NodeKind& kind =
        plan_.facts().kinds()[static_cast<size_t>(plan_.facts().kind_of(subject_.node))];
    const std::vector<int> wanted = wanted_at(plan_.graph().node(subject_.node), kind, mesh);
    result_.wanted = strategy_text(plan_.facts(), subject_.node, wanted, mesh);
    std::vector<int> distances;
    for (const SubjectChoice& choice : subject_.choices) {
      distances.push_back(distance(choice.forced.strategies.front().axis_factor, wanted));
    }
    answer_by(distances, "has no such strategy");
  }

  void answer_spec(const spec::Mesh& mesh) {
    const std::vector<int64_t> shape = plan_.graph().value(subject_.value).type.shape();
    const WantedSpec wanted(decision_, shape, mesh);
    result_.wanted = spec_text(plan_.facts(), subject_.value, wanted.spec(), mesh);
    const std::vector<int> use = use_of_axes(wanted.spec(), mesh.axis_count());
    std::vector<int> distances;
    for (const SubjectChoice& choice : subject_.choices) {
      const spec::TensorSpec& offered = plan_.space(subject_.stage).spec(choice.spec);
      // Other pieces on the same axes are a difference too.
      distances.push_back(
          wanted.allows(offered)
              ? 0
              : std::max(1, distance(use_of_axes(offered, mesh.axis_count()), use)));
    }
    const bool is_stored = plan_.graph().value(subject_.value).kind != ir::ValueKind::kResult;
    answer_by(distances, is_stored && wanted.is_partial()
                             ? "is stored, and what is stored is never a term of a sum"
                             : "cannot have it: no strategy of its operator gives it");
  }

  // distances[i] is that of subject_.choices[i]; 0 = what was asked for.
  void answer_by(const std::vector<int>& distances, const std::string& refusal) {
    const auto found = std::find(distances.begin(), distances.end(), 0);
    if (found != distances.end()) {
      answer_choice(subject_.choices[static_cast<size_t>(found - distances.begin())]);
    } else {
      result_.answer = str(subject_.name, " ", refusal);
    }
    if (result_.is_possible) return;
    std::vector<size_t> order;
    for (size_t i = 0; i < distances.size(); ++i) {
      if (distances[i] > 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return distances[a] < distances[b]; });
    for (size_t i = 0; i < order.size() && result_.nearest.size() < kNearest; ++i) {
      Alternative near = alternative_of(plan_, subject_, subject_.choices[order[i]]);
      if (near.is_legal) result_.nearest.push_back(std::move(near));
    }
  }

  void answer_choice(const SubjectChoice& choice) {
    result_.wanted = choice.name;
    const std::optional<ForcedPlan> forced = plan_.with(choice.forced);
    if (!forced) {
      result_.answer = str(subject_.name, " can have it, but no plan goes with it: what its ",
                           "neighbours ask for or deliver cannot be made from it");
      return;
    }
    result_.is_possible = true;
    result_.alternative = alternative_of(plan_, subject_, choice);
    result_.diff = diff_plans(plan_.as_plan(nullptr), plan_.as_plan(&*forced), plan_.graph());
    result_.answer = sentence(choice);
  }

  [[nodiscard]] std::string sentence(const SubjectChoice& choice) const {
    const Alternative& a = result_.alternative;
    if (choice.is_chosen) return "the plan has it";
    std::string text;
    if (!choice.excluded_by.empty()) {
      text = str(choice.excluded_by == "pin" ? "a pin" : "the rule " + choice.excluded_by,
                 " excludes it; without that ");
    }
    if (!a.fits) {
      return text + str("it does not fit: the fullest rank would need ",
                        bytes_text(a.memory.total()), " of ", bytes_text(a.memory.limit));
    }
    if (a.delta == 0) return text + "it costs the same";
    return text + str(a.delta > 0 ? "it costs " : "it would be better by ",
                      seconds_text(std::abs(a.delta_s)), a.delta > 0 ? " more" : "",
                      " per request (",
                      fixed_text(std::abs(a.delta_s / (a.plan_s - a.delta_s)) * 100, 2), " %)");
  }

  OpenPlan& plan_;
  PinDecision decision_;
  Subject subject_;
  WhyNot result_;
};

}  // namespace

WhyNot why_not(OpenPlan& plan, const std::string& name, const std::string& wanted) {
  return Question(plan, name, wanted).answer();
}

std::string to_text(const WhyNot& answer) {
  std::string text = str("why not ", answer.name, " = ", answer.wanted, "?\n", answer.answer, "\n");
  if (answer.is_possible) {
    if (!answer.alternative.is_chosen) text += "\n" + to_text(answer.diff);
    return text;
  }
  if (answer.nearest.empty()) return text;
  text += "\nnearest to it\n";
  std::vector<TextRow> rows;
  for (const Alternative& near : answer.nearest) {
    rows.push_back({near.is_chosen ? "*" : " ", near.choice,
                    near.delta == 0 ? "0" : signed_seconds_text(near.delta_s) + " per request",
                    remark_on(near)});
  }
  return text + table_text(rows, {2});
}

Json to_json(const WhyNot& answer) {
  Json json;
  json["name"] = answer.name;
  json["wanted"] = answer.wanted;
  json["answer"] = answer.answer;
  json["is_possible"] = answer.is_possible;
  if (answer.is_possible) {
    json["alternative"] = to_json(answer.alternative);
    json["diff"] = to_json(answer.diff);
  }
  json["nearest"] = Json::array();
  for (const Alternative& near : answer.nearest) json["nearest"].push_back(to_json(near));
  return json;
}

}  // namespace partita::planner
