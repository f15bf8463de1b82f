// SPDX-License-Identifier: Apache-2.0
// The program as a user runs it: output, JSON, exit codes and messages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "e2e/golden.h"
#include "e2e/program.h"
#include "support/json.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kModel = bundled_model().string();
// Measuring this machine takes long and warns where it is busy.
const std::string kOnDevices = kModel + " --devices " + test_devices().string();

Json golden_text() {
  return read_json(fs::path(PARTITA_SOURCE_DIR) / "tests" / "golden" / "tiny_tales" / "golden.json")
      .at("greedy");
}

TEST(Cli, RunPrintsTheTextThatTransformersGenerates) {
  for (const Json& row : golden_text()) {
    const ProgramResult result =
        run_program("run " + kModel + " --ranks 2 --dtype f32 -q -n 60 --prompt '" +
                    row.at("prompt").get<std::string>() + "'");
    EXPECT_EQ(result.exit_code, 0) << result.output;
    EXPECT_EQ(result.output,
              row.at("prompt").get<std::string>() + row.at("text").get<std::string>() + "\n");
  }
}

TEST(Cli, ACheckpointWrittenAsGgufGeneratesTheSameText) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "model.gguf").string();
  const ProgramResult made =
      run_program("make-model --from " + kModel + " --dtype f32 --format gguf --out " + file);
  ASSERT_EQ(made.exit_code, 0) << made.output;
  EXPECT_THAT(run_program("check " + file).output, HasSubstr(": ok"));
  const Json row = golden_text().at(0);
  const ProgramResult result = run_program("run " + file + " --mesh tp=2 -q -n 60 --prompt '" +
                                           row.at("prompt").get<std::string>() + "'");
  EXPECT_EQ(result.output,
            row.at("prompt").get<std::string>() + row.at("text").get<std::string>() + "\n");
  const ProgramResult again =
      run_program("make-model --from " + kModel + " --format gguf --out " + file);
  EXPECT_EQ(again.exit_code, exit_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(again.output, HasSubstr("exists; name a new one or remove it"));
}

TEST(Cli, RunReadsThePromptFromStandardInputAndReportsAsJson) {
  const ProgramResult result =
      run_program("run " + kModel + " --mesh tp=2 --prompt - --json -n 5", "The old owl said");
  ASSERT_EQ(result.exit_code, 0) << result.output;
  const Json json = parse_json(result.output, "output");
  EXPECT_EQ(json.at("completions").at(0).at("tokens").size(), 5U);
  EXPECT_EQ(json.at("report").at("ranks").size(), 2U);
  EXPECT_GT(json.at("report").at("decode_seconds").get<double>(), 0);
}

TEST(Cli, RunSummaryShowsPlanTimesCollectivesAndMemory) {
  const ProgramResult result = run_program(
      "run " + kModel + " --mesh tp=2 -n 5 --prompt Once --devices " + test_devices().string());
  EXPECT_EQ(result.exit_code, 0);
  for (const char* part :
       {"--- plan", "predicted", "measured", "all_reduce", "weights", "kv cache"}) {
    EXPECT_THAT(result.output, HasSubstr(part));
  }
}

// What explains a plan is tested beside its code; here that the options reach it.
TEST(Cli, PlanExplainsWhyNotDiffsAndInfeasiblePlans) {
  const TemporaryFolder folder;
  const std::string planned =
      "plan " + kModel + " --dtype f32 --devices " + test_devices().string() + " ";
  const ProgramResult explained =
      run_program(planned + "--mesh tp=2 --json --explain layers.0.mlp.down_proj.weight");
  ASSERT_EQ(explained.exit_code, 0) << explained.output;
  const Json table = parse_json(explained.output, "output");
  EXPECT_EQ(table.at(0).at("what"), "weight");
  EXPECT_GT(table.at(0).at("alternatives").size(), 1U);
  const ProgramResult why =
      run_program(planned + "--mesh tp=2 --why-not 'layers.0.mlp.down_proj.weight=[n:tp, k]'");
  EXPECT_THAT(why.output, HasSubstr("why not layers.0.mlp.down_proj.weight = [n:tp, k]?"));
  EXPECT_THAT(run_program(planned + "--mesh tp=2 --explain layers.0.mlp.down_proj.weight "
                                    "--why-not '[n:tp, k]'")
                  .output,
              why.output);
  const std::string a = (folder.path() / "a.json").string();
  const std::string b = (folder.path() / "b.json").string();
  run_program(planned + "--mesh tp=2 --output " + a);
  const std::string page = (folder.path() / "plan.html").string();
  run_program(planned + "--mesh pp=2 --output " + b + " --html " + page);
  EXPECT_THAT(read_text(page), HasSubstr("id=\"plan-data\""));
  const std::string files = "plan diff " + a + " " + b + " --dtype f32 --model " + kModel;
  EXPECT_THAT(run_program(files).output, HasSubstr("->  pp=2"));
  EXPECT_EQ(run_program("plan diff " + a + " " + a + " --dtype f32 --model " + kModel).output,
            "the plans are equal\n");
  const ProgramResult infeasible =
      run_program(planned + "--mesh tp=2 --memory-limit-gb 0.001 --json", "", " 2>/dev/null");
  EXPECT_EQ(infeasible.exit_code, exit_code(ErrorCode::kInfeasible));
  EXPECT_FALSE(parse_json(infeasible.output, "output").at("changes_that_fit").empty());
}

