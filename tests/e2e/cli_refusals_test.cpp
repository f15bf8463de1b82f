// SPDX-License-Identifier: Apache-2.0
// Wrong command lines: one line, the exit code of its class, the option by its name, nothing left
// behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "e2e/golden.h"
#include "e2e/program.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

const std::string kModel = bundled_model().string();
const std::string kDevices = " --devices " + test_devices().string();
const std::string kPlan = "plan " + kModel + kDevices;
const std::string kRun = "run " + kModel + " --prompt x";

struct Row {
  std::string arguments;
  std::string message;
  ErrorCode code = ErrorCode::kInvalidArgument;
};

void expect_refused(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const ProgramResult result = run_program(row.arguments);
    EXPECT_EQ(result.exit_code, exit_code(row.code)) << row.arguments << "\n" << result.output;
    EXPECT_THAT(result.output, HasSubstr(row.message)) << row.arguments;
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

TEST(CliRefusals, BadInputGivesOneLineAndTheExitCodeOfItsClass) {
  expect_refused({
      {"run /nonexistent --prompt x", "config.json", ErrorCode::kNotFound},
      {kRun + " --mesh tp=0", "tp"},
      {kRun + " --mesh tp=2 --ranks 2", "exclude"},
      {kRun + " --mesh tp=500", "500 ranks"},
      {kRun + " --dtype f8", "f8"},
      {kRun + " --launcher qsub", "qsub"},
      {kRun + " --temperature -1", "--temperature is -1"},
      {"plan " + kModel + " --mesh tp=2 --memory-limit-gb 0.0001", "fit", ErrorCode::kInfeasible},
      {"plan " + kModel + " --plan /nonexistent.json", "nonexistent.json", ErrorCode::kNotFound},
      {"worker", "PARTITA_CONTROL"},
      {"run " + kModel + " --ranks 1 --prompt - --prompt -", "twice"},
      {kRun + " --ranks 1 --concurrency 0", "--concurrency is 0"},
      {kRun + " --ranks 1 --max-context 1", "--max-context is 1; expected 2 .. 512, or 0"},
      {kRun + " --ranks 1 -n 0", "--max-tokens is 0"},
      // Before anybody is told to start ranks.
      {"run " + kModel + kDevices +
           " --mesh tp=1 --max-context 2 --launcher external --prompt 'a b c'",
       "tokens; at most 1 fit the context of 2"},
      {kRun + " --ranks 1 --log-dir /dev/null/logs", "log folder", ErrorCode::kSystem},
      {kRun + " --ranks 1 --launcher threads --log-dir logs", "--log-dir logs with launcher"},
      {"frobnicate", "frobnicate"},
      {"bench nope", "there is no command \"nope\"; see partita bench --help"},
  });
}

TEST(CliRefusals, ValuesThatMeanNothingAreRefusedByName) {
  expect_refused({
      {kPlan + " --mesh ''", "--mesh: is empty"},
      {"plan " + kModel + " --devices ''", "--devices: is empty"},
      {"bench batch " + kModel + " --meshes ''", "--meshes: is empty"},
      {"bench model " + kModel + " --meshes ''", "--meshes: is empty"},
      {kRun + " --seed -1", "--seed: is -1; expected 0 or more"},
      {"calibrate --ranks 0", "--ranks: is 0; expected 1 or more"},
      {kPlan + " --mesh tp=2 --program -3", "--program: is -3; expected 0 or more"},
      {kPlan + " --max-context 100 --prompt-tokens 100000", "--prompt-tokens is 100000"},
      {kPlan + " --output-tokens 100000", "--output-tokens is 100000 in a context of 512"},
      {kPlan + " --max-context 100 --prompt-tokens 60 --output-tokens 60",
       "--prompt-tokens 60 and --output-tokens 60 in a context of 100"},
      {kPlan + " --mesh tp=2 --memory-weight 0.5", "--memory-weight balances stages"},
      {kPlan + " --mesh tp=2 --split equal-size", "split balances stages"},
      {kPlan + " --mesh tp=2 --split-at layers.1", "1 split point makes 2 stages, but mesh tp=2"},
      {kPlan + " --split-at layers.99", "the numbers behind layers are 0 .. "},
      {kPlan + " --mesh pp=5000", "5000 stages"},
      {kPlan + " --mesh tp=2 --solver guess", "expected exact or ilp"},
      {"make-model --hidden 64 --layers 1 --heads 2 --ffn -1 --out /nonexistent/x",
       "ffn is -1; expected 1 .. 16777216, or 0 = 4 * hidden"},
      {"make-model --hidden 65536 --layers 1000 --heads 64 --out huge-model", "free; make room",
       ErrorCode::kSystem},
      {"make-model --from " + kModel + " --vocab 7 --format gguf --out x.gguf", "exclude"},
      {"ops matmull", "matmul", ErrorCode::kNotFound},
      {"ops matmul --mesh tp=1000 --prove", "expected at most 64"},
      {"bench model " + kModel + kDevices + " --prompt-tokens 512 --output-tokens 32",
       "--prompt-tokens 512 and --output-tokens 32 make 544 positions; the model allows 512"},
  });
  EXPECT_FALSE(fs::exists("huge-model"));
}

// 1000 layers on a few ranks: nothing may be measured before that is seen.
TEST(CliRefusals, MoreRanksThanAMachineCanRunAreRefusedBeforeTheyAreMeasured) {
  const TemporaryFolder cache;
  const ProgramResult result = run_program_with("XDG_CACHE_HOME=" + cache.path().string(),
                                                "plan " + kModel + " --mesh tp=3000");
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(result.output, HasSubstr("a plan for 3000 ranks of this machine"));
  EXPECT_TRUE(fs::is_empty(cache.path()));
}

TEST(CliRefusals, WhatIsPrintedIsOneThing) {
  const std::string both = "excludes";
  const std::string mesh = kPlan + " --mesh tp=2";
  expect_refused({{mesh + " --graph --json", both},
                  {mesh + " --graph --explain x", both},
                  {mesh + " --graph --html x.html", both},
                  {mesh + " --graph --program 0", both},
                  {mesh + " --graph -o x.json", both},
                  {mesh + " --program 0 --json", both},
                  {mesh + " --program 0 --explain x", both},
                  {mesh + " --compare-baselines --graph", both},
                  {mesh + " --compare-tp-plan --why-not x=n:tp", both}});
  EXPECT_FALSE(fs::exists("x.html"));
}

TEST(CliRefusals, FilesThatCannotBeWrittenAreSeenFirst) {
  const std::string missing = "cannot write /nonexistent/x: No such file or directory";
  expect_refused({{kPlan + " -o /nonexistent/x", missing, ErrorCode::kSystem},
                  {kPlan + " --html /nonexistent/x", missing, ErrorCode::kSystem},
                  {kRun + " --ranks 1 --trace /nonexistent/x", missing, ErrorCode::kSystem}});
}

TEST(CliRefusals, APlanFileTakesNoPlanningOptions) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "plan.json").string();
  ASSERT_EQ(run_program(kPlan + " --mesh tp=2 -o " + file).exit_code, 0);
  const std::string follow = "run " + kModel + " --prompt x --plan " + file;
  for (const char* option :
       {"--memory-limit-gb 1", "--max-context 100", "--concurrency 2", "--solver exact",
        "--devices x.toml", "--prompt-tokens 3", "--max-step-tokens 4"}) {
    const std::string name(option, std::string(option).find(' '));
    expect_refused({{follow + " " + option, "decided this already: " + name}});
  }
  // A question about the plan is answered by them.
  const std::string why = " --explain layers.0.mlp.down_proj --plan ";
  EXPECT_EQ(run_program(kPlan + why + file).exit_code, 0);
}

