// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/keep_pinned.h"

#include <algorithm>
#include <functional>
#include <set>

#include "planner/explain/names.h"
#include "planner/stored.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr size_t kMaxListed = 12;  // of what there is, in a message

std::string joined(const std::set<std::string>& texts) {
  std::string result;
  size_t count = 0;
  for (const std::string& text : texts) {
    if (count++ == kMaxListed) return result + ", ...";
    result += str(count == 1 ? "" : ", ", text);
  }
  return result;
}

// One pin, as a test of an option.
template <typename Option>
struct Rule {
  int pin = 0;
  std::function<bool(const Option&)> allows;
};

// Keeps the options that all rules of the strongest level allow, then of the next as far as they
// leave any. Rules are sorted by level. Returns the pins that hold. `describe` tells of what the
// rules are and what there is, for messages.
template <typename Option>
std::vector<int> keep_allowed(const PinnedGraph& pins,
                              const std::vector<Rule<Option>>& rules,
                              std::vector<Option>& options,
                              const std::function<std::string(int pin)>& describe) {
  const std::vector<Option> all = options;
  std::vector<const Rule<Option>*> held;
  for (const Rule<Option>& rule : rules) {
    std::vector<Option> kept;
    std::copy_if(options.begin(), options.end(), std::back_inserter(kept), rule.allows);
    if (!kept.empty()) {
      options = std::move(kept);
      held.push_back(&rule);
      continue;
    }
    const Pin& pin = pins.pin(rule.pin);
    if (std::none_of(all.begin(), all.end(), rule.allows)) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[pins] ", to_string(pin), " leaves no choice at ", describe(rule.pin)));
    }
    // What stands against it: a pin that excludes it alone, else the last one before it.
    const Rule<Option>* other = held.back();
    for (const Rule<Option>* candidate : held) {
      const bool excludes = std::none_of(all.begin(), all.end(), [&](const Option& option) {
        return rule.allows(option) && candidate->allows(option);
      });
      if (excludes) {
        other = candidate;
        break;
      }
    }
    if (pins.pin(other->pin).level != pin.level) continue;  // gives way
    throw Error(ErrorCode::kInvalidArgument,
                str("[pins] ", to_string(pins.pin(other->pin)), " and ", to_string(pin),
                    " contradict each other at ", describe(rule.pin)));
  }
  std::vector<int> result;
  for (const Rule<Option>* rule : held) result.push_back(rule->pin);
  return result;
}

// What a condition asks of (axis_factor, input specs).
struct NodeTest {
  std::vector<int> axis_factor;
  std::optional<WantedSpec> input;
  size_t slot = 0;

  [[nodiscard]] bool allows(const std::vector<int>& factors,
                            const std::vector<spec::TensorSpec>& inputs) const {
    return input ? input->allows(inputs[slot]) : factors == axis_factor;
  }
};

NodeTest test_of(const PinnedNode& at, const PinCondition& condition, const Pin& pin) {
  const ir::Node& node = at.graph().node(at.node);
  const PinDecision& decision = at.pins().decision(condition.decision);
  const bool is_strategy = condition.input == PinCondition::kOwnStrategy;
  NodeTest test;
  try {
    if (is_strategy) {
      test.axis_factor =
          wanted_strategy(decision, at.notation(), factor_names_of(at.facts, at.node), at.mesh);
      return test;
    }
    test.slot = static_cast<size_t>(condition.input);
    const ir::Value& value = at.graph().value(node.inputs[test.slot]);
    test.input.emplace(decision, value.type.shape(), at.mesh);
    return test;
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[pins] ", to_string(pin), " at ",
                    is_strategy ? str(node.name, " (", node.op, ")")
                                : at.graph().value(node.inputs[test.slot]).name,
                    ": ", error.what()));
  }
}

