// SPDX-License-Identifier: Apache-2.0
// Rules of DeepSpeed and transformers on the modules of many families (tools/dump_families.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "planner/pins/autotp.h"
#include "planner/pins/checkpoint_modules.h"
#include "planner/pins/tp_plan.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Names = std::set<std::string>;

std::filesystem::path folder() {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/families";
}

const Json& families() {
  static const Json kFamilies = read_json(folder() / "families.json").at("families");
  return kFamilies;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const auto& [name, facts] : families().items()) names.push_back(name);
  return names;
}

std::vector<std::string> families_with_plan() {
  std::vector<std::string> names = family_names();
  std::erase_if(names, [](const auto& name) { return families().at(name).at("plan").is_null(); });
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& row) {
  std::string name = row.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

ir::Graph graph_of(const std::string& family) {
  return ir::parse_graph(read_text(folder() / (family + ".graph")));
}

// Modules of matrices that are stored so, layer numbers as '*'.
Names modules_stored_as(const std::vector<Pin>& pins, const std::string& spec) {
  Names names;
  for (const Pin& pin : pins) {
    if (!pin.match.ends_with(".weight") || pin.decision != spec) continue;
    names.insert(without_numbers(parent_of(pin.match)));
  }
  return names;
}

Names names_of(const Json& list) { return list.get<Names>(); }

// Sums that the order in which modules are declared does not show, so that DeepSpeed cuts them by
// columns: the last linear layer of a layer, whose norm is that of the next one, and those whose
// norms are declared elsewhere. Its list has no gpt2, flaubert, xlm and xlnet.
const std::map<std::string, Names> kAlsoRows = {
    {"albert", {"encoder.albert_layer_groups.*.albert_layers.*.ffn_output"}},
    {"codegen", {"transformer.h.*.mlp.fc_out"}},
    {"flaubert", {"attentions.*.out_lin", "ffns.*.lin2"}},
    {"gpt2", {"transformer.h.*.mlp.c_proj"}},
    {"gpt_neo", {"transformer.h.*.mlp.c_proj"}},
    {"gptj", {"transformer.h.*.mlp.fc_out"}},
    {"xlm", {"transformer.attentions.*.out_lin", "transformer.ffns.*.lin2"}},
    {"xlnet", {"transformer.layer.*.ff.layer_2"}},
};

class FamilyRules : public testing::TestWithParam<std::string> {};
class FamilyPlans : public testing::TestWithParam<std::string> {};

TEST_P(FamilyRules, RowsAreFoundWithoutPolicy) {
  const ir::Graph graph = graph_of(GetParam());
  const AutoTpImport import = import_autotp({.graph = graph, .model_type = GetParam()});
  Names expected = names_of(families().at(GetParam()).at("rows"));
  const auto more = kAlsoRows.find(GetParam());
  if (more != kAlsoRows.end()) expected.insert(more->second.begin(), more->second.end());
  EXPECT_EQ(modules_stored_as(import.pins, "[_, _:*]"), expected);
  EXPECT_FALSE(expected.empty());
}

TEST_P(FamilyPlans, PlansOfConfigurationsCutWhatTheySay) {
  const Json& facts = families().at(GetParam());
  const ir::Graph graph = graph_of(GetParam());
  const TpPlan plan = tp_plan_from_json(facts.at("plan"), "families.json");
  const TpPlanImport import = import_tp_plan(graph, plan, Unlisted::kFree);
  std::map<std::string, Names> expected = {{"rows", {}}, {"columns", {}}};
  for (const auto& [module, style] : facts.at("styles").items()) {
    expected[style.get<std::string>()].insert(module);
  }
  EXPECT_EQ(modules_stored_as(import.pins, "[_, _:*]"), expected["rows"]);
  EXPECT_EQ(modules_stored_as(import.pins, "[_:*, _]"), expected["columns"]);
  EXPECT_FALSE(expected["rows"].empty());
  EXPECT_THAT(import.unused, testing::IsEmpty());
}

double step_seconds(const PlanRequest& request) {
  const plan::CostTerms step = std::get<plan::Plan>(make_plan(request)).predicted;
  return step.decode_compute_s + step.decode_comm_s + step.prefill_compute_s + step.prefill_comm_s;
}

// Both may keep weights whole, as transformers does.
TEST_P(FamilyPlans, PlansAreFollowedAndNeverFasterThanThePlanner) {
  const ir::Graph graph = graph_of(GetParam());
  const TpPlan plan = tp_plan_from_json(families().at(GetParam()).at("plan"), "families.json");
  for (const char* mesh : {"tp=2", "tp=4", "a=2,b=2"}) {
    PlanRequest request = {.graph = graph,
                           .mesh = spec::Mesh::parse(mesh),
                           .profile = cost::load_profile(std::filesystem::path(PARTITA_SOURCE_DIR) /
                                                         "tests/data/devices/test-cpu.toml"),
                           .shard_weights = false};
    const double free = step_seconds(request);
    request.pins = import_tp_plan(graph, plan, Unlisted::kWhole).pins;
    const double imported = step_seconds(request);
    EXPECT_GT(free, 0);
    EXPECT_LE(free, imported * (1 + 1e-9)) << mesh;
  }
}

// The rules fit together: what one layer cuts by columns the next one sums.
TEST_P(FamilyRules, ThePlannerFollowsThem) {
  const ir::Graph graph = graph_of(GetParam());
  const AutoTpImport import = import_autotp({.graph = graph, .model_type = GetParam()});
  const PlanResult result =
      make_plan({.graph = graph,
                 .mesh = spec::Mesh::parse("tp=2"),
                 .profile = cost::load_profile(std::filesystem::path(PARTITA_SOURCE_DIR) /
                                               "tests/data/devices/test-cpu.toml"),
                 .pins = import.pins});
  const auto& values = std::get<plan::Plan>(result).values;
  std::map<std::string, spec::TensorSpec> stored(values.begin(), values.end());
  size_t cut = 0;
  for (const Pin& pin : import.pins) {
    if (!pin.match.ends_with(".weight")) continue;
    const spec::TensorSpec& spec = stored.at(pin.match);
    EXPECT_EQ(spec.dims[0].axes.empty(), pin.decision != "[_:*, _]") << pin.match;
    EXPECT_EQ(spec.dims[1].axes.empty(), pin.decision != "[_, _:*]") << pin.match;
    ++cut;
  }
  EXPECT_GE(cut, 2U);
}

INSTANTIATE_TEST_SUITE_P(Families, FamilyRules, testing::ValuesIn(family_names()), test_name);
INSTANTIATE_TEST_SUITE_P(Families, FamilyPlans, testing::ValuesIn(families_with_plan()), test_name);

// As many as the systems we learn from were tried on, at the least.
TEST(FamilyFacts, ThereAreManyFamilies) {
  EXPECT_GE(family_names().size(), 40U);
  EXPECT_GE(families_with_plan().size(), 15U);
}

}  // namespace
}  // namespace partita::planner
