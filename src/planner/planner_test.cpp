// SPDX-License-Identifier: Apache-2.0
// Plans of real model shapes on described meshes.
#include "planner/planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "importer/importer.h"
#include "planner/explain/summary.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

ir::Graph model(const std::string& name, DType dtype = DType::kBF16) {
  return importer::import_model(data("configs/" + name), {.weight_dtype = dtype}).graph;
}

cost::Profile devices(const std::string& name) {
  return cost::load_profile(data("devices/" + name + ".toml"));
}

plan::Plan planned(const PlanResult& result) {
  if (const auto* infeasible = std::get_if<Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, infeasible->reason);
  }
  return std::get<plan::Plan>(result);
}

// Megatron-LM's count: one all-reduce behind attention, one behind the MLP; one more for the
// embedding when its rows are split. The planner may leave the residual stream Partial (an add
// passes it through) and reduce what each norm reads; then the last reduction comes after the rows
// of the logits are taken.
void expect_two_all_reduces_per_block(const std::string& config, int64_t ranks) {
  const ir::Graph graph = model(config);
  const PlanRequest request = {.graph = graph,
                               .mesh = spec::Mesh({{"tp", ranks}}),
                               .profile = devices("h100-4x8"),
                               .dtype = "bf16"};
  const plan::Plan plan = planned(make_plan(request));
  int32_t layers = 0;
  for (const ir::Node& node : graph.nodes()) layers = std::max(layers, node.layer + 1);
  int64_t all_reduces = 0;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    const auto& [layer, kind] = key;
    if (kind == "all_reduce") all_reduces += count.calls;
    if (layer < 0) continue;
    EXPECT_EQ(kind, "all_reduce") << config << " layer " << layer;
    if (layer + 1 < layers) {
      EXPECT_EQ(count.calls, 2) << config << " layer " << layer;
    }
  }
  EXPECT_GE(all_reduces, 2 * layers) << config;
  EXPECT_LE(all_reduces, 2 * layers + 1) << config;
}

TEST(Planner, BlocksOfBothFamiliesCostTwoAllReduces) {
  for (const int64_t ranks : {2, 3, 4, 8}) {
    expect_two_all_reduces_per_block("gpt2", ranks);
    expect_two_all_reduces_per_block("gpt2-xl", ranks);
    expect_two_all_reduces_per_block("llama-3.2-1b", ranks);
    expect_two_all_reduces_per_block("llama-3-8b", ranks);
  }
}

// Calls of each kind of collective within the layers that are not the last one.
std::map<std::string, int64_t> calls_in_layers(const ir::Graph& graph,
                                               const cost::Profile& profile,
                                               const plan::Workload& workload) {
  const plan::Plan plan = planned(make_plan({.graph = graph,
                                             .mesh = spec::Mesh::parse("tp=2"),
                                             .profile = profile,
                                             .workload = workload,
                                             .dtype = "bf16"}));
  std::map<std::string, int64_t> calls;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    const auto& [layer, kind] = key;
    if (layer >= 0 && layer < 15) calls[kind] += count.calls;
  }
  return calls;
}

// An addition of scattered values is half as much work as one of whole values, but the whole one
// runs within the norm: all-reduce, residual and norm are one operator of the rank's program.
TEST(Planner, ResidualsStayWholeSinceTheirNormAddsThem) {
  const ir::Graph graph = model("llama-3.2-1b");
  const std::map<std::string, int64_t> expected = {{"all_reduce", 2 * 15}};
  const std::filesystem::path source = PARTITA_SOURCE_DIR;
  for (const char* name :
       {"devices/epyc-9654-1x12", "devices/rtx4090-1x2", "devices/l4-1x4", "devices/h100-8x8",
        "devices/a100-4x8", "tests/data/devices/test-cpu", "tests/data/devices/cpu-2x4"}) {
    const cost::Profile profile = cost::load_profile(source / (std::string(name) + ".toml"));
    for (const plan::Workload& workload :
         {plan::Workload{}, plan::Workload{.prompt_tokens = 512, .output_tokens = 1},
          plan::Workload{.prompt_tokens = 512, .output_tokens = 32}}) {
      EXPECT_EQ(calls_in_layers(graph, profile, workload), expected)
          << name << " output " << workload.output_tokens;
    }
  }
}