TEST(Cli, SeveralPromptsGiveWhatEachGivesAlone) {
  const ProgramResult both = run_program(
      "run " + kModel + " --ranks 1 -q -n 12 --prompt 'Tom had' --prompt 'The old owl'");
  const ProgramResult first =
      run_program("run " + kModel + " --ranks 1 -q -n 12 --prompt 'Tom had'");
  const ProgramResult second =
      run_program("run " + kModel + " --ranks 1 -q -n 12 --prompt 'The old owl'");
  EXPECT_EQ(both.output, "[0] " + first.output + "[1] " + second.output);
}

TEST(Cli, OpsListsOperatorsAndTheRulesOfOne) {
  EXPECT_THAT(run_program("ops").output, HasSubstr("conv2d"));
  const ProgramResult text = run_program("ops matmul --mesh tp=4 --shape 32x64,64x32 --prove");
  EXPECT_EQ(text.exit_code, 0);
  EXPECT_THAT(text.output, HasSubstr("[m, k:tp], [k:tp, n] -> [m:tp, n]  reduce_scatter, proved"));
  EXPECT_THAT(text.output, HasSubstr("5 rules"));
  const ProgramResult json = run_program("ops reduce_sum --mesh a=2 b=2 --json");
  ASSERT_EQ(json.exit_code, 0) << json.output;
  EXPECT_EQ(parse_json(json.output, "output").at("mesh"), "a=2,b=2");
  const ProgramResult unknown = run_program("ops matmull");
  EXPECT_NE(unknown.exit_code, 0);
  EXPECT_THAT(unknown.output, HasSubstr("matmul"));
}

TEST(Cli, PlanIsByteIdenticalAndCanBeFollowed) {
  const TemporaryFolder folder;
  const std::string plan = (folder.path() / "plan.json").string();
  const ProgramResult first =
      run_program("plan " + kOnDevices + " --mesh tp=2,pp=2 --json -o " + plan);
  const ProgramResult second = run_program("plan " + kOnDevices + " --mesh tp=2,pp=2 --json");
  ASSERT_EQ(first.exit_code, 0) << first.output;
  EXPECT_EQ(first.output, second.output);
  EXPECT_EQ(first.output, read_text(plan));
  const ProgramResult run =
      run_program("run " + kModel + " --plan " + plan + " --json -n 4 --prompt Once");
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(parse_json(run.output, "output").at("report").at("ranks").size(), 4U);
}

TEST(Cli, OptimizeThroughputChoosesReplicasAndShowsWhatItLookedAt) {
  const std::string config = PARTITA_SOURCE_DIR "/tests/data/configs/llama-3.2-1b";
  const std::string devices = PARTITA_SOURCE_DIR "/tests/data/devices/h100-4x8.toml";
  const std::string search = "plan " + config + " --dtype bf16 --devices " + devices +
                             " --ranks 4 --concurrency 32 --optimize throughput";
  const ProgramResult table = run_program(search + " --pareto");
  ASSERT_EQ(table.exit_code, 0) << table.output;
  EXPECT_THAT(table.output, HasSubstr(">* dp=2,gpu=2 "));
  EXPECT_THAT(table.output, HasSubstr("replicas 2"));
  EXPECT_EQ(table.output, run_program(search + " --pareto").output);
  const ProgramResult both = run_program("plan " + config + " --mesh tp=2 --optimize kv");
  EXPECT_NE(both.exit_code, 0);
  EXPECT_THAT(both.output, HasSubstr("tp=2"));
}

TEST(Cli, ReplicasGiveTheTextsOfOneRankAndAreReported) {
  const std::string prompts = " --prompt Once --prompt Tom --prompt \"The old\" -n 12 --json";
  const ProgramResult one = run_program("run " + kOnDevices + " --mesh tp=1" + prompts);
  ASSERT_EQ(one.exit_code, 0) << one.output;
  const Json expected = parse_json(one.output, "output");
  for (const char* mesh : {"dp=2", "dp=2,tp=2"}) {
    const ProgramResult run = run_program("run " + kOnDevices + " --mesh " + mesh + prompts);
    ASSERT_EQ(run.exit_code, 0) << run.output;
    const Json json = parse_json(run.output, "output");
    EXPECT_EQ(json.at("completions"), expected.at("completions")) << mesh;
    const Json& ranks = json.at("report").at("ranks");
    EXPECT_EQ(ranks.size(), mesh == std::string("dp=2") ? 2U : 4U);
    EXPECT_EQ(ranks.back().at("replica"), 1);
  }
}