TEST(CliRefusals, AWrongPlanFileIsNamed) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "plan.json").string();
  ASSERT_EQ(run_program(kPlan + " --mesh tp=2 -o " + file).exit_code, 0);
  const Json good = read_json(file);
  const std::string follow = "plan " + kModel + " --plan " + file;
  Json bad = good;
  bad["ops"][3]["strategy"] = {77};
  write_json(file, bad);
  const std::string node = good["ops"][3]["node"];
  expect_refused({{follow, file + ": [partition] the plan contradicts the graph: node \"" + node,
                   ErrorCode::kInvalidFile}});
  bad = good;
  bad["graph_hash"] = "0123456789abcdef";
  bad["stages"][0]["end_node"] = 3;
  write_json(file, bad);
  expect_refused({{follow, file + " is for graph 0123456789abcdef"}});
  std::ofstream(file) << "{\"format\": ";
  const ProgramResult broken = run_program(follow);
  EXPECT_THAT(broken.output, HasSubstr("is not valid JSON: parse error"));
  EXPECT_THAT(broken.output, Not(HasSubstr("json.exception")));
}

TEST(CliRefusals, APartitionTakesNoOptionsThatChangeNothing) {
  const TemporaryFolder folder;
  const std::string parts = (folder.path() / "parts").string();
  ASSERT_EQ(
      run_program("partition " + kModel + kDevices + " --mesh tp=2 --out-dir " + parts).exit_code,
      0);
  const std::string run = "run " + parts + " -q -n 3";
  expect_refused({{run + " --prompt x --max-context 100", "these have no effect: --max-context;"},
                  {run + " --prompt x --concurrency 3 --memory-limit-gb 1",
                   "no effect: concurrency, --memory-limit-gb;"},
                  {run + " --prompt x --solver foo", "solver"},
                  {run + " --prompt x --solver ilp", "no effect: solver"}});
  EXPECT_EQ(run_program(run + " --prompt x --prompt y").exit_code, 0);
  const ProgramResult checked = run_program("check " + parts);
  EXPECT_EQ(checked.exit_code, 0);
  EXPECT_THAT(checked.output, HasSubstr(": ok"));
}

