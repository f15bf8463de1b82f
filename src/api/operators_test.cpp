// SPDX-License-Identifier: Apache-2.0
// Operators through the public header: rules as texts, proofs, refused texts.
#include "partita/operators.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "partita/error.h"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> choices(const OperatorRules& found) {
  std::vector<std::string> texts;
  for (const OperatorRule& rule : found.rules) texts.push_back(rule.choice + " " + rule.reduction);
  return texts;
}

TEST(Operators, AreListedWithTheirNotation) {
  const std::vector<OperatorSummary> all = list_operators();
  const auto matmul = std::ranges::find(all, "matmul", &OperatorSummary::name);
  ASSERT_NE(matmul, all.end());
  EXPECT_THAT(matmul->notation, HasSubstr("sum k"));
  EXPECT_FALSE(matmul->is_collective);
  EXPECT_TRUE(std::ranges::find(all, "all_reduce", &OperatorSummary::name)->is_collective);
}

TEST(Operators, RulesOfAMatmul) {
  const OperatorRules found =
      operator_rules({.op = "matmul", .mesh = "tp=4", .shapes = {"32x64", "64x32"}});
  EXPECT_EQ(found.call, "f32[32,64], f32[64,32] -> f32[32,32]");
  EXPECT_THAT(choices(found),
              ElementsAre("replicated none", "m:tp none", "n:tp none", "k:tp all_reduce",
                          "k:tp reduce_scatter", "partial0:tp passed", "partial1:tp passed"));
  const OperatorRule& scatter = found.rules[4];
  EXPECT_THAT(scatter.inputs, ElementsAre("[m, k:tp]", "[k:tp, n]"));
  EXPECT_THAT(scatter.outputs, ElementsAre("[m:tp, n]"));
  EXPECT_EQ(scatter.flops, 2 * 32 * 16 * 32);
  EXPECT_EQ(scatter.is_proved, std::nullopt);
}

TEST(Operators, EveryRuleOfEverySampleIsProvedOnTwoAxes) {
  for (const OperatorSummary& op : list_operators()) {
    if (op.is_collective) continue;
    const OperatorRules found = operator_rules({.op = op.name, .mesh = "a=2,b=2", .prove = true});
    for (const OperatorRule& rule : found.rules) {
      EXPECT_EQ(rule.is_proved, true) << op.name << " " << rule.choice << rule.counterexample;
    }
  }
}

TEST(Operators, TakeAttributesElementTypesAndSymbols) {
  const OperatorRules reshape = operator_rules(
      {.op = "reshape", .mesh = "tp=4", .shapes = {"4x8x4"}, .attributes = {"shape=32,-1"}});
  EXPECT_EQ(reshape.call, "f32[4,8,4] -> f32[32,4]");
  EXPECT_EQ(reshape.rules.size(), 4U);
  const OperatorRules linear = operator_rules({.op = "linear", .shapes = {"t,12", "bf16:8x12"}});
  EXPECT_EQ(linear.call, "f32[t,12], bf16[8,12] -> f32[t,8]");
  const OperatorRules scale =
      operator_rules({.op = "scale", .shapes = {"6"}, .attributes = {"factor=2.5"}});
  EXPECT_EQ(scale.rules.size(), 3U);
  EXPECT_TRUE(operator_rules({.op = "all_reduce"}).rules.empty());
}

std::string message_of(const OperatorCall& call) {
  try {
    static_cast<void>(operator_rules(call));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Operators, AProofTakesAsManyCellsAsItsNumbersStayExactFor) {
  for (const OperatorRule& rule :
       operator_rules({.op = "matmul", .mesh = "tp=64", .prove = true}).rules) {
    EXPECT_TRUE(rule.is_proved.value()) << rule.choice << ": " << rule.counterexample;
  }
  EXPECT_THAT(message_of({.op = "matmul", .mesh = "tp=65", .prove = true}),
              HasSubstr("65 cells; expected at most 64"));
  EXPECT_THAT(message_of({.op = "gelu", .mesh = "tp=9", .shapes = {"f16:3x4"}, .prove = true}),
              HasSubstr("at most 8 with f16"));
}

TEST(Operators, RefuseBadTexts) {
  EXPECT_THAT(message_of({.op = "matmull"}), HasSubstr("matmul"));
  EXPECT_THAT(message_of({.op = "gelu", .mesh = "tp=0"}), HasSubstr("[mesh]"));
  EXPECT_THAT(message_of({.op = "gelu", .shapes = {"3x"}}), HasSubstr("shape \"3x\""));
  EXPECT_THAT(message_of({.op = "gelu", .shapes = {"f31:3"}}), HasSubstr("shape \"f31:3\""));
  EXPECT_THAT(message_of({.op = "gelu", .shapes = {"3", "4"}}), HasSubstr("2 inputs; expected 1"));
  EXPECT_THAT(message_of({.op = "scale", .shapes = {"3"}}), HasSubstr("factor is missing"));
  EXPECT_THAT(message_of({.op = "scale", .shapes = {"3"}, .attributes = {"factor"}}),
              HasSubstr("expected name=value"));
  EXPECT_THAT(message_of({.op = "gelu", .shapes = {"t,3"}, .prove = true}), HasSubstr("symbolic"));
  EXPECT_THAT(message_of({.op = "gelu", .shapes = {"100000x100000"}, .prove = true}),
              HasSubstr("smaller shapes"));
  // Nothing is computed, but much is moved.
  EXPECT_THAT(message_of({.op = "transpose",
                          .shapes = {"30000x30000"},
                          .attributes = {"permutation=1,0"},
                          .prove = true}),
              HasSubstr("elements"));
  EXPECT_THAT(message_of({.op = "embedding", .shapes = {"20x3", "7"}, .prove = true}), "no error");
}

}  // namespace
}  // namespace partita