TEST(Cli, PlanNeedsOnlyTheConfig) {
  const TemporaryFolder folder;
  fs::copy(bundled_model() / "config.json", folder.path());
  EXPECT_EQ(run_program("plan " + folder.path().string() + " --mesh tp=2").exit_code, 0);
  const ProgramResult run =
      run_program("run " + folder.path().string() + " --mesh tp=2 --prompt x");
  EXPECT_EQ(run.exit_code, exit_code(ErrorCode::kNotFound)) << run.output;
}

TEST(Cli, PartitionRunsAgainAtTheSameAndAtAnotherRankCount) {
  const TemporaryFolder folder;
  const std::string parts = (folder.path() / "parts").string();
  const ProgramResult cut = run_program("partition " + kModel + " --mesh tp=3 --out-dir " + parts);
  ASSERT_EQ(cut.exit_code, 0) << cut.output;
  const std::string prompt = " -q -n 20 --prompt 'Once upon a time'";
  const ProgramResult whole = run_program("run " + kModel + " --ranks 1" + prompt);
  EXPECT_EQ(run_program("run " + parts + " --mesh tp=3" + prompt).output, whole.output);
  EXPECT_EQ(run_program("run " + parts + " --mesh tp=2" + prompt).output, whole.output);
  EXPECT_EQ(run_program("partition " + kModel + " --mesh tp=3 --out-dir " + parts).exit_code,
            exit_code(ErrorCode::kInvalidArgument));
}

TEST(Cli, CheckAcceptsTheBundledModelAndFindsATruncatedFile) {
  EXPECT_EQ(run_program("check " + kModel).exit_code, 0);
  const TemporaryFolder folder;
  fs::copy(bundled_model(), folder.path(), fs::copy_options::recursive);
  const fs::path weights = folder.path() / "model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 10);
  const ProgramResult result = run_program("check " + folder.path().string());
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kInvalidFile));
  EXPECT_THAT(result.output, HasSubstr("model.safetensors"));
}

// The descriptors of closed streams must not go to a socket or to shared memory, where our text
// would land.
TEST(Cli, OutputThatCannotBeWrittenIsAnErrorAndNothingElse) {
  const std::string run = "run " + kModel + " --ranks 2 -q -n 3 --prompt Once";
  const std::string plan = "plan " + kModel + " --mesh tp=2 --json";
  for (const std::string& arguments : {run, plan}) {
    for (const char* redirection : {" 2>&1 >&-", " 2>&1 >/dev/full"}) {
      const ProgramResult result = run_program(arguments, "", redirection);
      EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kSystem)) << arguments << redirection;
      EXPECT_THAT(result.output, HasSubstr("cannot write to standard output"));
    }
  }
  EXPECT_EQ(run_program(run, "", " 2>&1 <&-").output, run_program(run).output);
}

TEST(Cli, MorePromptsThanTheConcurrencyWaitForEachOther) {
  const std::string prompts = " -q -n 6 --prompt Tom --prompt The --prompt Once";
  const ProgramResult together = run_program("run " + kModel + " --ranks 1" + prompts);
  const ProgramResult queued =
      run_program("run " + kModel + " --ranks 1 --concurrency 1" + prompts);
  EXPECT_EQ(queued.exit_code, 0);
  EXPECT_EQ(queued.output, together.output);
}

TEST(Cli, APromptThatCannotFitIsRefused) {
  std::string words;
  for (int i = 0; i < 600; ++i) words += "owl ";
  const ProgramResult result = run_program("run " + kModel + " --ranks 1 --prompt '" + words + "'");
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(result.output, HasSubstr("the prompt has"));
}

// The small instance has the optimum 13 by hand (see the reader's test).
TEST(Cli, BenchSolvesAnInstanceAndVerifiesTheSolution) {
  const std::string instance = PARTITA_SOURCE_DIR "/tests/fuzz/corpus/iopddl/small.json.gz";
  const ProgramResult result =
      run_program("bench planner " + instance + " --limit 10", "", " 2>/dev/null");
  EXPECT_EQ(result.exit_code, 0) << result.output;
  const Json json = parse_json(result.output, "standard output");
  EXPECT_EQ(json.at("cost"), 13);
  EXPECT_EQ(json.at("lower_bound"), 13);
  EXPECT_EQ(json.at("verified"), true);
  EXPECT_EQ(json.at("nodes"), 3);
  const ProgramResult wrong = run_program("bench planner " + instance + " --solver guess");
  EXPECT_EQ(wrong.exit_code, exit_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(wrong.output, HasSubstr("expected exact or ilp"));
}

TEST(Cli, PlanExportsItsIntegerProgram) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "plan.lp").string();
  const std::string plan = "plan " + kModel + " --mesh tp=2 --export-ilp " + file;
  EXPECT_EQ(run_program(plan).exit_code, 0);
  EXPECT_THAT(read_text(file), HasSubstr("Subject To"));
  const ProgramResult stages = run_program("plan " + kModel + " --mesh pp=2 --export-ilp " + file);
  EXPECT_EQ(stages.exit_code, 0) << stages.output;
  for (const char* name : {"plan.stage0.lp", "plan.stage1.lp"}) {
    EXPECT_THAT(read_text(folder.path() / name), HasSubstr("Subject To")) << name;
  }
}

}  // namespace
}  // namespace partita::tests
