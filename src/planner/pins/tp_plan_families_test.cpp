// SPDX-License-Identifier: Apache-2.0
// The planner with no pins is never beaten by the plans of transformers and of Megatron-LM.
// ctest-label: slow
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "importer/importer.h"
#include "planner/pins/tp_plan.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

// Known families and meshes: the plans of transformers, or for families that have none the rules of
// Megatron-LM.
Json megatron_rules() {
  return {{"h.*.attn.c_attn", "colwise"},
          {"h.*.attn.c_proj", "rowwise"},
          {"h.*.mlp.c_fc", "colwise"},
          {"h.*.mlp.c_proj", "rowwise"}};
}

Json plan_of_family(const std::string& model_type) {
  static const Json plans = read_json(data("tp_plans.json")).at("plans");
  const auto found = plans.find(model_type);
  if (found == plans.end()) return nullptr;
  if (!found->is_null()) return *found;
  return model_type == "gpt2" ? megatron_rules() : Json();
}

std::vector<std::filesystem::path> all_configs() {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(data("configs"))) {
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

double request_seconds(const PlanRequest& request) {
  const PlanResult result = make_plan(request);
  if (std::holds_alternative<Infeasible>(result)) return -1;
  const plan::Plan& plan = std::get<plan::Plan>(result);
  EXPECT_EQ(plan.gap, 0);
  const double chunks = static_cast<double>(plan.workload.prompt_tokens) /
                        static_cast<double>(plan.workload.max_step_tokens);
  return static_cast<double>(plan.workload.output_tokens) *
             (plan.predicted.decode_compute_s + plan.predicted.decode_comm_s) +
         chunks * (plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s);
}

class ImportedPlan : public testing::TestWithParam<std::filesystem::path> {};

// With and without the wish that large weights be sharded, which tables for look-ups are free of.
TEST_P(ImportedPlan, IsNeverFasterThanThePlanner) {
  const ir::Graph graph = importer::import_model(GetParam(), {.weight_dtype = DType::kBF16}).graph;
  const std::string family = read_json(GetParam() / "config.json").at("model_type");
  const Json json = plan_of_family(family);
  if (json.is_null()) GTEST_SKIP() << "no known plan";
  const TpPlan plan = tp_plan_from_json(json, "tp_plans.json");
  const TpPlanImport import = import_tp_plan(graph, plan, Unlisted::kWhole);
  // Layers of this family may be dense, but these models have none.
  const bool has_dense_rules = family == "qwen3_moe";
  EXPECT_EQ(import.unused.size(), has_dense_rules ? 3U : 0U);
  EXPECT_THAT(import.unused, testing::Each(testing::StartsWith("layers.*.mlp.")));
  EXPECT_THAT(import.unsharded, testing::Each(testing::Not(testing::HasSubstr("experts"))));
  int compared = 0;
  for (const char* mesh : {"tp=2", "tp=8", "a=2,b=4", "pp=2,tp=4", "pp=2,a=2,b=8"}) {
    for (const bool shard_weights : {true, false}) {
      PlanRequest request = {.graph = graph,
                             .mesh = spec::Mesh::parse(mesh),
                             .profile = cost::load_profile(data("devices/h100-8x8.toml")),
                             .workload = {},
                             .dtype = "bf16",
                             .shard_weights = shard_weights};
      const double free = request_seconds(request);
      request.pins = import.pins;
      const double imported = request_seconds(request);
      if (imported < 0) continue;  // does not fit
      ++compared;
      ASSERT_GT(free, 0) << mesh;
      EXPECT_LE(free, imported * (1 + 1e-9)) << mesh << " " << shard_weights;
      RecordProperty(str(mesh, shard_weights ? " sharded" : ""), std::to_string(imported / free));
    }
  }
  EXPECT_GT(compared, 0);
}

INSTANTIATE_TEST_SUITE_P(
    Configs, ImportedPlan, testing::ValuesIn(all_configs()), [](const auto& row) {
      std::string name = row.param.filename().string();
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

}  // namespace
}  // namespace partita::planner
