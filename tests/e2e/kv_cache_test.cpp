// SPDX-License-Identifier: Apache-2.0
// --kv-cache as a user gives it: every command takes it, rank processes hold such caches, and plans
// and parts are for one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "e2e/golden.h"
#include "e2e/program.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::tests {
namespace {

using testing::HasSubstr;

const std::string kDevices = " --devices " PARTITA_SOURCE_DIR "/tests/data/devices/test-cpu.toml";

Json run_json(const std::string& options) {
  const ProgramResult result = run_program(
      "run " + bundled_model().string() + kDevices + " --prompt 'The dog' -n 16 --json " + options,
      "", " 2>/dev/null");
  EXPECT_EQ(result.exit_code, 0) << options << "\n" << result.output;
  return parse_json(result.output, options);
}

void expect_refused(const std::string& arguments, const std::string& message) {
  const ProgramResult result = run_program(arguments);
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kInvalidArgument)) << arguments;
  EXPECT_THAT(result.output, HasSubstr(message)) << arguments;
  EXPECT_EQ(std::ranges::count(result.output, '\n'), 1) << result.output;
}

TEST(KvCache, EveryCommandThatLoadsAModelTakesIt) {
  const std::string model = bundled_model().string();
  for (const std::string& command :
       {"run " + model + " --prompt A", "plan " + model, "partition " + model + " --out-dir none",
        "plan diff a.json b.json --model " + model, "bench model " + model, "bench batch " + model,
        "bench load " + model, "bench scaling " + model}) {
    expect_refused(command + " --kv-cache f8", "KV cache \"f8\"; expected auto, f32, bf16 or f16");
  }
}

// Processes load the model themselves.
TEST(KvCache, ProcessesHoldWhatThreadsHold) {
  for (const std::string launcher : {"threads", "fork"}) {
    const std::string on = "--mesh tp=2 --threads 1 --launcher " + launcher;
    const Json whole = run_json(on);
    const Json half = run_json(on + " --kv-cache bf16");
    for (size_t rank = 0; rank < 2; ++rank) {
      const auto bytes_of = [&](const Json& json) {
        return json.at("report").at("ranks").at(rank).at("kv_bytes").get<int64_t>();
      };
      EXPECT_GT(bytes_of(half), 0);
      EXPECT_EQ(2 * bytes_of(half), bytes_of(whole)) << launcher;
    }
  }
}

// The margins of this text are far above what rounding a cache changes.
TEST(KvCache, GreedyTokensAreThoseOfOneRank) {
  for (const std::string cache : {"bf16", "f16"}) {
    const auto tokens_on = [&](const std::string& mesh) {
      return run_json("--threads 1 --launcher threads --kv-cache " + cache + " --mesh " + mesh)
          .at("completions")
          .at(0)
          .at("tokens");
    };
    const Json expected = tokens_on("tp=1");
    EXPECT_EQ(expected.size(), 16);
    for (const std::string mesh : {"tp=2", "tp=3", "pp=2"}) {
      EXPECT_EQ(tokens_on(mesh), expected) << cache << " " << mesh;
    }
  }
}

TEST(KvCache, PlansAndPartsAreForOne) {
  const TemporaryFolder folder;
  const std::string model = bundled_model().string();
  const std::string plan = (folder.path() / "plan.json").string();
  const std::string parts = (folder.path() / "parts").string();
  const std::string half = " --mesh tp=2 --kv-cache bf16" + kDevices;
  ASSERT_EQ(run_program("plan " + model + half + " -o " + plan).exit_code, 0);
  ASSERT_EQ(run_program("partition " + model + half + " --out-dir " + parts).exit_code, 0);
  const std::string text = " --prompt A -n 2 --quiet";
  EXPECT_EQ(run_program("run " + model + " --kv-cache bf16 --plan " + plan + text).exit_code, 0);
  EXPECT_EQ(run_program("run " + parts + text).exit_code, 0);
  expect_refused("run " + model + " --plan " + plan + text,
                 "is for a KV cache of bf16, that of this model is f32; give --kv-cache bf16");
  expect_refused("run " + parts + " --kv-cache f16" + text,
                 "was partitioned for a KV cache of bf16; run it with --kv-cache auto");
}

}  // namespace
}  // namespace partita::tests