// Where two exchanges are measured to cost less than one, they are taken.
// Programs compute an activation and the product behind it in one kernel, which reads both factors
// and writes the result once.
TEST(Planner, AnActivationIsPricedWithinTheProductBehindIt) {
  const ir::Graph graph = model("llama-3-8b");
  cost::Profile profile = devices("h100-4x8");
  const auto compute_of = [&](const std::string& name) {
    const plan::Plan plan = planned(
        make_plan({.graph = graph, .mesh = spec::Mesh(), .profile = profile, .dtype = "bf16"}));
    for (const plan::OpDecision& decision : plan.ops) {
      if (decision.node == name) return decision.cost.prefill_compute_s;
    }
    return -1.0;
  };
  EXPECT_EQ(compute_of("layers.0.mlp.activation"), 0);
  const double bytes = 3.0 * 512 * 14336 * 4;
  const double launch_s = profile.device.launch_s;
  EXPECT_NEAR(compute_of("layers.0.mlp.product"),
              bytes / profile.device.memory_bandwidth + launch_s, 1e-9);
  profile.device.kernels = {{"gated", DType::kF32, 1, 7e-3, {{1, 1e15}}},
                            {"mul", DType::kF32, 1, 9e-3, {{1, 1e15}}}};
  EXPECT_NEAR(compute_of("layers.0.mlp.product"), bytes / profile.device.memory_bandwidth + 7e-3,
              1e-9);
}

TEST(Planner, ResidualsAreScatteredWhereAllReducesAreDear) {
  const ir::Graph graph = model("llama-3.2-1b");
  cost::Profile profile = devices("test-cpu");
  const auto table = [](cost::CollectiveKind kind, double seconds) {
    cost::CollectiveTable result;
    result.kind = kind;
    result.axis = "*";
    result.ranks = 2;
    result.points = {{1024, seconds}, {4 << 20, 100 * seconds}};
    return result;
  };
  profile.collectives = {table(cost::CollectiveKind::kAllReduce, 400e-6),
                         table(cost::CollectiveKind::kAllGather, 10e-6),
                         table(cost::CollectiveKind::kReduceScatter, 10e-6)};
  const auto calls = calls_in_layers(graph, profile, {});
  EXPECT_EQ(calls.count("all_reduce"), 0);
  EXPECT_GE(calls.at("reduce_scatter"), 15);  // behind attention, o_proj may be cut by its outputs
}

std::vector<std::string> embeddings_of(const ir::Graph& graph) {
  std::vector<std::string> embeddings;
  for (const ir::Value& value : graph.values()) {
    if (value.kind == ir::ValueKind::kWeight && value.name.find("layers.") == std::string::npos &&
        value.type.dims.size() == 2) {
      embeddings.push_back(value.name);
    }
  }
  return embeddings;
}

// With the embeddings whole: the table of weights per rank that Megatron-like systems publish for
// GPT-2 in f32, in MiB.
TEST(Planner, WeightsPerRankOfGpt2EqualTheKnownTable) {
  const std::map<std::string, std::map<int64_t, double>> table = {
      {"gpt2", {{1, 474.7}, {2, 312.6}, {4, 231.5}}},
      {"gpt2-medium", {{1, 1353.5}, {2, 777.2}, {4, 489.1}}}};
  for (const auto& [name, expected] : table) {
    const ir::Graph graph = model(name, DType::kF32);
    for (const auto& [ranks, mebibytes] : expected) {
      const PlanRequest request = {.graph = graph,
                                   .mesh = spec::Mesh({{"tp", ranks}}),
                                   .profile = devices("h100-4x8"),
                                   .workload = {},
                                   .keep_whole = embeddings_of(graph)};
      const plan::Plan plan = planned(make_plan(request));
      for (const plan::RankMemory& rank : plan.memory) {
        EXPECT_NEAR(static_cast<double>(rank.weights) / (1 << 20), mebibytes, 0.06)
            << name << " tp=" << ranks;
      }
    }
  }
}

TEST(Planner, SamePlanByteForByteOnRepeat) {
  const ir::Graph graph = model("llama-3.2-1b");
  for (const char* mesh : {"tp=4", "pp=2,tp=2", "a=2,b=2", "pp=3", "tp=2x2", "pp=2,tp=2@spread"}) {
    PlanRequest request = {.graph = graph,
                           .mesh = spec::Mesh::parse(mesh),
                           .profile = devices("h100-4x8"),
                           .workload = {},
                           .dtype = "bf16"};
    const std::string first = plan::to_json(planned(make_plan(request)), graph).dump();
    EXPECT_EQ(first, plan::to_json(planned(make_plan(request)), graph).dump()) << mesh;
    const plan::Plan again =
        plan::plan_from_json(parse_json(first, "plan.json"), graph, "plan.json");
    EXPECT_EQ(plan::to_json(again, graph).dump(), first) << mesh;
    plan::validate(again, graph);
  }
}

