// SPDX-License-Identifier: Apache-2.0
// partita plan: decides and shows how a model lies on the ranks; reads no weights.
#include <cstdio>
#include <fstream>
#include <memory>

#include "cli/candidate_table.h"
#include "cli/commands.h"
#include "cli/common_options.h"

namespace partita::cli {
namespace {

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

void write_page(const Plan& plan, const std::string& file) {
  std::ofstream out(file, std::ios::binary);
  out << to_html(plan);
  out.close();
  if (out) return;
  throw Error(ErrorCode::kSystem, "[plan] cannot write " + file +
                                      "; is the path right and the "
                                      "disk not full?");
}

int run(const Options& options) {
  const Model model = load_model(options.planning.directory, options.planning.load);
  if (options.dump_graph) {
    std::printf("%s", model.dump_graph().c_str());
    return 0;
  }
  if (options.compare_tp_plan) {
    std::printf("%s", compare_tp_plan(model, options.planning.plan).c_str());
    return 0;
  }
  if (options.compare_baselines) {
    std::printf("%s", compare_baselines(model, options.planning.plan).c_str());
    return 0;
  }
  const Plan plan = plan_or_reasons(model, options);
  if (options.pareto) std::printf("%s\n", candidate_table(plan).c_str());
  if (!options.output.empty()) plan.write(options.output);
  if (!options.html_file.empty()) write_page(plan, options.html_file);
  if (!options.ilp_file.empty()) export_ilp(model, plan, options.planning.plan, options.ilp_file);
  if (options.program_rank >= 0) {
    std::printf("%s", plan.dump_program(options.program_rank).c_str());
  } else if (!options.explain.empty() || !options.why_not.empty()) {
    std::printf("%s", explain(plan, options.planning.plan, question_of(options)).c_str());
  } else {
    std::printf("%s", options.as_json ? plan.to_json().c_str() : plan.explain().c_str());
  }
  return 0;
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
  command->add_option("-o,--output", options->output, "Write plan.json here");
  command
      ->add_option("--explain", options->explain,
                   "Show what every alternative of this operator or tensor would cost ('*' and '?' "
                   "match); without a name, the summary")
      ->expected(0, 1);
  command->add_option("--export-ilp", options->ilp_file,
                      "Write the problem as an integer program here (.lp or .mps)");
  command->add_option("--why-not", options->why_not,
                      "Show the cheapest plan where TENSOR=SPEC or OPERATOR=STRATEGY, or why there "
                      "is none; without NAME= that of --explain");
  command->add_option("--html", options->html_file,
                      "Write the plan as a page for people here (one file, works offline)");
  command->add_option("--program", options->program_rank, "Print the program of this rank")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--graph", options->dump_graph, "Print the graph of the model and stop");
  auto* optimize = command->add_option(
      "--optimize", options->planning.plan.optimize,
      "latency, throughput or kv: search replicas, stages and tensor ranks together");
  optimize->excludes(command->get_option("--plan"));
  command
      ->add_option("--requests-per-second", options->planning.plan.requests_per_second,
                   "Arrivals that --optimize simulates (0 = --concurrency clients that wait)")
      ->needs(optimize);
  auto* pareto = command
                     ->add_flag("--pareto", options->pareto,
                                "Print every arrangement that --optimize looked at")
                     ->needs(optimize);
  command
      ->add_flag("--json", options->as_json,
                 "Print plan.json instead of the summary; with --explain or --why-not the answer")
      ->excludes(pareto);
  auto* compare_tp_plan = command->add_flag(
      "--compare-tp-plan", options->compare_tp_plan,
      "Print the predicted times of the planner's own plan and of --tp-plan (that of config.json "
      "without it), and stop");
  auto* compare_baselines =
      command->add_flag("--compare-baselines", options->compare_baselines,
                        "Print the predicted times of the planner's own plan, of Megatron-LM's "
                        "tensor plan and of evenly shared layers, and stop");
  compare_baselines->excludes(compare_tp_plan);
  for (CLI::Option* option : {compare_tp_plan, compare_baselines}) {
    option->excludes(command->get_option("--plan"))->excludes(optimize);
  }
  // The sub-command has no DIR of its own kind, so DIR is asked for here.
  CLI::App* diff_command = add_plan_diff_command(*command, action);
  CLI::Option* directory = command->get_option("DIR")->required(false);
  command->callback([options, &action, diff_command, directory] {
    if (diff_command->parsed()) return;
    if (directory->empty()) throw CLI::RequiredError("DIR");
    action = [options] { return run(*options); };
  });
}

}  // namespace partita::cli
