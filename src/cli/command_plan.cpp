// SPDX-License-Identifier: Apache-2.0
// partita plan: decides and shows how a model lies on the ranks; reads no weights.
#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/candidate_table.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/option_checks.h"
#include "support/text_file.h"

namespace partita::cli {
namespace {

// What is printed. Options that ask for different things exclude each other.
enum class Show : uint8_t { kPlan, kGraph, kTpPlan, kBaselines, kProgram, kAnswer };

struct Options {
  PlanningOptions planning;
  std::string output;
  std::string explain;  // operator or tensor; empty = the summary
  std::string ilp_file;
  std::string why_not;  // "NAME=DECISION", or the decision alone beside --explain NAME
  std::string html_file;
  int program_rank = -1;
  bool dump_graph = false;
  bool as_json = false;
  bool pareto = false;
  bool compare_tp_plan = false;
  bool compare_baselines = false;
};

Show show_of(const Options& options) {
  if (options.dump_graph) return Show::kGraph;
  if (options.compare_tp_plan) return Show::kTpPlan;
  if (options.compare_baselines) return Show::kBaselines;
  if (options.program_rank >= 0) return Show::kProgram;
  const bool has_question = !options.explain.empty() || !options.why_not.empty();
  return has_question ? Show::kAnswer : Show::kPlan;
}

// A program that asked for JSON reads why nothing fits as JSON too; people get the message.
Plan plan_or_reasons(const Model& model, const Options& options) {
  try {
    return plan_of(model, options.planning);
  } catch (const InfeasibleError& error) {
    if (options.as_json) std::printf("%s", error.json().c_str());
    throw;
  }
}

Question question_of(const Options& options) {
  Question question = {
      .name = options.explain, .why_not = options.why_not, .as_json = options.as_json};
  if (options.why_not.empty() || !options.explain.empty()) return question;
  const size_t equals = options.why_not.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == options.why_not.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                "[plan] --why-not " + options.why_not +
                    "; expected NAME=SPEC, or --explain NAME beside it");
  }
  question.name = options.why_not.substr(0, equals);
  question.why_not = options.why_not.substr(equals + 1);
  return question;
}

void write_files(const Model& model, const Plan& plan, const Options& options) {
  if (!options.output.empty()) plan.write(options.output);
  if (!options.html_file.empty()) write_text(options.html_file, to_html(plan));
  if (!options.ilp_file.empty()) export_ilp(model, plan, options.planning.plan, options.ilp_file);
}

std::string text_of(const Plan& plan, Show show, const Options& options) {
  if (show == Show::kProgram) return plan.dump_program(options.program_rank);
  if (show == Show::kAnswer) return explain(plan, options.planning.plan, question_of(options));
  return options.as_json ? plan.to_json() : plan.explain();
}

// A plan that took minutes must not be lost to a folder that is not there.
void check_files(const Options& options) {
  for (const std::string* file : {&options.output, &options.html_file, &options.ilp_file}) {
    if (!file->empty()) check_writable(*file);
  }
}

int run(const Options& options) {
  const Model model = load_model(options.planning.directory, options.planning.load);
  const Show show = show_of(options);
  std::string text;
  switch (show) {
    case Show::kGraph:
      text = model.dump_graph();
      break;
    case Show::kTpPlan:
      text = compare_tp_plan(model, options.planning.plan);
      break;
    case Show::kBaselines:
      text = compare_baselines(model, options.planning.plan);
      break;
    case Show::kPlan:
    case Show::kProgram:
    case Show::kAnswer: {
      check_files(options);
      const Plan plan = plan_or_reasons(model, options);
      if (options.pareto) text = candidate_table(plan) + "\n";
      write_files(model, plan, options);
      text += text_of(plan, show, options);
    }
  }
  std::printf("%s", text.c_str());
  return 0;
}

void add_file_options(CLI::App& command, Options& options) {
  command.add_option("-o,--output", options.output, "Write plan.json here")->check(not_empty());
  command
      .add_option("--html", options.html_file,
                  "Write the plan as a page for people here (one file, works offline)")
      ->check(not_empty());
  command
      .add_option("--export-ilp", options.ilp_file,
                  "Write the problem as an integer program here (.lp or .mps)")
      ->check(not_empty());
}

