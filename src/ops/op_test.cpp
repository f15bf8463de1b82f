// SPDX-License-Identifier: Apache-2.0
// The operator table and what is derived from declarations.
#include "ops/op.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "ops/declaration.h"
#include "ops/kernel.h"
#include "ops/kernel_table.h"
#include "ops/op_table.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::HasSubstr;

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::string> folders_on_disk() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(PARTITA_SOURCE_DIR "/src/ops")) {
    // What several operators compute with, not operators.
    const auto name = entry.path().filename();
    if (!entry.is_directory() || name == "product" || name == "vector") continue;
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(OpTable, HasOneRowPerFolder) {
  std::vector<std::string> declared;
  for (const OpFolder& folder : op_folders()) declared.emplace_back(folder.name);
  std::vector<std::string> computed;
  for (const KernelFolder& folder : kernel_folders()) computed.emplace_back(folder.name);
  EXPECT_EQ(declared, folders_on_disk());
  EXPECT_EQ(computed, folders_on_disk());
}

TEST(OpTable, HasEveryOperatorOfTheFoldersSortedByName) {
  size_t rows = 0;
  for (const OpFolder& folder : op_folders()) rows += folder.ops().size();
  EXPECT_EQ(all_ops().size(), rows);
  EXPECT_TRUE(std::ranges::is_sorted(all_ops(), {}, &OpDef::name));
  EXPECT_EQ(find_op("linear").name, "linear");
}

TEST(OpTable, EveryOperatorHasKernelsThatEndWithTheReference) {
  std::set<std::string_view> with_kernels;
  for (const KernelFolder& folder : kernel_folders()) {
    for (const KernelList& list : folder.kernels()) with_kernels.insert(list.op);
  }
  EXPECT_EQ(with_kernels.size(), all_ops().size());
  for (const OpDef* op : all_ops()) {
    ASSERT_FALSE(cpu_kernels_of(op->name).empty()) << op->name;
    EXPECT_EQ(cpu_kernels_of(op->name).back().name, "reference") << op->name;
  }
}

TEST(OpTable, EveryOperatorButSendAndRecvHasValidSamples) {
  for (const OpDef* op : all_ops()) {
    if (op->name == "send" || op->name == "recv") continue;
    ASSERT_NE(op->samples, nullptr) << op->name;
    for (const OpSample& sample : op->samples()) {
      EXPECT_FALSE(infer_types({op->name, sample.attributes, sample.inputs}).empty()) << op->name;
      EXPECT_EQ(sample.integer_below.size(), sample.inputs.size()) << op->name;
    }
  }
}

TEST(FindOp, NamesTheNearestOperators) {
  const std::string message = message_of([] { static_cast<void>(find_op("liner")); });
  EXPECT_THAT(message, HasSubstr("\"liner\""));
  EXPECT_THAT(message, HasSubstr("linear"));
}

TEST(InferTypes, KeepsTheSymbolOfTheDimThatCarriesTheFactor) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 12}}, f32({7, 12})};
  const ir::Attributes none;
  const auto types = infer_types({"linear", none, inputs});
  ASSERT_EQ(types.size(), 1U);
  EXPECT_EQ(ir::to_string(types[0]), "f32[t,7]");
}

TEST(InferTypes, RefusesTwoSymbolsForOneFactor) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 12}}, {DType::kF32, {"s", 12}}};
  const ir::Attributes none;
  EXPECT_THAT(message_of([&] {
                static_cast<void>(infer_types({"add", none, inputs}));
              }),
              HasSubstr("is s; expected t"));
}

TEST(InferTypes, RefusesAWrongNumberOfInputsNamingTheOp) {
  const std::vector<ir::TensorType> inputs = {f32({5, 12})};
  const ir::Attributes none;
  EXPECT_THAT(message_of([&] {
                static_cast<void>(infer_types({"linear", none, inputs}));
              }),
              HasSubstr("linear: 1 inputs; expected 2"));
}

TEST(Costs, OfLinearAreTwoFlopsPerProductAndAllTensorsOnce) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 12}}, bf16({7, 12})};
  const ir::Attributes none;
  const OpCall call{"linear", none, inputs};
  EXPECT_EQ(flops_of(call, {{"t", 5}}), 2 * 5 * 12 * 7);
  EXPECT_EQ(bytes_of(call, {{"t", 5}}), 4 * 5 * 12 + 2 * 7 * 12 + 4 * 5 * 7);
}

TEST(Costs, OfReshapeAreNothing) {
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", 12}}};
  const ir::Attributes shape = attributes({{"shape", std::vector<int64_t>{0, 3, -1}}});
  EXPECT_EQ(flops_of({"reshape", shape, inputs}, {{"t", 5}}), 0);
  EXPECT_EQ(bytes_of({"reshape", shape, inputs}, {{"t", 5}}), 0);
}

