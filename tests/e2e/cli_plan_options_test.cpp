// SPDX-License-Identifier: Apache-2.0
// Options of `partita plan`: good values do what they say, bad ones give one clear line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "e2e/golden.h"
#include "e2e/program.h"
#include "support/json.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// The bundled model on a described machine, which is the same every time.
std::string plan_command() {
  const fs::path devices = fs::path(PARTITA_SOURCE_DIR) / "tests/data/devices/test-cpu.toml";
  return "plan " + bundled_model().string() + " --devices " + devices.string() + " ";
}

struct BadOptions {
  std::string options;
  ErrorCode code;
  std::string message;
};

void expect_one_line(const BadOptions& row) {
  const ProgramResult result = run_program(plan_command() + row.options);
  EXPECT_EQ(result.exit_code, exit_code(row.code)) << row.options << "\n" << result.output;
  EXPECT_THAT(result.output, HasSubstr(row.message)) << row.options;
  EXPECT_THAT(result.output, testing::StartsWith("partita: error (")) << row.options;
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
}

TEST(CliPlanOptions, BadStagesAreRefused) {
  const ErrorCode invalid = ErrorCode::kInvalidArgument;
  const std::vector<BadOptions> rows = {
      {"--split-at before:layers.99", invalid, "nearest are layers."},
      {"--split-at 0", invalid, "leaves a stage without operators"},
      {"--split-at 99999999999999999999", invalid, "no operator or module"},
      {"--split-at before:", invalid, "expected before:NAME, after:NAME"},
      {"--split-at layers.1 --split-at before:layers.1", invalid, "another point cuts"},
      {"--split-at layers.1 --mesh pp=3", invalid,
       "1 split point makes 2 stages, but mesh pp=3 makes 3"},
      {"--split-at layers.1 --split equal-size", invalid, "--split-at excludes --split"},
      {"--split-at layers.1 --memory-weight 1", invalid, "--split-at excludes --memory-weight"},
      {"--split thirds --mesh pp=2", invalid, "split \"thirds\"; expected time or equal-size"},
      {"--split time --memory-weight 0 --mesh pp=2", invalid, "excludes"},
      {"--memory-weight 1.5 --mesh pp=2", invalid, "--memory-weight: Value 1.5 not in range"},
      {"--memory-weight -0.1 --mesh pp=2", invalid, "--memory-weight: Value -0.1 not in range"},
      {"--memory-weight nan --mesh pp=2", invalid, "--memory-weight nan; expected 0"},
      {"--memory-weight much --mesh pp=2", invalid, "--memory-weight: Value much"},
      {"--shared-weights nowhere --mesh pp=2", invalid,
       "shared weights \"nowhere\"; expected by-cost, copy, co-locate or send"},
      {"--shared-weights co-locate --mesh pp=2", invalid,
       "embed_tokens.weight is read by embed and logits, and a step visits each stage once; use "
       "one stage, or give shared weights as by-cost, copy or send"},
      {"--mesh 'tp=2 | pp=2'", invalid, "axes that split tensors"},
      {"--mesh 'tp=2 | '", invalid, "a stage without axes"},
      {"--mesh tp=2@DPT", invalid, "order 'DPT' of the ranks"},
      {"--plan x.json --split equal-size", invalid, "--plan excludes --split"},
      {"--plan x.json --split-at 3", invalid, "--plan excludes --split-at"},
      {"--plan x.json --shared-weights by-cost", invalid, "--plan excludes --shared-weights"},
  };
  for (const BadOptions& row : rows) expect_one_line(row);
}

TEST(CliPlanOptions, BadFiguresAndNamesAreRefused) {
  const ErrorCode invalid = ErrorCode::kInvalidArgument;
  const std::vector<BadOptions> rows = {
      {"--weights q5", invalid, "weights \"q5\"; expected auto, f32, bf16, q8 or q4"},
      {"--kv-cache q8", invalid, "KV cache \"q8\"; expected auto, f32, bf16 or f16"},
      {"--wire f16", invalid, "wire \"f16\"; expected f32 or bf16"},
      {"--solver magic", invalid, "no solver \"magic\"; expected exact or ilp"},
      {"--memory-limit-gb -1", invalid, "memory limit -1 GB"},
      {"--memory-limit-gb nan", invalid, "memory limit nan GB"},
      {"--prompt-tokens 0", invalid, "--prompt-tokens is 0"},
      {"--output-tokens 0", invalid, "--output-tokens is 0"},
      {"--max-step-tokens 0", invalid, "--max-step-tokens is 0"},
      {"--ranks -1", invalid, "ranks is -1"},
      {"--ranks 70000", invalid, "ranks is 70000"},
      {"--pin nothing", invalid, "expected PATTERN=DECISION"},
      {"--pin 'x=[_]'", invalid, "matches no tensor or operator"},
      {"--pins /nonexistent.toml", ErrorCode::kNotFound, "nonexistent.toml"},
      {"--tp-plan /nonexistent.json", ErrorCode::kNotFound, "nonexistent.json"},
      {"--tp-plan config", ErrorCode::kNotFound, "has no base_model_tp_plan"},
      {"--autotp /nonexistent.json", ErrorCode::kNotFound, "nonexistent.json"},
      {"--mesh tp=2 --export-ilp x.txt", invalid, "expected a name in .lp or .mps"},
      {"--mesh tp=2 --html /dev/null/x", ErrorCode::kSystem, "cannot write /dev/null/x"},
      {"--mesh tp=2 -o /dev/null/x", ErrorCode::kSystem, "cannot write /dev/null/x"},
      {"--ranks 2 --why-not x", invalid, "expected NAME=SPEC"},
      {"--ranks 2 --explain nosuch", ErrorCode::kNotFound, "matches \"nosuch\""},
  };
  for (const BadOptions& row : rows) expect_one_line(row);
}

