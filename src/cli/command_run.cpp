// SPDX-License-Identifier: Apache-2.0
// partita run: generates text from prompts on planned ranks.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <iterator>
#include <memory>
#include <vector>

#include "api/own_plan.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/option_checks.h"
#include "cli/progress_bar.h"
#include "cli/run_report.h"
#include "support/text_file.h"

namespace partita::cli {
namespace {

struct RunOptions {
  PlanningOptions planning;
  EngineOptions engine{.launcher = "fork"};
  GenerateOptions generate;
  std::vector<std::string> prompts;
  bool limits_concurrency = false;  // --concurrency is given: more prompts than that wait
  bool as_json = false;
  bool quiet = false;
  std::string trace;  // file
};

struct Prompt {
  std::string text;
  std::vector<int32_t> tokens;
};

// "-" stands for standard input, read to its end.
std::vector<Prompt> read_prompts(const Model& model, const std::vector<std::string>& texts) {
  if (std::count(texts.begin(), texts.end(), "-") > 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "[run] --prompt - is given twice, but there is one standard input; give it once");
  }
  std::vector<Prompt> prompts;
  for (const std::string& argument : texts) {
    std::string text = argument;
    if (text == "-")
      text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    prompts.push_back({text, model.encode(text)});
    if (prompts.back().tokens.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "[run] the prompt " + std::string(argument == "-" ? "on standard input " : "") +
                      "is empty; this model needs at least one character to continue");
    }
  }
  return prompts;
}

// Ends the run at once where nobody can read the rest.
void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return;
  throw Error(ErrorCode::kSystem, std::string("[run] cannot write to standard output: ") +
                                      std::strerror(errno) +
                                      "; is the disk full or the output closed?");
}

// One prompt streams; several are computed together and printed in order.
std::vector<Completion> complete(Engine& engine,
                                 const std::vector<Prompt>& prompts,
                                 const RunOptions& options) {
  const bool streams = prompts.size() == 1 && !options.as_json;
  std::vector<int64_t> requests;
  for (const Prompt& prompt : prompts) {
    const OnText on_text = streams ? OnText(print_text) : OnText();
    requests.push_back(engine.submit(prompt.tokens, options.generate, on_text));
    if (streams) print_text(prompt.text);
  }
  while (engine.step()) {
  }
  std::vector<Completion> completions;
  for (size_t i = 0; i < requests.size(); ++i) {
    completions.push_back(engine.take(requests[i]));
    if (!streams && !options.as_json)
      print_text("[" + std::to_string(i) + "] " + prompts[i].text + completions[i].text + "\n");
  }
  if (streams) print_text("\n");
  return completions;
}

Json to_json(const std::vector<Completion>& completions) {
  Json json = Json::array();
  for (const Completion& completion : completions) {
    json.push_back({{"text", completion.text},
                    {"prompt_tokens", completion.prompt_tokens},
                    {"tokens", completion.tokens},
                    {"finish_reason", completion.finish_reason}});
  }
  return json;
}

// Everything that can be wrong without ranks is looked at before they start.
Plan checked_plan(const Model& model, const std::vector<Prompt>& prompts, RunOptions& options) {
  check_generate_options(model, options.generate);
  if (!options.trace.empty()) check_writable(options.trace);
  PlanOptions& plan = options.planning.plan;
  if (!options.limits_concurrency && !api::keeps_own_plan(model, plan))
    plan.concurrency = static_cast<int64_t>(prompts.size());
  Plan made = plan_of(model, options.planning);
  for (const Prompt& prompt : prompts) check_prompt(model, made, prompt.tokens);
  return made;
}

