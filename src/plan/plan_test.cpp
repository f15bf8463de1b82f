// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "support/error.h"

namespace partita::plan {
namespace {

// ids -> embed (rows split) -> head: 2 nodes, one per stage; 2 x 3 ranks.
ir::Graph small_graph() {
  ir::Graph graph("small");
  const auto ids = graph.add_input("ids", {DType::kI32, {"t"}});
  const auto w = graph.add_weight("w", {DType::kF32, {7, 4}}, ir::WeightSource::from_tensor("w"));
  const auto x = graph.add_node({"embedding", "x", {w, ids}, {}, {}, 0},
                                std::vector<ir::TensorType>{{DType::kF32, {"t", 4}}});
  const auto head =
      graph.add_weight("head", {DType::kF32, {7, 4}}, ir::WeightSource::from_tensor("h"));
  const auto y = graph.add_node({"linear", "y", {graph.node(x).outputs[0], head}, {}, {}, 1},
                                std::vector<ir::TensorType>{{DType::kF32, {"t", 7}}});
  graph.set_outputs({graph.node(y).outputs[0]});
  return graph;
}

spec::TensorSpec split(int rank, int dim, std::vector<Range> pieces) {
  spec::TensorSpec spec = spec::TensorSpec::replicated(rank);
  spec.dims[static_cast<size_t>(dim)] = {{0}, std::move(pieces)};
  return spec;
}

Plan small_plan(const ir::Graph& graph) {
  Plan plan;
  plan.graph_hash = ir::hash_of(graph);
  plan.model = "small";
  plan.mesh = spec::Mesh({{"pp", 2}, {"tp", 3}});
  plan.profile = "p@0";
  plan.stages = {{0, 1, spec::Mesh({{"tp", 3}}, {0, 1, 2})},
                 {1, 2, spec::Mesh({{"tp", 3}}, {3, 4, 5})}};
  const auto rows = split(2, 0, {{0, 3}, {3, 5}, {5, 7}});
  const auto uneven = split(2, 0, {{0, 1}, {1, 3}, {3, 7}});
  spec::TensorSpec partial = spec::TensorSpec::replicated(2);
  partial.partials = {{0, ReduceKind::kSum}};
  const auto columns = split(2, 1, {{0, 1}, {1, 3}, {3, 7}});
  plan.values = {{"w", rows}, {"x", partial}, {"head", uneven}, {"y", columns}};
  plan.ops = {{"x", {2}, {.decode_compute_s = 0.1}}, {"y", {1}, {.prefill_compute_s = 1e-7}}};
  const auto whole = spec::TensorSpec::replicated(2);
  plan.reshards = {{"x",
                    partial,
                    whole,
                    {{spec::ReshardKind::kAllReduce, {0}, -1, -1, ReduceKind::kSum, whole}},
                    {""},
                    16,
                    {.decode_comm_s = 1.0 / 3}},
                   {"y",
                    columns,
                    whole,
                    {{spec::ReshardKind::kAllGather, {0}, 1, -1, ReduceKind::kSum, whole}},
                    {""},
                    28,
                    {}}};
  plan.memory.assign(6, {.weights = 48,
                         .kv_cache = 0,
                         .activations = 9,
                         .communication = 8,
                         .reserve = 7,
                         .limit = 100});
  plan.predicted = {.decode_compute_s = 0.1, .decode_comm_s = 1.0 / 3};
  plan.solver = "by hand";
  plan.gap = 0.125;
  return plan;
}

TEST(PlanJson, ReadsBackEqualAndWritesTheSameBytes) {
  const ir::Graph graph = small_graph();
  const Plan plan = small_plan(graph);
  const std::string text = to_json(plan, graph).dump(2);
  const Plan again = plan_from_json(parse_json(text, "plan.json"), graph, "plan.json");
  EXPECT_EQ(again, plan);
  EXPECT_EQ(to_json(again, graph).dump(2), text);
  EXPECT_EQ(hash_of(again, graph), hash_of(plan, graph));
  EXPECT_EQ(hash_of(plan, graph).size(), 16U);
  validate(again, graph);
}

TEST(PlanJson, TellsHowSumsTravelOnlyWhereThePlanSays) {
  const ir::Graph graph = small_graph();
  Plan plan = small_plan(graph);
  const Json plain = to_json(plan, graph);
  EXPECT_FALSE(plain.contains("wire") || plain.contains("one_shot_bytes"));
  plan.wire = "bf16";
  plan.one_shot_bytes = 4096;
  const Json json = to_json(plan, graph);
  EXPECT_EQ(plan_from_json(json, graph, "plan.json"), plan);
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, Json>>{{"wire", "f16"}, {"one_shot_bytes", -1}}) {
    Json wrong = json;
    wrong[key] = value;
    try {
      (void)plan_from_json(wrong, graph, "plan.json");
      ADD_FAILURE() << key;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(key), std::string::npos) << error.what();
    }
  }
}

