// SPDX-License-Identifier: Apache-2.0
// `partita bench` as a user runs it: a JSON line per measurement, files, and refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <sstream>
#include <vector>

#include "e2e/golden.h"
#include "e2e/program.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(CliBench, ScalingMeasuresEveryCombinationAndDrawsIt) {
  const fs::path svg = fs::path(testing::TempDir()) / "partita-scaling.svg";
  const std::string command = "bench scaling " + bundled_model().string() +
                              " --ranks 1,2 --threads 1,2 --most-threads 2 --batch 1,2"
                              " --prompt-tokens 4 --output-tokens 3 --repeats 1 --devices " +
                              PARTITA_SOURCE_DIR "/tests/data/devices/test-cpu.toml";
  const ProgramResult result = run_program(command + " --svg " + svg.string(), "", " 2>/dev/null");
  ASSERT_EQ(result.exit_code, 0) << result.output;
  std::istringstream lines(result.output);
  std::vector<std::array<int, 3>> cases;
  for (std::string line; std::getline(lines, line);) {
    const Json json = parse_json(line, "standard output");
    EXPECT_GT(json.at("prefill_tokens_per_s"), 0);
    EXPECT_GE(json.at("decode_tokens_per_s"), 0);  // 0: a difference that noise turned around
    cases.push_back({json.at("ranks"), json.at("threads"), json.at("batch")});
  }
  const std::vector<std::array<int, 3>> expected = {{1, 1, 1}, {1, 2, 1}, {2, 1, 1},
                                                    {1, 1, 2}, {1, 2, 2}, {2, 1, 2}};
  EXPECT_EQ(cases, expected);
  const std::string plot = read_text(svg, 1 << 20);
  fs::remove(svg);
  EXPECT_THAT(plot, testing::StartsWith("<svg"));
  size_t bars = 0;
  for (size_t at = plot.find("<rect x="); at != std::string::npos;
       at = plot.find("<rect x=", at + 1)) {
    ++bars;
  }
  EXPECT_EQ(bars, 2 * expected.size());
}

TEST(CliBench, APlotThatCannotBeWrittenIsRefusedBeforeMeasuring) {
  const ProgramResult result =
      run_program("bench scaling " + bundled_model().string() + " --svg /nowhere/plot.svg");
  EXPECT_EQ(result.exit_code, exit_code(ErrorCode::kSystem));
  EXPECT_THAT(result.output, HasSubstr("/nowhere/plot.svg"));
}

}  // namespace
}  // namespace partita::tests