TEST(Costs, OfAttentionGrowWithTheContextAndNotWithTheCache) {
  const OpSample sample = find_op("attention").samples().front();
  const auto at = [&](int64_t blocks, int64_t columns) {
    std::vector<ir::TensorType> inputs = sample.inputs;
    for (const size_t cache : {3U, 4U}) inputs[cache].dims[1] = blocks;
    inputs[7].dims[1] = columns;
    return std::pair(flops_of({"attention", sample.attributes, inputs}, {}),
                     bytes_of({"attention", sample.attributes, inputs}, {}));
  };
  // 9 tokens, 6 heads of 5, 3 blocks of 4 positions: 4 flops per token, head element and position.
  EXPECT_EQ(at(8, 3).first, 4 * 9 * 6 * 5 * 3 * 4);
  EXPECT_EQ(at(8, 3), at(80, 3));
  EXPECT_LT(at(8, 3).second, at(8, 4).second);
}

ir::Graph small_graph() {
  ir::Graph graph("small");
  const ir::ValueId x = graph.add_input("x", {DType::kF32, {"t", 12}});
  const ir::ValueId w = graph.add_weight("w", f32({7, 12}), ir::WeightSource::from_tensor("w"));
  const ir::ValueId y = add_op(graph, "linear", {x, w}, {.name = "proj"});
  graph.set_outputs({add_op(graph, "silu", {y}, {.name = "act", .layer = 3})});
  return graph;
}

TEST(AddOp, AddsANodeWithInferredTypes) {
  const ir::Graph graph = small_graph();
  ASSERT_EQ(graph.nodes().size(), 2U);
  EXPECT_EQ(graph.node(1).layer, 3);
  EXPECT_EQ(ir::to_string(graph.value(graph.outputs()[0]).type), "f32[t,7]");
  EXPECT_NO_THROW(verify_types(graph));
  EXPECT_EQ(spec::to_string(notation_of(graph, graph.node(0))),
            "[d0,n] <- [d0,k], [n,k]; d0,n map; k sum; linear 0 | 1");
}

// Adds a node without asking infer_types().
void add_raw_node(ir::Graph& graph,
                  std::string_view op,
                  std::vector<ir::ValueId> inputs,
                  const ir::TensorType& result,
                  const ir::Attributes& attributes = {}) {
  ir::Node node;
  node.op = op;
  node.name = str("raw_", op);
  node.inputs = std::move(inputs);
  node.attributes = attributes;
  graph.add_node(node, std::span(&result, 1));
}

TEST(VerifyTypes, NamesTheNodeWhoseResultIsWrong) {
  ir::Graph graph = small_graph();
  add_raw_node(graph, "relu", {graph.outputs()[0]}, f32({5, 7}));
  const std::string message = message_of([&] { verify_types(graph); });
  EXPECT_THAT(message, HasSubstr("%raw_relu"));
  EXPECT_THAT(message, HasSubstr("f32[5,7]; expected f32[t,7]"));
}

TEST(VerifyTypes, NamesTheNodeWhoseOperatorIsUnknown) {
  ir::Graph graph = small_graph();
  add_raw_node(graph, "relo", {graph.outputs()[0]}, f32({5, 7}));
  const std::string message = message_of([&] { verify_types(graph); });
  EXPECT_THAT(message, HasSubstr("%raw_relo"));
  EXPECT_THAT(message, HasSubstr("relu"));
}

TEST(VerifyTypes, LetsCollectivesHaveUnevenResults) {
  ir::Graph graph = small_graph();
  const ir::Attributes scatter = attributes({{"group", "0,1"},
                                             {"reduce", "sum"},
                                             {"dim", int64_t{1}},
                                             {"begins", std::vector<int64_t>{0, 4}},
                                             {"ends", std::vector<int64_t>{4, 7}}});
  const ir::ValueId y = graph.outputs()[0];
  add_raw_node(graph, "reduce_scatter", {y}, {DType::kF32, {"t", 3}}, scatter);
  add_raw_node(graph, "recv", {}, {DType::kF32, {"t", 7}},
               attributes({{"group", "0,1"}, {"from", int64_t{0}}}));
  EXPECT_NO_THROW(verify_types(graph));
  add_raw_node(graph, "all_reduce", {y}, {DType::kF32, {7}},
               attributes({{"group", "0,1"}, {"reduce", "sum"}}));
  EXPECT_THAT(message_of([&] { verify_types(graph); }), HasSubstr("%raw_all_reduce"));
}

}  // namespace
}  // namespace partita::ops
