// SPDX-License-Identifier: Apache-2.0
// Imported plans: every style, and what is reported.
#include "planner/pins/tp_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A linear layer with bias, a transposed one without, an embedding, a norm of heads and experts in
// one fused tensor, under the names of a checkpoint.
ir::Graph small_graph() {
  return ir::parse_graph(R"(graph "small" {
  input %ids : i32[t]
  weight %table : f32[32,8] = tensor("model.embed.weight")
  %x : f32[t,8] = embedding(%table, %ids)
  weight %up.weight : f32[16,8] = tensor("model.layers.0.up.weight")
  %up : f32[t,16] = linear(%x, %up.weight) {layer = 0}
  weight %up.bias : f32[16] = tensor("model.layers.0.up.bias")
  %up.biased : f32[t,16] = add(%up, %up.bias) {layer = 0}
  weight %down.weight : f32[8,16] = transpose(tensor("model.layers.0.down.weight"), [1,0])
  %down : f32[t,8] = linear(%up.biased, %down.weight) {layer = 0}
  weight %down.bias : f32[8] = tensor("model.layers.0.down.bias")
  %down.biased : f32[t,8] = add(%down, %down.bias) {layer = 0}
  weight %gate.weight : f32[12,8] = slice(tensor("model.layers.0.fused.weight"), 0, 0, 12)
  %gate : f32[t,12] = linear(%down.biased, %gate.weight) {layer = 0}
  weight %out.weight : f32[8,12] = tensor("model.layers.0.fused_down.weight")
  %out : f32[t,8] = linear(%gate, %out.weight) {layer = 0}
  return %out
}
)");
}

std::vector<std::string> pins_of(const std::string& path, const std::string& style) {
  const ir::Graph graph = small_graph();
  const TpPlan plan = tp_plan_from_json(Json{{path, style}}, "plan.json");
  std::vector<std::string> texts;
  for (const Pin& pin : import_tp_plan(graph, plan, Unlisted::kFree).pins) {
    EXPECT_EQ(pin.source, "tp_plan: " + path);
    EXPECT_EQ(pin.level, PinLevel::kTpPlan);
    texts.push_back(pin.match + " = " + pin.decision);
  }
  return texts;
}

struct StyleCase {
  const char* style;
  const char* path;
  std::vector<std::string> pins;
};

std::vector<StyleCase> style_cases() {
  const std::vector<std::string> columns = {"up.weight = [_:*, _]", "up.bias = [_:*]"};
  const std::vector<std::string> gathered = {"up.weight = [_:*, _]", "up.bias = [_:*]",
                                             "up.biased = [_, _]"};
  // The bias is added once, to the whole sum.
  const std::vector<std::string> rows = {"down.weight = [_, _:*]", "down.bias = [_]",
                                         "down = [_, _]", "down.biased = [_, _]"};
  const std::vector<std::string> local_rows = {"down.weight = [_, _:*]", "down.bias = [_]"};
  const std::vector<std::string> whole = {"up.weight = [_, _]", "up.bias = [_]"};
  const std::vector<std::string> reduced = {"down.biased = [_, _]"};
  const char* up = "layers.*.up";
  const char* down = "layers.*.down";
  return {
      {"all_reduce", down, reduced},
      {"colwise", up, columns},
      {"colwise_gather_output", up, gathered},
      {"colwise_rep", up, gathered},
      {"embedding_colwise", "embed", {"table = [_, _:*]", "x = [_, _]"}},
      {"embedding_rowwise", "embed", {"table = [_:*, _]", "x = [_, _]"}},
      {"ep_dispatch_experts", down, reduced},
      {"ep_router", up, whole},
      {"gather", down, reduced},
      {"grouped_gemm", up, columns},
      {"isolated", up, whole},
      {"local", up, whole},
      {"local_colwise", up, columns},
      {"local_packed_colwise", "layers.*.fused", {"gate.weight = [_:*, _]"}},
      {"local_packed_rowwise", down, local_rows},
      {"local_params", up, {}},
      {"local_rowwise", down, local_rows},
      {"mla_kv_a_proj", up, whole},
      {"moe_identity_expert", up, {}},
      {"moe_tp_experts", down, reduced},
      {"packed_colwise", "layers.*.fused", {"gate.weight = [_:*, _]"}},
      {"packed_rowwise", down, local_rows},
      {"replicate", up, whole},
      {"replicated", up, whole},
      {"replicated_with_grad_allreduce", up, whole},
      {"rowwise", down, rows},
      {"rowwise_rep", down, rows},
      {"rowwise_split_input", down, rows},
      {"sequence_parallel", up, whole},
      {"megamoe_experts", up, columns},
  };
}

