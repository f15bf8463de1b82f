// SPDX-License-Identifier: Apache-2.0
// Rules of the graph container, its verifier, and the types of weight sources.
#include "ir/graph.h"

#include <gtest/gtest.h>

#include "ir/weight_type.h"
#include "support/error.h"

namespace partita::ir {
namespace {

const TensorType kVector{DType::kF32, {Dim("t")}};

template <typename Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

Node node(std::string op, std::string name, std::vector<ValueId> inputs) {
  Node result;
  result.op = std::move(op);
  result.name = std::move(name);
  result.inputs = std::move(inputs);
  return result;
}

TEST(Graph, FirstOutputIsNamedLikeTheNodeAndLaterOnesGetNumbers) {
  Graph graph("g");
  const ValueId x = graph.add_input("x", kVector);
  const NodeId split = graph.add_node(node("split", "parts", {x}), std::vector{kVector, kVector});
  EXPECT_EQ(graph.value(graph.node(split).outputs[0]).name, "parts");
  EXPECT_EQ(graph.value(graph.node(split).outputs[1]).name, "parts.1");
  EXPECT_EQ(graph.value(graph.node(split).outputs[1]).producer, split);
  EXPECT_EQ(graph.find_value("parts.1"), graph.node(split).outputs[1]);
  EXPECT_FALSE(graph.find_value("nothing"));
  verify(graph);
}

TEST(Graph, RefusesSecondValueOfOneNameAndUnprintableNames) {
  Graph graph("g");
  graph.add_input("x", kVector);
  EXPECT_NE(message_of([&] { graph.add_state("x", kVector); }).find("second value named %x"),
            std::string::npos);
  EXPECT_THROW(graph.add_input("a b", kVector), Error);
}

TEST(Verify, NamesTheNodeThatReadsALaterOrUnknownValue) {
  Graph graph("g");
  graph.add_node(node("relu", "bad", {5}), std::vector{kVector});
  EXPECT_NE(message_of([&] { verify(graph); }).find("%bad (relu): input 5"), std::string::npos);

  Graph cycle("g");
  cycle.add_node(node("relu", "self", {0}), std::vector{kVector});
  EXPECT_NE(message_of([&] { verify(cycle); }).find("before it is produced"), std::string::npos);
}

TEST(Verify, RefusesUnknownOutputsSymbolicWeightsAndReservedAttributes) {
  Graph outputs("g");
  outputs.set_outputs({0});
  EXPECT_THROW(verify(outputs), Error);

  Graph weight("g");
  weight.add_weight("w", kVector, WeightSource::from_tensor("w"));
  EXPECT_NE(message_of([&] { verify(weight); }).find("weight %w"), std::string::npos);

  Graph reserved("g");
  Node layered = node("relu", "x", {});
  layered.attributes.set("layer", int64_t{1});
  reserved.add_node(layered, std::vector{kVector});
  EXPECT_THROW(verify(reserved), Error);
}

TEST(Verify, OnlyWeightsMayBeStoredInBlocks) {
  Graph graph;
  const ValueId weight =
      graph.add_weight("w", {DType::kQ8_0, {4, 32}}, WeightSource::from_tensor("w"));
  verify(graph);
  const TensorType type{DType::kQ8_0, {4, 32}};
  graph.add_node({"relu", "y", {weight}, {}, {}, -1}, std::span(&type, 1));
  EXPECT_THROW(verify(graph), Error);
  Graph ragged;
  ragged.add_weight("w", {DType::kQ4_0, {4, 33}}, WeightSource::from_tensor("w"));
  EXPECT_THROW(verify(ragged), Error);
}

TEST(WeightType, FollowsSliceTransposeReshapeAndConcat) {
  const auto lookup = [](const std::string&) { return parse_type("bf16[4,12]"); };
  const auto fused = WeightSource::from_tensor("qkv");
  EXPECT_EQ(to_string(type_of(fused.slice(1, {4, 8}).transpose({1, 0}), lookup)), "bf16[4,4]");
  EXPECT_EQ(to_string(type_of(fused.reshape({4, 3, 4}), lookup)), "bf16[4,3,4]");
  EXPECT_EQ(to_string(type_of(WeightSource::concat(1, {fused, fused}), lookup)), "bf16[4,24]");
  EXPECT_EQ(tensors_of(WeightSource::concat(1, {fused, fused})).size(), 2U);
  EXPECT_EQ(to_string(type_of(WeightSource::stack({fused, fused, fused}), lookup)), "bf16[3,4,12]");
}

TEST(WeightSource, ASliceOfAStackNamesOnlyThePartsThatAreLeft) {
  std::vector<WeightSource> experts;
  for (const char* name : {"e0", "e1", "e2", "e3"}) {
    experts.push_back(WeightSource::from_tensor(name));
  }
  const WeightSource stacked = WeightSource::stack(experts);
  const std::string text = to_string(stacked.slice(0, {1, 3}).slice(1, {0, 2}));
  EXPECT_EQ(text, R"(slice(stack(tensor("e1"), tensor("e2")), 1, 0, 2))");
  EXPECT_EQ(to_string(parse_weight_source(text)), text);
  EXPECT_EQ(tensors_of(stacked.slice(0, {1, 3})), (std::vector<std::string>{"e1", "e2"}));
  const auto lookup = [](const std::string&) { return parse_type("f32[4,12]"); };
  EXPECT_EQ(to_string(type_of(stacked.slice(0, {2, 2}), lookup)), "f32[0,4,12]");
}

TEST(WeightType, NamesTheBrokenPart) {
  const auto lookup = [](const std::string& name) {
    return parse_type(name == "a" ? "f32[4,12]" : "f32[5,12]");
  };
  const auto a = WeightSource::from_tensor("a");
  const auto b = WeightSource::from_tensor("b");
  const std::vector<WeightSource> wrong = {
      a.slice(1, {4, 13}),
      a.slice(2, {0, 1}),
      a.transpose({0}),
      a.transpose({1, 1}),
      a.reshape({5, 5}),
      a.reshape({INT64_MAX, 2}),
      WeightSource::concat(1, {a, b}),
      WeightSource::concat(2, {a}),
      WeightSource::stack({a, b}),
      WeightSource::stack({a}).slice(0, {1, 2}),
  };
  for (const WeightSource& source : wrong) {
    const std::string message = message_of([&] { (void)type_of(source, lookup); });
    EXPECT_NE(message.find(to_string(source)), std::string::npos) << message;
  }
  EXPECT_EQ(to_string(type_of(WeightSource::concat(0, {a, b}), lookup)), "f32[9,12]");
}

}  // namespace
}  // namespace partita::ir
