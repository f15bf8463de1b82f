// SPDX-License-Identifier: Apache-2.0
// Stages cut by hand, by balance, and around shared weights.
#include "planner/stages/split_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "importer/importer.h"
#include "planner/baselines/baselines.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;
using testing::Not;

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

ir::Graph model(const std::string& name) {
  return importer::import_model(data("configs/" + name), {.weight_dtype = DType::kBF16}).graph;
}

std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  return "accepted";
}

std::vector<int64_t> cuts(const ir::Graph& graph, const std::vector<std::string>& points) {
  return cuts_at(graph, points);
}

// The first nodes of the stages but the first.
std::vector<int64_t> cuts_of(const plan::Plan& plan) {
  std::vector<int64_t> result;
  for (size_t i = 1; i < plan.stages.size(); ++i) result.push_back(plan.stages[i].first_node);
  return result;
}

plan::Plan planned(const PlanRequest& request) {
  const PlanResult result = make_plan(request);
  if (const auto* infeasible = std::get_if<Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, infeasible->reason);
  }
  return std::get<plan::Plan>(result);
}

PlanRequest request_for(const ir::Graph& graph, const std::string& mesh) {
  return {.graph = graph,
          .mesh = spec::Mesh::parse(mesh),
          .profile = cost::load_profile(data("devices/test-cpu.toml")),
          .dtype = "bf16"};
}

TEST(CutsAt, ModulesOperatorsAndNumbers) {
  const ir::Graph graph = model("llama-3.2-1b");
  const std::vector<int64_t> middle = even_layer_cuts(graph, 2);
  EXPECT_EQ(cuts(graph, {"before:layers.8"}), middle);
  EXPECT_EQ(cuts(graph, {"layers.8"}), middle);
  EXPECT_EQ(cuts(graph, {"after:layers.7"}), middle);
  EXPECT_EQ(cuts(graph, {"after:layers.{5,7,6}"}), middle);
  EXPECT_EQ(cuts(graph, {std::to_string(middle[0])}), middle);
  EXPECT_EQ(cuts(graph, {"after:" + std::to_string(middle[0] - 1)}), middle);
  EXPECT_EQ(cuts(graph, {"layers.12", "layers.4", "layers.8"}), even_layer_cuts(graph, 4));
  const int64_t down = cuts(graph, {"before:layers.3.mlp.down_proj"})[0];
  EXPECT_EQ(graph.node(static_cast<ir::NodeId>(down)).name, "layers.3.mlp.down_proj");
}

TEST(CutsAt, WhatCannotBeMeantIsRefused) {
  const ir::Graph graph = model("gpt2");
  const auto refusal = [&](const std::vector<std::string>& points) {
    return refusal_of([&] { (void)cuts(graph, points); });
  };
  EXPECT_THAT(refusal({"before:layers.3.mpl"}), HasSubstr("nearest are"));
  // Names of the same beginning come before shorter ones that take fewer edits.
  EXPECT_THAT(refusal({"layers.99"}), HasSubstr("nearest are layers.0."));
  EXPECT_THAT(refusal({"layers.99"}), HasSubstr("; the numbers behind layers are 0 .. "));
  EXPECT_THAT(refusal({"layers.1.mpl"}), Not(HasSubstr("numbers behind")));
  EXPECT_THAT(refusal({"before:"}), HasSubstr("expected before:NAME"));
  EXPECT_THAT(refusal({"0"}), HasSubstr("without operators"));
  EXPECT_THAT(refusal({"100000"}), HasSubstr("without operators"));
  EXPECT_THAT(refusal({"7", "before:7"}), HasSubstr("already"));
}

TEST(CutsAt, PlansHaveTheStagesAskedFor) {
  const ir::Graph graph = model("gpt2");
  PlanRequest request = request_for(graph, "pp=3");
  request.cuts = cuts(graph, {"after:0", "20"});
  EXPECT_EQ(cuts_of(planned(request)), (std::vector<int64_t>{1, 20}));
  request.mesh = spec::Mesh::parse("pp=2");
  EXPECT_THAT(refusal_of([&] { (void)make_plan(request); }), HasSubstr("2 cuts for 2 stages"));
  const PlanResult searched = plan_for_ranks(request, 6);
  ASSERT_TRUE(std::holds_alternative<plan::Plan>(searched));
  EXPECT_EQ(cuts_of(std::get<plan::Plan>(searched)), request.cuts);
  EXPECT_THAT(refusal_of([&] { (void)plan_for_ranks(request, 4); }), HasSubstr("3 stages"));
}

class Balance : public testing::Test {
 protected:
  // The largest share that a stage has of time (decode and prefill of a request) and of bytes.
  struct Shares {
    double seconds = 0;
    double bytes = 0;
  };
  Shares shares(StageBalance balance) {
    PlanRequest request = request_for(graph_, "pp=3");
    request.balance = balance;
    const plan::Plan plan = planned(request);
    Shares shares;
    for (const plan::Stage& stage : plan.stages) {
      const double chunks = static_cast<double>(request.workload.prompt_tokens) /
                            static_cast<double>(request.workload.max_step_tokens);
      const double seconds =
          static_cast<double>(request.workload.output_tokens) *
              (stage.predicted.decode_compute_s + stage.predicted.decode_comm_s) +
          chunks * (stage.predicted.prefill_compute_s + stage.predicted.prefill_comm_s);
      shares.seconds = std::max(shares.seconds, seconds);
    }
    for (const plan::RankMemory& rank : plan.memory) {
      shares.bytes = std::max(shares.bytes, static_cast<double>(rank.weights + rank.kv_cache));
    }
    cuts_ = cuts_of(plan);
    return shares;
  }