// The strategies, or the specs of one input, that a node can have.
std::string choices_at(const PinnedNode& at,
                       const PinCondition& condition,
                       const std::vector<spec::Strategy>& all) {
  const ir::Node& node = at.graph().node(at.node);
  std::set<std::string> texts;
  if (condition.input == PinCondition::kOwnStrategy) {
    for (const spec::Strategy& strategy : all) {
      texts.insert(strategy_text(at.facts, at.node, strategy.axis_factor, at.mesh));
    }
    return str("operator ", node.name, "; ", node.op, " has ", joined(texts));
  }
  const auto slot = static_cast<size_t>(condition.input);
  const ir::ValueId value = node.inputs[slot];
  for (const spec::Strategy& strategy : all) {
    texts.insert(spec_text(at.facts, value, strategy.inputs[slot], at.mesh));
  }
  return str("tensor ", at.graph().value(value).name, " read by ", node.name, "; ", node.op,
             " reads it as ", joined(texts));
}

// What is stored is never a term of a sum.
void drop_partial_weights(const PinnedNode& at, std::vector<spec::Strategy>& strategies) {
  const ir::Node& node = at.graph().node(at.node);
  std::erase_if(strategies, [&](const spec::Strategy& strategy) {
    for (size_t slot = 0; slot < node.inputs.size(); ++slot) {
      const bool is_term = !strategy.inputs[slot].partials.empty();
      if (is_term && is_stored(at.graph().value(node.inputs[slot]))) return true;
    }
    return false;
  });
}

std::string sources_of(const PinnedGraph& pins, const std::vector<int>& held) {
  std::string text;
  std::set<std::string> seen;
  for (const int pin : held) {
    const std::string& source = pins.pin(pin).source;
    if (seen.insert(source).second) text += str(text.empty() ? "" : "; ", source);
  }
  return text;
}

}  // namespace

void keep_pinned(const PinnedNode& at, std::vector<spec::Strategy>& strategies) {
  const auto conditions = at.pins().conditions_of(at.node);
  if (conditions.empty()) return;
  drop_partial_weights(at, strategies);
  const std::vector<spec::Strategy> all = strategies;
  std::vector<Rule<spec::Strategy>> rules;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const int pin = at.pins().pin_of(at.node, i);
    rules.push_back({pin, [test = test_of(at, conditions[i], at.pins().pin(pin))](
                              const spec::Strategy& strategy) {
                       return test.allows(strategy.axis_factor, strategy.inputs);
                     }});
  }
  const auto describe = [&](int pin) {
    size_t condition = 0;
    while (at.pins().pin_of(at.node, condition) != pin) ++condition;
    return choices_at(at, conditions[condition], all);
  };
  keep_allowed<spec::Strategy>(at.pins(), rules, strategies, describe);
}

std::string source_of_strategy(const PinnedNode& at,
                               const std::vector<int>& axis_factor,
                               const std::vector<spec::TensorSpec>& inputs) {
  const auto conditions = at.pins().conditions_of(at.node);
  std::vector<int> held;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const int pin = at.pins().pin_of(at.node, i);
    if (test_of(at, conditions[i], at.pins().pin(pin)).allows(axis_factor, inputs)) {
      held.push_back(pin);
    }
  }
  return sources_of(at.pins(), held);
}

std::string keep_pinned_specs(const GraphFacts& facts,
                              ir::ValueId value,
                              const spec::Mesh& mesh,
                              std::vector<spec::TensorSpec>& specs) {
  const PinnedGraph& pins = facts.pins();
  const ir::Value& tensor = facts.graph().value(value);
  const std::vector<int64_t> shape = tensor.type.shape();
  const std::vector<spec::TensorSpec> all = specs;
  std::vector<Rule<spec::TensorSpec>> rules;
  for (const int pin : pins.stored_pins(value)) {
    try {
      const WantedSpec wanted(pins.decision_of_pin(pin), shape, mesh);
      rules.push_back(
          {pin, [wanted](const spec::TensorSpec& spec) { return wanted.allows(spec); }});
    } catch (const Error& error) {
      throw Error(ErrorCode::kInvalidArgument, str("[pins] ", to_string(pins.pin(pin)), " at ",
                                                   tensor.name, ": ", error.what()));
    }
  }
  const auto describe = [&](int) {
    std::set<std::string> texts;
    for (const spec::TensorSpec& spec : all) texts.insert(spec_text(facts, value, spec, mesh));
    return str("tensor ", tensor.name, "; it can be stored as ", joined(texts));
  };
  return sources_of(pins, keep_allowed<spec::TensorSpec>(pins, rules, specs, describe));
}

}  // namespace partita::planner
