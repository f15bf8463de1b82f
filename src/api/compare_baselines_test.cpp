// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "partita/error.h"
#include "partita/plan.h"

namespace partita {
namespace {

const std::filesystem::path kData = std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data";

// The last number of every line but the first: times the planner's own request.
std::vector<double> ratios_of(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  std::vector<double> ratios;
  while (std::getline(lines, line)) ratios.push_back(std::stod(line.substr(line.rfind(' '))));
  return ratios;
}

TEST(CompareBaselines, ListsEverySplitOfTheRanksAndNoneIsFaster) {
  const Model model = Model::load(kData / "configs/llama-3.2-1b");
  PlanOptions options;
  options.devices = kData / "devices/h100-4x8.toml";
  options.ranks = 4;
  const std::string text = compare_baselines(model, options);
  for (const char* row : {"Megatron     tp=4", "even layers  tp=4", "Megatron     pp=2,tp=2",
                          "even layers  pp=2,tp=2", "Megatron     pp=4", "even layers  pp=4"}) {
    EXPECT_THAT(text, testing::HasSubstr(row));
  }
  const std::vector<double> ratios = ratios_of(text);
  ASSERT_EQ(ratios.size(), 7U);
  EXPECT_EQ(ratios.front(), 1);
  for (const double ratio : ratios) EXPECT_GE(ratio, 1) << text;
}

TEST(CompareBaselines, AGivenMeshIsTheOnlyOneAndStagesOneByOneAreRefused) {
  const Model model = Model::load(kData / "configs/gpt2");
  PlanOptions options;
  options.devices = kData / "devices/h100-4x8.toml";
  options.mesh = "tp=2";
  EXPECT_EQ(ratios_of(compare_baselines(model, options)).size(), 3U);
  options.mesh = "tp=2 | tp=1";
  EXPECT_THROW((void)compare_baselines(model, options), Error);
}

}  // namespace
}  // namespace partita
