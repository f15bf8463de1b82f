// SPDX-License-Identifier: Apache-2.0
// Graphs that are no chains, cut into stages by the planner, give what the uncut graph gives.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>

#include "api/virtual_ranks.h"
#include "cost/profile.h"
#include "ops/op.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::api {
namespace {

constexpr int64_t kTokens = 5;
constexpr int64_t kWidth = 12;

// A graph with its numbers.
class Source {
 public:
  explicit Source(const std::string& name) : graph_(name) { model_.sizes = {{"t", kTokens}}; }

  ir::ValueId input(const std::string& name) {
    fill(name, kTokens * kWidth);
    return graph_.add_input(name, type({"t", kWidth}));
  }
  ir::ValueId weight(const std::string& name) {
    fill(name, kWidth * kWidth);
    model_.tensors[name] = type({kWidth, kWidth});
    return graph_.add_weight(name + ".weight", type({kWidth, kWidth}),
                             ir::WeightSource::from_tensor(name));
  }
  ir::ValueId op(const char* op, const std::vector<ir::ValueId>& inputs) {
    return ops::add_op(graph_, op, inputs, {.name = str(op, ".", next_++)});
  }
  // relu(x weight)
  ir::ValueId block(ir::ValueId x, ir::ValueId weight) {
    return op("relu", {op("linear", {x, weight})});
  }
  void finish(const std::vector<ir::ValueId>& outputs) { graph_.set_outputs(outputs); }

  [[nodiscard]] const ir::Graph& graph() const { return graph_; }
  [[nodiscard]] const MemoryModel& model() const { return model_; }

 private:
  static ir::TensorType type(std::vector<ir::Dim> dims) { return {DType::kF32, std::move(dims)}; }
  void fill(const std::string& name, int64_t count) {
    std::uniform_real_distribution<float> distribution(-0.5F, 0.5F);
    for (int64_t i = 0; i < count; ++i) model_.floats[name].push_back(distribution(random_));
  }

  ir::Graph graph_;
  MemoryModel model_;
  std::mt19937 random_{5};
  int next_ = 0;
};

// Two inputs and two outputs; every block of the decoder reads what the encoder made last.
Source encoder_decoder() {
  Source source("encoder_decoder");
  ir::ValueId encoded = source.input("source");
  ir::ValueId decoded = source.input("target");
  for (int i = 0; i < 3; ++i) encoded = source.block(encoded, source.weight(str("encoder", i)));
  for (int i = 0; i < 3; ++i) {
    const ir::ValueId crossed = source.op("linear", {encoded, source.weight(str("cross", i))});
    const ir::ValueId own = source.block(decoded, source.weight(str("decoder", i)));
    decoded = source.op("add", {own, crossed});
  }
  source.finish({decoded, encoded});
  return source;
}

// What goes down is added again on the way up, the input last.
Source skips() {
  Source source("skips");
  const ir::ValueId x = source.input("x");
  const ir::ValueId first = source.block(x, source.weight("down0"));
  const ir::ValueId second = source.block(first, source.weight("down1"));
  const ir::ValueId bottom = source.block(second, source.weight("down2"));
  ir::ValueId up = source.op("add", {source.block(bottom, source.weight("up0")), second});
  up = source.op("add", {source.block(up, source.weight("up1")), first});
  source.finish({source.op("add", {source.op("linear", {up, source.weight("up2")}), x})});
  return source;
}

// One weight in all blocks.
Source recurrent() {
  Source source("recurrent");
  const ir::ValueId x = source.input("x");
  const ir::ValueId shared = source.weight("shared");
  ir::ValueId y = x;
  for (int i = 0; i < 4; ++i) y = source.op("add", {source.block(y, shared), x});
  source.finish({y});
  return source;
}

plan::Plan planned(const ir::Graph& graph, const std::string& mesh) {
  const planner::PlanRequest request = {
      .graph = graph,
      .mesh = spec::Mesh::parse(mesh),
      .profile = cost::load_profile(std::filesystem::path(PARTITA_SOURCE_DIR) /
                                    "tests/data/devices/test-cpu.toml")};
  const planner::PlanResult result = planner::make_plan(request);
  if (const auto* infeasible = std::get_if<planner::Infeasible>(&result)) {
    throw Error(ErrorCode::kInfeasible, infeasible->reason);
  }
  return std::get<plan::Plan>(result);
}

void expect_same(const Source& source, const std::string& mesh) {
  const StepOutputs expected = run_whole(source.graph(), source.model());
  const plan::Plan plan = planned(source.graph(), mesh);
  const std::vector<StepOutputs> found = run_ranks(source.graph(), plan, source.model());
  for (const int rank : plan.stages.back().mesh.ranks()) {
    const StepOutputs& outputs = found[static_cast<size_t>(rank)];
    ASSERT_EQ(outputs.size(), expected.size()) << mesh;
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(outputs[i].size(), expected[i].size()) << mesh;
      for (size_t j = 0; j < expected[i].size(); ++j) {
        ASSERT_NEAR(outputs[i][j], expected[i][j], 1e-5F * (1 + std::abs(expected[i][j]))) << mesh;
      }
    }
  }
}

class NonChain : public testing::TestWithParam<const char*> {};

TEST_P(NonChain, EncoderAndDecoderEqualTheUncutRun) { expect_same(encoder_decoder(), GetParam()); }
TEST_P(NonChain, SkipsEqualTheUncutRun) { expect_same(skips(), GetParam()); }
TEST_P(NonChain, SharedWeightsEqualTheUncutRun) { expect_same(recurrent(), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Meshes,
                         NonChain,
                         testing::Values("pp=2", "pp=3", "pp=2,tp=2", "pp=3,tp=3"),
                         [](const auto& row) {
                           std::string name = row.param;
                           std::erase_if(name, [](char c) { return c == ',' || c == '='; });
                           return name;
                         });

// Each stage that reads it has a copy of its own.
TEST(NonChain, ACopyOfASharedWeightCostsItsBytes) {
  const Source source = recurrent();
  const plan::Plan one = planned(source.graph(), "tp=1");
  const plan::Plan three = planned(source.graph(), "pp=3");
  int64_t bytes = 0;
  for (const plan::RankMemory& rank : three.memory) bytes += rank.weights;
  EXPECT_GE(three.copies.size(), 1U);
  EXPECT_EQ(bytes, static_cast<int64_t>(1 + three.copies.size()) * one.memory[0].weights);
}

}  // namespace
}  // namespace partita::api