TEST(CliRefusals, AFileInAModelFolderAsksForTheFolder) {
  for (const char* command : {"plan ", "check ", "make-model --format gguf --out x.gguf --from "}) {
    expect_refused({{command + kModel + "/model.safetensors", "give the folder that holds it",
                     ErrorCode::kNotFound}});
  }
}

TEST(CliRefusals, AnUnknownInstructionLevelIsOneErrorOfTheFrontend) {
  const ProgramResult result = run_program_with("PARTITA_CPU=foo", kRun + kDevices + " --ranks 1");
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(result.output, HasSubstr("PARTITA_CPU=foo; expected portable, avx2 or avx512"));
  EXPECT_THAT(result.output, Not(HasSubstr("rank 0")));
}

// Runs a command until there is something in `folder`, then ends it by SIGTERM. Its exit code.
int interrupt_when_writing(const std::string& arguments, const fs::path& folder) {
  const std::string script = PARTITA_BINARY_DIR "/bin/partita " + arguments +
                             " & pid=$!; while [ -z \"$(ls -A " + folder.string() +
                             " 2>/dev/null)\" ]; do kill -0 $pid || exit 99; done; " +
                             "kill -TERM $pid; wait $pid";
  return WEXITSTATUS(std::system(script.c_str()));
}

constexpr const char* kLargeModel = " --hidden 1024 --layers 4 --heads 8 --dtype f32 ";

TEST(CliRefusals, AnInterruptedMakeModelLeavesNothing) {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "m.gguf").string();
  EXPECT_EQ(interrupt_when_writing(str("make-model --format gguf --out ", out, kLargeModel),
                                   folder.path()),
            exit_code(ErrorCode::kCancelled));
  EXPECT_TRUE(fs::is_empty(folder.path()));
}

TEST(CliRefusals, AnInterruptedPartitionLeavesNothing) {
  const TemporaryFolder folder;
  const std::string model = (folder.path() / "model").string();
  ASSERT_EQ(run_program(str("make-model --out ", model, kLargeModel)).exit_code, 0);
  const fs::path parts = folder.path() / "parts";
  EXPECT_EQ(interrupt_when_writing(
                str("partition ", model, " --mesh tp=2 ", kDevices, " --out-dir ", parts.string()),
                parts),
            exit_code(ErrorCode::kCancelled));
  EXPECT_FALSE(fs::exists(parts));
}

}  // namespace
}  // namespace partita::tests