TEST(CliPlanOptions, WhatDoesNotGoTogetherIsRefused) {
  const ErrorCode invalid = ErrorCode::kInvalidArgument;
  const std::vector<BadOptions> rows = {
      {"--optimize speed", invalid, "expected latency, throughput or kv"},
      {"--optimize latency --mesh tp=2", invalid, "the search chooses the mesh"},
      {"--requests-per-second 3", invalid, "--requests-per-second requires --optimize"},
      {"--requests-per-second -3 --optimize throughput", invalid, "traffic of -3 requests/s"},
      {"--requests-per-second nan --optimize throughput", invalid, "traffic of nan requests/s"},
      {"--pareto", invalid, "--pareto requires --optimize"},
      {"--optimize kv --pareto --json", invalid, "excludes"},
      {"--compare-baselines --plan x.json", invalid, "excludes"},
      {"--compare-tp-plan --plan x.json", invalid, "excludes"},
      {"--compare-baselines --compare-tp-plan", invalid, "excludes"},
      {"--compare-baselines --optimize kv", invalid, "excludes"},
      {"--compare-baselines --mesh 'tp=2 | tp=1'", invalid, "not how baselines lie"},
      {"--compare-tp-plan --mesh tp=2", ErrorCode::kNotFound, "has no base_model_tp_plan"},
  };
  for (const BadOptions& row : rows) expect_one_line(row);
}

Json plan_json(const std::string& options) {
  const ProgramResult result = run_program(plan_command() + options + " --json");
  EXPECT_EQ(result.exit_code, 0) << options << "\n" << result.output;
  return parse_json(result.output, options);
}

std::vector<int64_t> first_nodes(const Json& plan) {
  std::vector<int64_t> nodes;
  for (const Json& stage : plan.at("stages")) nodes.push_back(stage.at("first_node"));
  return nodes;
}

TEST(CliPlanOptions, StagesAreCutAsAsked) {
  const Json by_name = plan_json("--split-at before:layers.1 --split-at after:layers.2");
  EXPECT_EQ(by_name.at("stages").size(), 3U);
  const std::vector<int64_t> cuts = first_nodes(by_name);
  EXPECT_EQ(first_nodes(plan_json("--split-at " + std::to_string(cuts[2]) + " --split-at " +
                                  std::to_string(cuts[1]) + " --mesh pp=3")),
            cuts);
  // The ends of the knob differ from each other; time alone is what stages are cut by anyway.
  const std::vector<int64_t> by_time = first_nodes(plan_json("--mesh pp=3 --memory-weight 0"));
  EXPECT_EQ(first_nodes(plan_json("--mesh pp=3 --split time")), by_time);
  EXPECT_NE(first_nodes(plan_json("--mesh pp=3 --memory-weight 1")), by_time);
}

TEST(CliPlanOptions, BaselinesAreComparedWithAPlanOfAnyShape) {
  for (const char* options : {"--mesh tp=2", "--ranks 4", "--ranks 2 --split equal-size",
                              "--ranks 2 --split-at layers.2", "--ranks 2 --memory-weight 0.5"}) {
    const ProgramResult result = run_program(plan_command() + "--compare-baselines " + options);
    EXPECT_EQ(result.exit_code, 0) << options << "\n" << result.output;
    EXPECT_THAT(result.output, HasSubstr("planner ")) << options;
    EXPECT_THAT(result.output, HasSubstr("Megatron     tp=")) << options;
    EXPECT_THAT(result.output, HasSubstr("even layers  tp=")) << options;
  }
}

}  // namespace
}  // namespace partita::tests