TEST(Planner, MeshTooSmallIsRefusedWithShortfallAndTheSmallestThatFits) {
  const ir::Graph graph = model("llama-3-70b");
  const PlanRequest request = {.graph = graph,
                               .mesh = spec::Mesh({{"tp", 1}}),
                               .profile = devices("h100-4x8"),
                               .workload = {},
                               .dtype = "bf16"};
  const PlanResult result = make_plan(request);
  ASSERT_TRUE(std::holds_alternative<Infeasible>(result));
  const auto& infeasible = std::get<Infeasible>(result);
  // 70.6e9 bf16 parameters are 141 GB; one device has 80.
  EXPECT_GT(infeasible.shortfall_bytes, 61'000'000'000);
  EXPECT_EQ(infeasible.fitting_ranks, 2);
  EXPECT_THAT(infeasible.reason, testing::HasSubstr("2 devices"));
}

TEST(Planner, SearchRefusesTooFewRanks) {
  const ir::Graph graph = model("llama-3.1-405b");
  const PlanRequest request = {
      .graph = graph, .mesh = {}, .profile = devices("h100-16x8"), .workload = {}, .dtype = "bf16"};
  const PlanResult result = plan_for_ranks(request, 8);
  ASSERT_TRUE(std::holds_alternative<Infeasible>(result));
  EXPECT_EQ(std::get<Infeasible>(result).fitting_ranks, 16);
}

// Weights that the solver would rather not split must be, because the device is small.
TEST(Planner, MemoryBoundMakesAnUnwillingPlannerShard) {
  const ir::Graph graph = model("gpt2", DType::kF32);
  cost::Profile profile = devices("h100-4x8");
  profile.device.launch_s = 1;  // collectives cost more than they can ever save
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh({{"tp", 4}}),
                         .profile = profile,
                         .workload = {},
                         .shard_weights = false};
  const plan::Plan free = planned(make_plan(request));
  EXPECT_TRUE(collectives_per_layer(free, graph).empty());
  request.profile.device.reserve_bytes = 0;
  request.profile.device.memory_bytes = 350'000'000;
  const plan::Plan bound = planned(make_plan(request));
  EXPECT_FALSE(collectives_per_layer(bound, graph).empty());
  EXPECT_EQ(bound.gap, 0);
  for (const plan::RankMemory& rank : bound.memory) EXPECT_LE(rank.total(), 350'000'000);
}

TEST(Planner, SearchReportsWhatItTriedAndTheChosenOneIsThePlan) {
  const ir::Graph graph = model("llama-3.2-1b");
  const PlanRequest request = {
      .graph = graph, .profile = devices("h100-4x8"), .workload = {}, .dtype = "bf16"};
  std::vector<TriedMesh> tried;
  const plan::Plan plan = planned(plan_for_ranks(request, 4, &tried));
  const auto chosen = std::find_if(tried.begin(), tried.end(),
                                   [](const TriedMesh& mesh) { return mesh.is_chosen; });
  ASSERT_NE(chosen, tried.end());
  EXPECT_GE(tried.size(), 3U);
  EXPECT_EQ(chosen->mesh, plan.mesh.to_string());
  EXPECT_EQ(chosen->step, plan.predicted);
  for (const TriedMesh& mesh : tried) {
    EXPECT_TRUE(mesh.is_decided || !mesh.is_chosen);
    // Simpler meshes win unless others are 2 % faster.
    EXPECT_GE(mesh.request_s, chosen->request_s * 0.98) << mesh.mesh;
  }
}

// Each number is one that a flag or a device file may give; together they are beyond the solvers.
TEST(Planner, NumbersTooLargeToAddAreRefused) {
  const ir::Graph graph = model("llama-3.1-405b");
  PlanRequest request = {
      .graph = graph, .mesh = spec::Mesh({{"gpu", 1}}), .profile = devices("h100-16x8")};
  request.workload = {.concurrency = 65536, .max_context = 131072};
  const auto message = [&] {
    try {
      (void)make_plan(request);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(message(), testing::HasSubstr("lower concurrency"));
  request.workload = {};
  request.mesh = spec::Mesh({{"gpu", 8}});
  for (cost::Link& link : request.profile.links) link.latency_s = 10;
  EXPECT_THAT(message(), testing::HasSubstr("more than 20 hours"));
}

TEST(Planner, UnknownWeightToKeepWholeIsRefused) {
  const ir::Graph graph = model("gpt2");
  const PlanRequest request = {.graph = graph,
                               .mesh = spec::Mesh({{"tp", 2}}),
                               .profile = devices("h100-4x8"),
                               .workload = {},
                               .keep_whole = {"no.such.weight"}};
  EXPECT_THROW((void)make_plan(request), Error);
}

}  // namespace
}  // namespace partita::planner