void add_search_options(CLI::App& command, Options& options) {
  auto* optimize =
      command.add_option("--optimize", options.planning.plan.optimize,
                         "latency, throughput or kv: search replicas, stages and tensor ranks "
                         "together");
  optimize->check(not_empty())->excludes(command.get_option("--plan"));
  command
      .add_option("--requests-per-second", options.planning.plan.requests_per_second,
                  "Arrivals that --optimize simulates (0 = --concurrency clients that wait)")
      ->needs(optimize);
  command.add_flag("--pareto", options.pareto, "Print every arrangement that --optimize looked at")
      ->needs(optimize);
}

void add_show_options(CLI::App& command, Options& options) {
  auto* explain = command.add_option(
      "--explain", options.explain,
      "Show what every alternative of this operator or tensor would cost ('*', '?' and {a,b} "
      "match); without a name, the summary");
  explain->expected(0, 1);
  auto* why_not = command.add_option(
      "--why-not", options.why_not,
      "Show the cheapest plan where TENSOR=SPEC or OPERATOR=STRATEGY, or why there is none; "
      "without NAME= that of --explain");
  why_not->check(not_empty());
  auto* program =
      command.add_option("--program", options.program_rank, "Print the program of this rank");
  program->check(at_least(0));
  auto* graph =
      command.add_flag("--graph", options.dump_graph, "Print the graph of the model and stop");
  auto* tp_plan = command.add_flag("--compare-tp-plan", options.compare_tp_plan,
                                   "Print the predicted times of the planner's own plan and of "
                                   "--tp-plan (that of config.json without it), and stop");
  auto* baselines = command.add_flag("--compare-baselines", options.compare_baselines,
                                     "Print the predicted times of the planner's own plan, of "
                                     "Megatron-LM's tensor plan and of evenly shared layers, and "
                                     "stop");
  auto* json = command.add_flag(
      "--json", options.as_json,
      "Print plan.json instead of the summary; with --explain or --why-not the answer");
  for (CLI::Option* other : {explain, why_not, json}) {
    exclude_each_other({other, program, graph, tp_plan, baselines});
  }
  json->excludes(command.get_option("--pareto"));
  for (CLI::Option* compare : {tp_plan, baselines}) {
    compare->excludes(command.get_option("--plan"))->excludes(command.get_option("--optimize"));
  }
  for (const char* dropped : {"--output", "--html", "--export-ilp", "--pareto"}) {
    for (CLI::Option* stop : {graph, tp_plan, baselines}) {
      stop->excludes(command.get_option(dropped));
    }
  }
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "plan",
      "Decide how the model lies on the ranks. Needs config.json only.\n\nExamples:\n"
      "  partita plan DIR --ranks 4\n"
      "  partita plan DIR --devices h100-8x8.toml --concurrency 64 --max-context 8192\n"
      "  partita plan DIR --devices h100-8x8.toml --concurrency 64 --optimize throughput --pareto\n"
      "  partita plan DIR --mesh tp=2 --output plan.json\n"
      "  partita plan DIR --ranks 4 --explain layers.0.mlp.down_proj\n"
      "  partita plan DIR --ranks 4 --why-not 'layers.0.mlp.down_proj.weight=[n:tp, k]'\n"
      "  partita plan diff before.json after.json --model DIR");
  add_planning_options(*command, options->planning);
  add_file_options(*command, *options);
  add_search_options(*command, *options);
  add_show_options(*command, *options);
  // The sub-command has no DIR of its own kind, so DIR is asked for here.
  CLI::App* diff_command = add_plan_diff_command(*command, action);
  CLI::Option* directory = command->get_option("DIR")->required(false);
  command->callback([options, &action, command, diff_command, directory] {
    if (diff_command->parsed()) return;
    if (directory->empty()) throw CLI::RequiredError("DIR");
    // Questions price the plan of a file by these options; nothing else reads them then.
    if (show_of(*options) != Show::kAnswer) refuse_planning_beside_plan_file(*command);
    action = [options] { return run(*options); };
  });
}

}  // namespace partita::cli
