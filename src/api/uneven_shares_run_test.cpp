// SPDX-License-Identifier: Apache-2.0
// Unlike devices of one stage get unlike shares, and what they compute together stays the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "partita/engine.h"
#include "partita/model.h"
#include "partita/plan.h"
#include "support/json.h"

namespace partita {
namespace {

namespace fs = std::filesystem;

const fs::path kTests = fs::path(PARTITA_SOURCE_DIR) / "tests";

Plan plan_on(const Model& model, const std::string& mesh) {
  return Plan::make(model, {.mesh = mesh, .devices = kTests / "data/devices/unlike-cpu.toml"});
}

std::vector<float> logits_of(const Model& model, const Plan& plan) {
  Engine engine(model, plan, {.threads_per_rank = 1});
  return engine.logits({3, 1, 4, 15, 9, 2, 6, 53});
}

// Bytes of weights per rank.
std::vector<double> weights_of(const Plan& plan) {
  std::vector<double> bytes;
  const Json json = parse_json(plan.to_json(), "plan");
  for (const Json& rank : json.at("memory")) {
    bytes.push_back(rank.at("weights").get<double>());
  }
  return bytes;
}

class UnevenShares : public testing::TestWithParam<const char*> {};

// 7 heads, 14 heads in 2 groups, 25 heads, experts: none of them shared out by two without a rest.
TEST_P(UnevenShares, EqualTheRunOnOneRank) {
  const Model model = Model::load(kTests / "golden" / GetParam(), {.dtype = "f32"});
  const std::vector<float> expected = logits_of(model, plan_on(model, "tp=1"));
  for (const char* mesh : {"tp=2", "tp=4", "a=2,b=2", "pp=2,tp=2", "tp=1 | tp=3"}) {
    const std::vector<float> found = logits_of(model, plan_on(model, mesh));
    ASSERT_EQ(found.size(), expected.size()) << mesh;
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], 2e-5F * (1 + std::abs(expected[i]))) << mesh << " " << i;
    }
  }
  // Half as fast is half as much, as far as heads can be shared out so.
  const std::vector<double> weights = weights_of(plan_on(model, "tp=2"));
  EXPECT_GT(weights[0], 1.3 * weights[1]);
}

INSTANTIATE_TEST_SUITE_P(
    Goldens,
    UnevenShares,
    testing::Values("llama_odd", "llama_gqa_tied", "gpt2_25heads", "mixtral", "qwen3"),
    [](const auto& row) { return std::string(row.param); });

}  // namespace
}  // namespace partita