// The plan of small_graph() for the same graph with a KV cache that nobody reads.
std::pair<ir::Graph, Plan> with_cache(DType dtype) {
  ir::Graph graph = small_graph();
  graph.add_state("k_cache", {dtype, {2, "c", 4, 16}});
  Plan plan = small_plan(graph);
  plan.cache_dtype = to_string(dtype);
  return {std::move(graph), std::move(plan)};
}

TEST(PlanJson, TellsTheTypeOfKvCachesWhereItIsNotF32) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16}) {
    const auto [graph, plan] = with_cache(dtype);
    EXPECT_EQ(cache_dtype_of(graph), to_string(dtype));
    const Json json = to_json(plan, graph);
    EXPECT_EQ(json.contains("cache_dtype"), dtype != DType::kF32);
    EXPECT_EQ(plan_from_json(json, graph, "plan.json"), plan);
    validate(plan, graph);
  }
  EXPECT_EQ(cache_dtype_of(small_graph()), "f32");
}

// Both stages read w; the second has two ranks and its own copy, of which y reads one half.
Plan plan_of_unlike_stages(const ir::Graph& graph) {
  Plan plan = small_plan(graph);
  plan.mesh = spec::Mesh({{"rank", 5}});
  plan.stages[1].mesh = spec::Mesh({{"a", 1}, {"b", 2}}, {4, 3});
  plan.stages[1].predicted = {.decode_compute_s = 0.25};
  plan.memory.clear();
  spec::TensorSpec copy = spec::TensorSpec::replicated(2);
  copy.dims[0] = {{1}, {{0, 5}, {5, 7}}};
  plan.values.resize(2);  // w and x
  plan.copies = {{"w", 1, copy}};
  plan.ops[1].axis_factor = {-1, 1};
  plan.reshards.resize(1);
  spec::TensorSpec columns = spec::TensorSpec::replicated(2);
  columns.dims[1] = {{1}, {{0, 3}, {3, 4}}};
  const auto whole = spec::TensorSpec::replicated(2);
  plan.reshards.push_back(
      {.value = "x",
       .from = whole,
       .to = columns,
       .steps = {{spec::ReshardKind::kSlice, {1}, 1, -1, ReduceKind::kSum, columns}},
       .consumers = {"y"},
       .cost = {},
       .stage = 1});
  return plan;
}

ir::Graph shared_graph() {
  return ir::parse_graph(R"(graph "small" {
  input %ids : i32[t]
  weight %w : f32[7,4] = tensor("w")
  %x : f32[t,4] = embedding(%w, %ids)
  %y : f32[t,7] = linear(%x, %w)
  return %y
}
)");
}

TEST(PlanJson, StagesOfUnlikeMeshesReadBackEqual) {
  const ir::Graph graph = shared_graph();
  const Plan plan = plan_of_unlike_stages(graph);
  const Json json = to_json(plan, graph);
  EXPECT_EQ(json["copies"].dump(), R"([{"value":"w","stage":1,"spec":"[_:b{0-5,5-7}, _]"}])");
  EXPECT_EQ(json["reshards"][1]["to"], "[_, _:b{0-3,3-4}]");
  EXPECT_EQ(plan_from_json(json, graph, "plan.json"), plan);
  validate(plan, graph);
}