  const ir::Graph graph_ = model("gpt2");
  std::vector<int64_t> cuts_;
};

// The embedding takes no time and a third of the bytes, the head both: with weight on memory the
// first stage gets fewer layers.
TEST_F(Balance, MemoryWeightGoesFromTimeToMemory) {
  using By = StageBalance::By;
  const Shares time = shares({By::kMix, 0});
  const std::vector<int64_t> by_time = cuts_;
  const Shares half = shares({By::kMix, 0.5});
  const std::vector<int64_t> by_half = cuts_;
  const Shares memory = shares({By::kMix, 1});
  const std::vector<int64_t> by_memory = cuts_;
  EXPECT_LT(time.seconds, memory.seconds);
  EXPECT_LT(memory.bytes, time.bytes);
  EXPECT_LE(half.seconds, memory.seconds * 1.0001);
  EXPECT_LE(half.bytes, time.bytes * 1.0001);
  EXPECT_GT(by_time[0], by_memory[0]);
  EXPECT_GE(by_time[0], by_half[0]);
  EXPECT_GE(by_half[0], by_memory[0]);
  // Time alone is what the slowest stage is cut by anyway.
  (void)shares({});
  EXPECT_EQ(cuts_, by_time);
}

TEST_F(Balance, EqualSizeBalancesTheBytesOfWeights) {
  PlanRequest request = request_for(graph_, "pp=3");
  const auto largest = [&](StageBalance::By by) {
    request.balance.by = by;
    int64_t bytes = 0;
    for (const plan::RankMemory& rank : planned(request).memory) {
      bytes = std::max(bytes, rank.weights);
    }
    return bytes;
  };
  const int64_t equal = largest(StageBalance::By::kWeightBytes);
  EXPECT_LT(equal, largest(StageBalance::By::kObjective));
  // No stage can have less than a third of all weights, the tied embedding stored twice.
  EXPECT_GE(equal, (2 * (int64_t{124439808} + 50257 * 768)) / 3);
  EXPECT_LE(equal, (2 * (int64_t{124439808} + 50257 * 768)) / 3 * 11 / 10);
}

TEST(SharedWeightsTogether, NoCutComesBetweenTheReaders) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,1024]
  weight %a : f32[1024,1024] = tensor("a")
  weight %s : f32[1024,1024] = tensor("s")
  weight %b : f32[1024,1024] = tensor("b")
  %1 : f32[t,1024] = linear(%x, %a) {layer = 0}
  %2 : f32[t,1024] = linear(%1, %s) {layer = 1}
  %3 : f32[t,1024] = linear(%2, %s) {layer = 2}
  %4 : f32[t,1024] = linear(%3, %b) {layer = 3}
  return %4
}
)");
  PlanRequest request = request_for(graph, "pp=2");
  const plan::Plan apart = planned(request);
  EXPECT_EQ(cuts_of(apart), (std::vector<int64_t>{2}));
  EXPECT_EQ(apart.copies.size(), 1U);
  request.shared_weights = SharedWeights::kTogether;
  const plan::Plan together = planned(request);
  EXPECT_NE(cuts_of(together), (std::vector<int64_t>{2}));
  EXPECT_TRUE(together.copies.empty());
  const auto bytes = [](const plan::Plan& plan) {
    return plan.memory[0].weights + plan.memory[1].weights;
  };
  EXPECT_EQ(bytes(apart) - bytes(together), 1024 * 1024 * 4);
}

// The owner stores the tied embedding alone; the last stage needs room for it while it runs.
TEST(SharedWeightsSent, OneStageStoresAndTheOthersAreSent) {
  const ir::Graph graph = model("gpt2");
  for (const char* mesh : {"pp=2", "pp=2,tp=2"}) {
    PlanRequest request = request_for(graph, mesh);
    const plan::Plan copied = planned(request);
    request.shared_weights = SharedWeights::kSent;
    request.cuts = cuts_of(copied);
    const plan::Plan sent = planned(request);
    ASSERT_EQ(sent.copies.size(), 1U) << mesh;
    EXPECT_EQ(sent.copies[0].value, "wte.weight");
    EXPECT_TRUE(sent.copies[0].is_sent);
    // What the last stage had of the table it needs room for now, and whole.
    constexpr int64_t kTable = int64_t{50257} * 768 * 2;
    const int64_t ranks = mesh == std::string("pp=2") ? 1 : 2;
    const plan::RankMemory& before = copied.memory.back();
    const plan::RankMemory& after = sent.memory.back();
    EXPECT_NEAR(before.weights - after.weights, kTable / ranks, 768 * 2) << mesh;
    EXPECT_GE(after.activations, kTable) << mesh;
    EXPECT_LT(before.activations, kTable) << mesh;
    // 10 GB/s between stages.
    EXPECT_GE(sent.predicted.decode_comm_s - copied.predicted.decode_comm_s, kTable / 10e9) << mesh;
    plan::validate(sent, graph);
    const std::string text = plan::to_json(sent, graph).dump();
    EXPECT_EQ(plan::plan_from_json(parse_json(text, "x"), graph, "x"), sent);
  }
}

TEST(SharedWeightsTogether, TiedEmbeddingsLeaveOneStage) {
  const ir::Graph graph = model("gpt2");
  PlanRequest request = request_for(graph, "pp=2");
  request.shared_weights = SharedWeights::kTogether;
  EXPECT_THAT(refusal_of([&] { (void)make_plan(request); }), HasSubstr("wte"));
  const PlanResult searched = plan_for_ranks(request, 4);
  ASSERT_TRUE(std::holds_alternative<plan::Plan>(searched));
  EXPECT_EQ(std::get<plan::Plan>(searched).stages.size(), 1U);
}

}  // namespace
}  // namespace partita::planner