TEST(TpPlan, EveryStyleBecomesItsPins) {
  std::vector<std::string> tested;
  for (const StyleCase& one : style_cases()) {
    EXPECT_THAT(pins_of(one.path, one.style), testing::UnorderedElementsAreArray(one.pins))
        << one.style;
    tested.emplace_back(one.style);
  }
  tested.pop_back();  // stands for all megamoe_ names
  EXPECT_EQ(tested, style_names());
}

TEST(TpPlan, AnEntryMayNameATensor) {
  EXPECT_THAT(pins_of("layers.*.up.bias", "colwise"), ElementsAre("up.bias = [_:*]"));
  EXPECT_THAT(pins_of("model.layers.*.up.weight", "colwise"), ElementsAre("up.weight = [_:*, _]"));
}

TEST(TpPlan, ExpertsAreFoundUnderTheirOldNames) {
  const CheckpointModules modules(ir::parse_graph(R"(graph "experts" {
  input %x : f32[t,8]
  weight %w : f32[16,8] = tensor("model.layers.0.block_sparse_moe.experts.3.w1.weight")
  %y : f32[t,16] = linear(%x, %w) {layer = 0}
  return %y
}
)"));
  EXPECT_THAT(modules.parameters().front().names,
              testing::IsSupersetOf({"layers.*.block_sparse_moe.experts.*.w1.weight",
                                     "layers.*.mlp.experts.gate_up_proj"}));
}

TEST(TpPlan, UnusedRulesAndUnshardedWeightsAreReported) {
  const ir::Graph graph = small_graph();
  const Json json = {{"layers.*.up", "colwise"}, {"layers.*.nothing", "rowwise"}};
  const TpPlanImport import =
      import_tp_plan(graph, tp_plan_from_json(json, "plan.json"), Unlisted::kWhole);
  EXPECT_EQ(report_of(import),
            "tp_plan: rule \"layers.*.nothing\" matches no module of the model\n"
            "tp_plan: no rule for model.embed.weight\n"
            "tp_plan: no rule for model.layers.*.down.weight\n"
            "tp_plan: no rule for model.layers.*.fused.weight\n"
            "tp_plan: no rule for model.layers.*.fused_down.weight\n");
  EXPECT_THAT(import.pins,
              testing::Contains(Pin{"table", "[_, _]", "tp_plan: not listed", PinLevel::kTpPlan}));
}

TEST(TpPlan, StagesStartAndEndWithTheirModules) {
  const ir::Graph graph = small_graph();
  const Json json = {{"base_model_tp_plan", nullptr},
                     {"base_model_pp_plan",
                      {{"embed", {{"input_ids"}, {"inputs_embeds"}}},
                       {"layers", {{"hidden_states"}, {"hidden_states"}}},
                       {"layers.*.fused_down", {{"hidden_states"}, {"hidden_states"}}}}}};
  const TpPlan plan = tp_plan_from_json(json, "config.json");
  EXPECT_THAT(
      import_tp_plan(graph, plan, Unlisted::kFree).pins,
      ElementsAre(Pin{"x", "stage 0", "pp_plan: embed", PinLevel::kTpPlan},
                  Pin{"out", "stage last", "pp_plan: layers.*.fused_down", PinLevel::kTpPlan}));
}

TEST(TpPlan, BadPlansAreRefusedNamingTheEntry) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a.b": "diagonal"})", "entry \"a.b\": style \"diagonal\" is not known"},
      {R"({"a.b": 3})", "entry \"a.b\" is 3"},
      {R"([])", "expected an object"},
      {R"({"base_model_tp_plan": 3})", "expected an object"},
      {R"({"base_model_pp_plan": {"a": ["x"]}})", "entry \"a\""},
      {R"({"base_model_pp_plan": {"a": [["x"], [1]]}})", "entry \"a\""},
      {R"({"base_model_pp_plan": []})", "base_model_pp_plan is no object"},
  };
  for (const auto& [text, part] : cases) {
    try {
      (void)tp_plan_from_json(parse_json(text, "x"), "plan.json");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
      EXPECT_THAT(error.what(), HasSubstr("plan.json")) << text;
      EXPECT_THAT(error.what(), HasSubstr(part)) << text;
    }
  }
}

}  // namespace
}  // namespace partita::planner