// With the error of a bad argument; any other error gives false.
bool is_refused(const Plan& plan, const ir::Graph& graph) {
  try {
    validate(plan, graph);
    return false;
  } catch (const Error& error) {
    return error.code() == ErrorCode::kInvalidArgument;
  }
}

TEST(ValidatePlan, RefusesCopiesAndReshardsOfTheWrongStage) {
  const ir::Graph graph = shared_graph();
  const auto refused = [&](const std::function<void(Plan&)>& change) {
    Plan plan = plan_of_unlike_stages(graph);
    change(plan);
    return is_refused(plan, graph);
  };
  EXPECT_FALSE(refused([](Plan&) {}));
  EXPECT_TRUE(refused([](Plan& plan) { plan.copies[0].stage = 0; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.copies[0].stage = 2; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.copies[0].value = "x"; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.copies.push_back(plan.copies[0]); }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[1].stage = 2; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[1].consumers = {"x"}; }));
}

TEST(PlanJson, HashChangesWithAnyDecision) {
  const ir::Graph graph = small_graph();
  Plan plan = small_plan(graph);
  const std::string before = hash_of(plan, graph);
  plan.ops[1].axis_factor = {-1};
  EXPECT_NE(hash_of(plan, graph), before);
}

struct BadKey {
  const char* name;
  std::function<void(Json&)> change;
  const char* message;
};

class BadPlanJson : public testing::TestWithParam<BadKey> {};

TEST_P(BadPlanJson, IsRefusedNamingKeyAndRule) {
  const ir::Graph graph = small_graph();
  Json json = to_json(small_plan(graph), graph);
  GetParam().change(json);
  try {
    (void)plan_from_json(json, graph, "bad.json");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    EXPECT_THAT(error.what(), testing::HasSubstr("bad.json"));
    EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().message));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Keys,
    BadPlanJson,
    testing::Values(
        BadKey{"NoObject", [](Json& j) { j = 3; }, "expected an object"},
        BadKey{"UnknownKey", [](Json& j) { j["more"] = 1; }, "\"more\" is not a key"},
        BadKey{"MissingKey", [](Json& j) { j.erase("dtype"); }, "\"dtype\" is missing"},
        BadKey{"Format", [](Json& j) { j["format"] = "other"; }, "\"format\""},
        BadKey{"Version", [](Json& j) { j["version"] = 2; }, "\"version\""},
        BadKey{"DType", [](Json& j) { j["dtype"] = "f64"; }, "\"dtype\""},
        BadKey{"CacheDType", [](Json& j) { j["cache_dtype"] = "q8_0"; },
               "\"cache_dtype\" must be f32, bf16 or f16"},
        BadKey{"MeshSize", [](Json& j) { j["mesh"]["tp"] = 0; }, "\"mesh\""},
        BadKey{"MeshTooLarge",
               [](Json& j) {
                 j["mesh"]["pp"] = 65536;
                 j["mesh"]["tp"] = 65536;
               },
               "more than 65536 cells"},
        BadKey{"MeshAxes",
               [](Json& j) {
                 for (int i = 0; i < 40; ++i) j["mesh"]["a" + std::to_string(i)] = 1;
               },
               "more than 32 axes"},
        BadKey{"MeshRanks", [](Json& j) { j["mesh_ranks"] = {0, 1, 2, 3, 4, 4}; },
               "\"mesh_ranks\""},
        BadKey{"StageGap", [](Json& j) { j["stages"][1]["first_node"] = 0; }, "\"first_node\""},
        BadKey{"StageEnd", [](Json& j) { j["stages"].erase(1); }, "\"stages\""},
        BadKey{"StageRanks",
               [](Json& j) {
                 j["stages"][1]["ranks"] = {2, 4, 5};
               },
               "every rank"},
        BadKey{"Workload", [](Json& j) { j["workload"]["concurrency"] = -1; }, "\"concurrency\""},
        BadKey{"Cost", [](Json& j) { j["predicted"]["decode_comm_s"] = -1.0; },
               "\"decode_comm_s\""},
        BadKey{"Gap", [](Json& j) { j["gap"] = "none"; }, "\"gap\""},
        BadKey{"Memory", [](Json& j) { j["memory"].erase(0); }, "\"memory\""},
        BadKey{"ValueName", [](Json& j) { j["values"][0]["value"] = "nobody"; }, "\"value\""},
        BadKey{"Spec", [](Json& j) { j["values"][0]["spec"] = "[_:xx, _]"; }, "\"spec\""},
        BadKey{"Node", [](Json& j) { j["ops"][0]["node"] = "nobody"; }, "\"node\""},
        BadKey{"Strategy", [](Json& j) { j["ops"][0]["strategy"] = {0.5}; }, "\"strategy\""},
        BadKey{"StepKind", [](Json& j) { j["reshards"][0]["steps"][0]["kind"] = "send"; },
               "\"kind\""},
        BadKey{"StepAxis", [](Json& j) { j["reshards"][0]["steps"][0]["axes"] = {"dp"}; },
               "\"axes\""},
        BadKey{"StepDim", [](Json& j) { j["reshards"][0]["steps"][0]["dim"] = 2; }, "\"dim\""},
        BadKey{"ReshardStage", [](Json& j) { j["reshards"][0]["stage"] = 2; }, "\"stage\""},
        BadKey{"CopyStage",
               [](Json& j) {
                 j["copies"] = {{{"value", "w"}, {"stage", 2}, {"spec", "[_, _]"}}};
               },
               "\"stage\""},
        BadKey{"Steps", [](Json& j) { j["reshards"][0]["steps"] = Json::array(); }, "\"steps\""},
        BadKey{"Consumer", [](Json& j) { j["reshards"][0]["consumers"] = {"nobody"}; },
               "\"consumers\""}),
    [](const auto& given) { return std::string(given.param.name); });

