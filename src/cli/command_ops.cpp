// SPDX-License-Identifier: Apache-2.0
// partita ops: lists the operators, or how a mesh may cut one of them.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "partita/partita.h"
#include "support/json.h"

namespace partita::cli {
namespace {

struct Options {
  OperatorCall call;
  std::string shapes;
  std::vector<std::string> mesh;
  bool as_json = false;
};

std::string joined(const std::vector<std::string>& texts, const char* separator) {
  std::string result;
  for (const std::string& text : texts) result += (result.empty() ? "" : separator) + text;
  return result;
}

// "32x64,64x32": with one symbolic dim, "t,64;64,32".
std::vector<std::string> split_shapes(const std::string& text) {
  const char separator = text.find(';') == std::string::npos ? ',' : ';';
  std::vector<std::string> shapes;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    shapes.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return shapes;
}

Json to_json(const OperatorSummary& op) {
  return {{"name", op.name},
          {"summary", op.summary},
          {"notation", op.notation},
          {"collective", op.is_collective}};
}

Json to_json(const OperatorRule& rule) {
  Json json = {{"choice", rule.choice},
               {"inputs", rule.inputs},
               {"outputs", rule.outputs},
               {"reduction", rule.reduction},
               {"keeps_attributes", rule.keeps_attributes},
               {"even", rule.is_even},
               {"flops", rule.flops},
               {"bytes", rule.bytes}};
  if (rule.is_proved) json["proved"] = *rule.is_proved;
  if (!rule.counterexample.empty()) json["counterexample"] = rule.counterexample;
  return json;
}

void print(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

int list(bool as_json) {
  Json json = Json::array();
  for (const OperatorSummary& op : list_operators()) {
    if (as_json) {
      json.push_back(to_json(op));
    } else {
      std::printf("%-16s %s\n", op.name.c_str(), op.notation.c_str());
    }
  }
  if (as_json) print(json);
  return 0;
}

std::string facts_of(const OperatorRule& rule) {
  std::vector<std::string> facts;
  if (rule.reduction != "none" && rule.reduction != "passed") facts.push_back(rule.reduction);
  if (!rule.is_even) facts.emplace_back("uneven");
  if (!rule.keeps_attributes) facts.emplace_back("other attributes");
  if (rule.is_proved) facts.emplace_back(*rule.is_proved ? "proved" : "WRONG");
  if (!rule.counterexample.empty()) facts.push_back(rule.counterexample);
  return joined(facts, ", ");
}

// Rules that pass terms through come after the others, as they reduce nothing.
size_t print_rules(const OperatorRules& found, bool passed) {
  size_t width = 0;
  for (const OperatorRule& rule : found.rules) width = std::max(width, rule.choice.size());
  size_t count = 0;
  for (const OperatorRule& rule : found.rules) {
    if ((rule.reduction == "passed") != passed) continue;
    ++count;
    const std::string facts = facts_of(rule);
    std::printf("  %-*s  %s -> %s%s%s\n", static_cast<int>(width), rule.choice.c_str(),
                joined(rule.inputs, ", ").c_str(), joined(rule.outputs, ", ").c_str(),
                facts.empty() ? "" : "  ", facts.c_str());
  }
  return count;
}

void print_text(const OperatorRules& found) {
  std::printf("%s: %s\n%s\n", found.op.name.c_str(), found.op.summary.c_str(),
              found.op.notation.c_str());
  if (found.op.is_collective) {
    std::printf("a collective: the partitioner places it, no rule cuts it\n");
    return;
  }
  std::printf("\n%s on %s\n%s\n", found.call.c_str(), found.mesh.c_str(), found.notation.c_str());
  const size_t rules = print_rules(found, false);
  std::printf("%zu rules\n", rules);
  if (rules == found.rules.size()) return;
  const size_t passed = print_rules(found, true);
  std::printf("%zu more pass terms of a sum on\n", passed);
}

int run(const Options& options) {
  if (options.call.op.empty()) return list(options.as_json);
  OperatorCall call = options.call;
  if (!options.shapes.empty()) call.shapes = split_shapes(options.shapes);
  if (!options.mesh.empty()) call.mesh = joined(options.mesh, ",");
  const OperatorRules found = operator_rules(call);
  bool is_wrong = false;
  for (const OperatorRule& rule : found.rules)
    is_wrong = is_wrong || !rule.is_proved.value_or(true);
  if (options.as_json) {
    Json json = {{"operator", to_json(found.op)},
                 {"mesh", found.mesh},
                 {"call", found.call},
                 {"notation", found.notation},
                 {"rules", Json::array()}};
    for (const OperatorRule& rule : found.rules) json["rules"].push_back(to_json(rule));
    print(json);
  } else {
    print_text(found);
  }
  return is_wrong ? exit_code(ErrorCode::kInternal) : 0;
}

}  // namespace

void add_ops_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "ops",
      "List the operators, or the ways to cut one of them over a mesh.\n\nExamples:\n"
      "  partita ops\n"
      "  partita ops matmul --mesh tp=4 --shape 32x64,64x32\n"
      "  partita ops reshape --mesh tp=4 --shape 4x8x4 --attr shape=32,-1\n"
      "  partita ops attention --mesh dp=2 tp=2 --prove");
  command->add_option("OP", options->call.op, "Operator; none lists all");
  command->add_option("--mesh", options->mesh, "Mesh axes, e.g. tp=4 or dp=2 tp=2 (default tp=2)");
  command->add_option("--shape", options->shapes,
                      "Shapes of the inputs: 32x64,64x32; with symbolic dims t,64;64,32; "
                      "bf16:7x12 for another element type (default: a sample)");
  command->add_option("--attr", options->call.attributes, "Attributes: dim=1 shape=32,-1");
  command->add_flag("--prove", options->call.prove, "Run every rule on virtual ranks and compare");
  command->add_flag("--json", options->as_json, "Print one JSON value");
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace partita::cli
