// SPDX-License-Identifier: Apache-2.0
#include "cli/common_options.h"

#include <unistd.h>

#include <cstdio>

#include "cli/option_checks.h"

namespace partita::cli {

namespace {

// Decisions taken beforehand; a plan file has them already.
void add_pin_options(CLI::App& command, PlanOptions& plan, CLI::Option& file) {
  auto* pins = command.add_option("--pin", plan.pins,
                                  "Decide a tensor or operator, e.g. 'layers.*.mlp.down_proj=k:tp' "
                                  "(repeatable; docs/formats/pins.md)");
  auto* pins_file = command.add_option("--pins", plan.pins_file, "TOML file with a table [pins]");
  pins->allow_extra_args(false);
  auto* tp_plan = command.add_option("--tp-plan", plan.tp_plan,
                                     "Follow a base_model_tp_plan: a JSON file, or \"config\" = "
                                     "that of config.json");
  auto* autotp = command.add_option("--autotp", plan.autotp,
                                    "Follow DeepSpeed's rules: a JSON file, or \"built-in\" (reads "
                                    "allReduceLinearItems and keepLinearItems of the environment)");
  for (CLI::Option* option : {pins, pins_file, tp_plan, autotp}) {
    file.excludes(option);
    option->check(not_empty());
  }
}

// Where a pipeline is cut; a plan file has its stages already.
void add_stage_options(CLI::App& command, PlanOptions& plan, CLI::Option& file) {
  auto* split_at = command.add_option(
      "--split-at", plan.split_at,
      "Cut stages here: before:layers.4, after:layers.7 or an operator's number (repeatable)");
  split_at->allow_extra_args(false);
  auto* split = command.add_option("--split", plan.split,
                                   "Balance stages by time, or equal-size (bytes of weights)");
  auto* memory_weight =
      command.add_option("--memory-weight", plan.memory_weight,
                         "Balance stages by a mix: 0 = time .. 1 = weights and KV caches");
  auto* shared = command.add_option(
      "--shared-weights", plan.shared_weights,
      "copy: every stage has a copy of what it reads; send: one stage has it and sends it at every "
      "step; by-cost: the faster one that fits; co-locate: readers share a stage");
  memory_weight->excludes(split)->check(CLI::Range(0.0, 1.0));
  for (CLI::Option* option : {split, memory_weight}) split_at->excludes(option);
  for (CLI::Option* option : {split_at, split, memory_weight, shared}) file.excludes(option);
}

// What the plan is made for.
void add_workload_options(CLI::App& command, PlanOptions& plan) {
  command.add_option("--prompt-tokens", plan.prompt_tokens, "Expected prompt length")
      ->capture_default_str();
  command.add_option("--output-tokens", plan.output_tokens, "Expected number of generated tokens")
      ->capture_default_str();
  command.add_option("--concurrency", plan.concurrency, "Sequences in flight")
      ->capture_default_str();
  command
      .add_option("--max-context", plan.max_context,
                  "Positions per sequence (0 = the model's, at most 4096)")
      ->capture_default_str();
  command.add_option("--max-step-tokens", plan.max_step_tokens, "Tokens per step (prefill chunk)")
      ->capture_default_str();
}

}  // namespace

void add_planning_options(CLI::App& command, PlanningOptions& options) {
  PlanOptions& plan = options.plan;
  plan.on_measure = tell_of_measuring;
  command
      .add_option("DIR", options.directory,
                  "Checkpoint directory (config.json, *.safetensors, tokenizer.json) or GGUF file")
      ->required();
  add_weights_option(command, options.load);
  auto* mesh = command.add_option(
      "--mesh", plan.mesh,
      "Explicit degrees, e.g. tp=2,pp=2; tp=2x4 = 8 as two axes; @spread or @TP = order of ranks; "
      "\"tp=2 | tp=1\" = stage by stage");
  auto* ranks = command.add_option(
      "--ranks", plan.ranks,
      "Number of ranks; the planner chooses the degrees (0 = all of --devices, else 1)");
  auto* file =
      command.add_option("--plan", options.plan_file, "Follow this plan.json instead of planning");
  mesh->excludes(ranks);
  file->excludes(mesh)->excludes(ranks);
  auto* devices = command.add_option("--devices", plan.devices,
                                     "Plan for the machine described in this TOML file");
  for (CLI::Option* option : {mesh, file, devices}) option->check(not_empty());
  add_workload_options(command, plan);
  command
      .add_option("--wire", plan.wire,
                  "Terms of sums between ranks: f32, or bf16 (half the bytes, rounded)")
      ->excludes(file)
      ->capture_default_str();
  command.add_option("--solver", plan.solver, "exact, or ilp: CBC as a slow second opinion")
      ->capture_default_str();
  command
      .add_option("--memory-limit-gb", plan.memory_limit_gb,
                  "Memory per rank in 1e9 bytes (0 = the device's)")
      ->capture_default_str();
  add_pin_options(command, plan, *file);
  add_stage_options(command, plan, *file);
}

void add_weights_option(CLI::App& command, LoadOptions& load) {
  command
      .add_option(
          "--weights,--dtype", load.dtype,
          "Weights at run time: auto (as stored: bf16 or f32), f32, bf16, or q8, q4: blocks "
          "of 32 values of 8 or 4 bits, quantised while they are read")
      ->capture_default_str();
  command
      .add_option("--products", load.products,
                  "Activations beside bf16 weights and caches: fast (rounded to bf16), near-f32 "
                  "(as they are; "
                  "more arithmetic), or auto (as partitioned, else fast)")
      ->capture_default_str();
  command
      .add_option(
          "--kv-cache", load.kv_cache,
          "Element type of the KV cache: f32, bf16, f16, or auto (as partitioned, else f32 "
          "for f32 weights and for near-f32 products with bf16 ones, bf16 for bf16, f16 for q8 "
          "and q4)")
      ->capture_default_str();
}

void refuse_planning_beside_plan_file(const CLI::App& command) {
  refuse_beside_plan_file(
      command, {"--devices", "--prompt-tokens", "--output-tokens", "--concurrency", "--max-context",
                "--max-step-tokens", "--memory-limit-gb", "--solver"});
}

void tell_of_measuring(int ranks) {
  if (isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "measuring this machine for %d %s, once ...\n", ranks,
               ranks == 1 ? "rank" : "ranks");
}

Model load_model(const std::string& directory, const LoadOptions& load) {
  Model model = Model::load(directory, load);
  std::fprintf(stderr, "%s", model.notes().c_str());
  return model;
}

Plan plan_of(const Model& model, const PlanningOptions& options) {
  if (!options.plan_file.empty()) return Plan::read(model, options.plan_file);
  Plan plan = Plan::make(model, options.plan);
  std::fprintf(stderr, "%s", plan.notes().c_str());
  return plan;
}

}  // namespace partita::cli
