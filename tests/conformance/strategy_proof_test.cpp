// SPDX-License-Identifier: Apache-2.0
// Every derived strategy of every operator is proved on virtual ranks; wrong declarations are
// found.
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "prove_all.h"

namespace partita::ops {
namespace {

const std::vector<spec::Mesh>& meshes() {
  static const std::vector<spec::Mesh> all = {
      spec::Mesh::parse("a=2"), spec::Mesh::parse("a=3"),     spec::Mesh::parse("a=4"),
      spec::Mesh::parse("a=8"), spec::Mesh::parse("a=2,b=2"), spec::Mesh::parse("a=2,b=3")};
  return all;
}

TEST(StrategyProof, EveryStrategyOfEveryOp) {
  const std::vector<PieceChoice> choices = {{"balanced", nullptr}, growing()};
  EXPECT_GT(prove_all(meshes(), choices), 5000);
}

// True when some strategy of the changed notation gives a wrong result on two ranks.
bool is_found(std::string_view op_name, void (*spoil)(spec::Notation&)) {
  const ops::OpDef& op = ops::find_op(op_name);
  const UncutCall call(op, op.samples().front(), 1);
  spec::Notation notation = call.notation();
  spoil(notation);
  const spec::Mesh mesh = spec::Mesh::parse("a=2");
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    try {
      if (call.disprove(strategy, notation, mesh)) return true;
    } catch (const Error&) {
      return true;
    }
  }
  return false;
}

void split_whole_factors(spec::Notation& notation) {
  for (spec::Factor& factor : notation.factors) {
    if (factor.kind == spec::FactorKind::kWhole) factor.kind = spec::FactorKind::kMap;
  }
}
void forget_reductions(spec::Notation& notation) {
  for (spec::Factor& factor : notation.factors) {
    if (factor.kind == spec::FactorKind::kReduce) factor.kind = spec::FactorKind::kMap;
  }
}
void reduce_as_product(spec::Notation& notation) {
  for (spec::Factor& factor : notation.factors) factor.reduce = ReduceKind::kProd;
}
void pass_first_partial(spec::Notation& notation) { notation.linear_in = {{0}}; }
void pass_all_partials(spec::Notation& notation) {
  notation.linear_in = {{}};
  for (size_t i = 0; i < notation.inputs.size(); ++i) {
    notation.linear_in[0].push_back(static_cast<int>(i));
  }
}
// Rows held elsewhere are then looked up in the local table.
void rename_factors(spec::Notation& notation) {
  for (spec::Factor& factor : notation.factors) factor.name += "x";
}
void leave_as_it_is(spec::Notation&) {}

TEST(StrategyProof, WrongDeclarationsAreFound) {
  EXPECT_TRUE(is_found("softmax", split_whole_factors));
  EXPECT_TRUE(is_found("rms_norm", split_whole_factors));
  EXPECT_TRUE(is_found("layer_norm", split_whole_factors));
  EXPECT_TRUE(is_found("rope", split_whole_factors));
  EXPECT_TRUE(is_found("attention", split_whole_factors));
  EXPECT_TRUE(is_found("linear", forget_reductions));
  EXPECT_TRUE(is_found("reduce_max", forget_reductions));
  EXPECT_TRUE(is_found("reduce_sum", reduce_as_product));
  EXPECT_TRUE(is_found("silu", pass_first_partial));
  EXPECT_TRUE(is_found("softmax", pass_first_partial));
  EXPECT_TRUE(is_found("add", pass_first_partial));
  EXPECT_TRUE(is_found("matmul", pass_all_partials));
  EXPECT_TRUE(is_found("mul", pass_all_partials));
  EXPECT_TRUE(is_found("embedding", rename_factors));
  EXPECT_TRUE(is_found("router", split_whole_factors));
  EXPECT_TRUE(is_found("experts", split_whole_factors));
  EXPECT_TRUE(is_found("experts", forget_reductions));
  EXPECT_TRUE(is_found("experts", pass_first_partial));
  EXPECT_TRUE(is_found("experts", rename_factors));
  EXPECT_FALSE(is_found("linear", leave_as_it_is));
  EXPECT_FALSE(is_found("attention", leave_as_it_is));
}

// Dropping the phase goes unseen where groups are not cut, so a cut one is asked for.
TEST(StrategyProof, AGroupCutInTheMiddleNeedsItsPhase) {
  const ops::OpDef& op = ops::find_op("attention");
  const UncutCall call(op, op.samples().front(), 1);
  const spec::Mesh mesh = spec::Mesh::parse("a=4");  // 6 heads in groups of 3: pieces 2 2 1 1
  const spec::Notation notation = call.notation();
  spec::Notation renamed = notation;
  rename_factors(renamed);
  int found = 0;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    EXPECT_FALSE(call.disprove(strategy, notation, mesh).has_value());
    try {
      found += call.disprove(strategy, renamed, mesh).has_value() ? 1 : 0;
    } catch (const Error&) {
      ++found;
    }
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace partita::ops