TEST(ValidatePlan, RefusesAPlanOfAnotherGraph) {
  const ir::Graph graph = small_graph();
  Plan plan = small_plan(graph);
  plan.graph_hash = "0000000000000000";
  EXPECT_THROW(validate(plan, graph), Error);
}

TEST(ValidatePlan, RefusesCachesOfAnotherType) {
  auto [graph, plan] = with_cache(DType::kBF16);
  plan.cache_dtype = "f32";
  try {
    validate(plan, graph);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cache_dtype is f32, but the KV cache k_cache"));
  }
}

TEST(ValidatePlan, RefusesContradictions) {
  const ir::Graph graph = small_graph();
  const auto refused = [&](const std::function<void(Plan&)>& change) {
    Plan plan = small_plan(graph);
    change(plan);
    return is_refused(plan, graph);
  };
  EXPECT_FALSE(refused([](Plan&) {}));
  EXPECT_TRUE(refused([](Plan& plan) { plan.stages.pop_back(); }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.stages[1].first_node = 0; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.values.push_back(plan.values[0]); }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.values[0].second.dims[0].pieces[0] = {0, 2}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.ops[0].axis_factor = {0, 0}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.ops[0].node = "nobody"; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[0].from = plan.reshards[0].to; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[0].consumers = {"x"}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.memory.pop_back(); }));
  using Kind = spec::ReshardKind;
  for (const Kind kind : {Kind::kSlice, Kind::kAllGather, Kind::kReduceScatter, Kind::kTerm}) {
    EXPECT_TRUE(refused([&](Plan& plan) { plan.reshards[0].steps[0].kind = kind; }));
  }
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[0].steps[0].axes.clear(); }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[1].steps[0].axes = {0, 0}; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[1].steps[0].dim = -1; }));
  EXPECT_TRUE(refused([](Plan& plan) { plan.reshards[1].steps[0].dim = 0; }));
  EXPECT_TRUE(refused([](Plan& plan) {  // terms of a sum as a stored weight
    plan.values[0].second = spec::TensorSpec::replicated(2);
    plan.values[0].second.partials = {{0, ReduceKind::kSum}};
  }));
}

}  // namespace
}  // namespace partita::plan