int run(RunOptions options) {
  const Model model = load_model(options.planning.directory, options.planning.load);
  // Read before the ranks start: they must not wait for somebody who types, nor load for nothing.
  const std::vector<Prompt> prompts = read_prompts(model, options.prompts);
  const Plan plan = checked_plan(model, prompts, options);
  ProgressBar bar(!options.quiet && !options.as_json);
  options.engine.on_progress = [&bar](int rank, int64_t bytes, int64_t total) {
    bar.update(rank, bytes, total);
  };
  const int ranks = plan.ranks() * plan.replicas();
  options.engine.on_external = [ranks](const std::string& variables) {
    std::fprintf(stderr,
                 "waiting for the ranks; start %d with RANK 0 .. %d, each with\n"
                 "  %s RANK=<i> WORLD_SIZE=%d partita worker\n",
                 ranks, ranks - 1, variables.c_str(), ranks);
  };
  options.engine.on_loss = [](int, const std::string& why) {
    std::fprintf(stderr, "warning: %s\n", why.c_str());
  };
  options.engine.trace = !options.trace.empty();
  Engine engine(model, plan, options.engine);
  bar.clear();
  const std::vector<Completion> completions = complete(engine, prompts, options);
  const RunReport report = engine.report();
  const PredictedSeconds predicted{plan.predicted_prefill_seconds(),
                                   plan.predicted_decode_seconds()};
  if (!options.trace.empty()) engine.write_trace(options.trace);
  if (options.as_json) {
    const Json json = {{"completions", to_json(completions)},
                       {"plan_hash", plan.hash()},
                       {"report", cli::to_json(report, predicted)}};
    std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  } else if (!options.quiet) {
    std::printf("\n--- plan\n%s\n%s", plan.explain().c_str(),
                report_text(report, predicted).c_str());
  }
  return 0;
}

void add_generation_options(CLI::App& command, GenerateOptions& generate) {
  command.add_option("-n,--max-tokens", generate.max_tokens, "Most tokens to generate")
      ->capture_default_str();
  command.add_option("--temperature", generate.temperature, "0 = greedy")->capture_default_str();
  command.add_option("--top-k", generate.top_k, "Keep the k most likely tokens (0 = all)")
      ->capture_default_str();
  command.add_option("--top-p", generate.top_p, "Keep the smallest set with this probability")
      ->capture_default_str();
  command.add_option("--repetition-penalty", generate.repetition_penalty, "1 = off")
      ->capture_default_str();
  command.add_option("--seed", generate.seed, "The same seed gives the same text for every plan")
      ->check(at_least(0))
      ->capture_default_str();
  command.add_option("--stop", generate.stop, "End before this text (may be given several times)");
  command.add_flag("--ignore-eos", generate.ignore_end_of_text, "Go on after an end-of-text token");
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand(
      "run",
      "Plan, start the ranks and generate text.\n\nExamples:\n"
      "  partita run DIR --ranks 2 --prompt \"Once upon a time\"\n"
      "  partita run DIR --mesh tp=2,pp=2 --launcher mpirun --prompt - < prompt.txt\n"
      "  partita run DIR --plan plan.json --prompt A --prompt B --json");
  add_planning_options(*command, options->planning);
  command
      ->add_option("-p,--prompt", options->prompts,
                   "Text to continue; - reads standard input; may be repeated")
      ->required();
  add_generation_options(*command, options->generate);
  command
      ->add_option("--launcher", options->engine.launcher,
                   "threads, fork, mpirun, srun or external")
      ->capture_default_str();
  command->add_option("--transport", options->engine.transport, "Between ranks: auto, shm or mpi")
      ->capture_default_str();
  command
      ->add_option("--threads", options->engine.threads_per_rank,
                   "Threads per rank (0 = cores / ranks)")
      ->capture_default_str();
  command
      ->add_option("--step-timeout-ms", options->engine.step_timeout_ms,
                   "Longest step before a rank counts as hung (0 = ten times the predicted one, "
                   "at least 10 s)")
      ->capture_default_str();
  command
      ->add_option("--start-timeout-ms", options->engine.start_timeout_ms,
                   "Longest time until all rank processes have loaded")
      ->capture_default_str();
  command->add_option("--log-dir", options->engine.log_dir, "Folder for the output of the ranks");
  command
      ->add_option("--trace", options->trace,
                   "Write when each rank worked on which step (chrome://tracing, Perfetto)")
      ->check(not_empty());
  command->add_flag("--json", options->as_json, "Print one JSON object instead of text");
  command->add_flag("-q,--quiet", options->quiet, "Print the text only");
  command->callback([options, command, &action] {
    refuse_planning_beside_plan_file(*command);
    options->limits_concurrency = command->count("--concurrency") > 0;
    action = [options] { return run(*options); };
  });
}

}  // namespace partita::cli
