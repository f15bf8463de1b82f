// SPDX-License-Identifier: Apache-2.0
// Every derived strategy of every operator is proved on virtual ranks; wrong declarations are
// found.
#include "strategy_proof.h"

#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::conformance {
namespace {

const std::vector<spec::Mesh>& meshes() {
  static const std::vector<spec::Mesh> all = {
      spec::Mesh::parse("a=2"), spec::Mesh::parse("a=3"),     spec::Mesh::parse("a=4"),
      spec::Mesh::parse("a=8"), spec::Mesh::parse("a=2,b=2"), spec::Mesh::parse("a=2,b=3")};
  return all;
}

// Proves all strategies of one call on one mesh with balanced and with growing pieces; returns how
// many.
int prove_all(const UncutCall& call, const spec::Mesh& mesh, const std::string& what) {
  const spec::Notation notation = call.notation();
  const spec::PiecesOf growing = [&](int factor, std::span<const int> axes) {
    return growing_pieces(notation.factors[static_cast<size_t>(factor)].size, mesh.size_of(axes));
  };
  int proved = 0;
  for (const spec::PiecesOf& pieces : {spec::PiecesOf(), growing}) {
    for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh, pieces)) {
      const std::string name = str(what, " ", to_string(strategy, notation, mesh), " on ",
                                   mesh.to_string(), pieces ? ", growing pieces" : "");
      try {
        const auto wrong = call.disprove(strategy, notation, mesh);
        EXPECT_FALSE(wrong.has_value()) << name << ": " << *wrong;
      } catch (const Error& error) {
        ADD_FAILURE() << name << ": " << error.what();
      }
      ++proved;
    }
  }
  return proved;
}

TEST(StrategyProof, EveryStrategyOfEveryOp) {
  int total = 0;
  std::set<std::string_view> replicated_only;
  for (const ops::OpDef* op : ops::all_ops()) {
    if (op->is_collective) continue;
    const auto samples = op->samples != nullptr ? op->samples() : std::vector<ops::OpSample>{};
    EXPECT_FALSE(samples.empty()) << op->name << " has no sample";
    int proved = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const UncutCall call(*op, samples[i], 1 + i);
      for (const spec::Mesh& mesh : meshes()) {
        proved += prove_all(call, mesh, str(op->name, " sample ", i));
      }
    }
    // The replicated strategy, twice (two ways to choose pieces) on every mesh.
    const auto only_replicated = static_cast<int>(samples.size() * meshes().size() * 2);
    EXPECT_GE(proved, only_replicated) << op->name;
    if (proved == only_replicated) replicated_only.insert(op->name);
    std::cout << op->name << ": " << samples.size() << " samples, " << proved << " proofs\n";
    total += proved;
  }
  std::cout << total << " proofs of (operator, sample, mesh, strategy, pieces)\n";
  EXPECT_TRUE(replicated_only.empty()) << *replicated_only.begin() << " can only be replicated";
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

// Rules of an op on 4 shards, counted as by rule searches that reduce at once: a split that needs a
// sum is one rule with all_reduce and one with reduce_scatter along a dim that 4 divides; Partials
// that pass through are not counted.
size_t rules(std::string_view op,
             std::vector<ir::TensorType> inputs,
             ir::Attributes attributes = {}) {
  const spec::Notation notation = ops::find_op(op).bind({op, attributes, inputs});
  const spec::Mesh mesh = spec::Mesh::parse("a=4");
  size_t count = 0;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    if (strategy.axis_factor[0] <= spec::Strategy::kPassPartial) continue;
    count += strategy.outputs[0].partials.empty() ? 1 : 2;
  }
  return count;
}

TEST(StrategyProof, RuleCounts) {
  using ops::attributes;
  using ops::f32;
  EXPECT_EQ(rules("matmul", {f32({32, 64}), f32({64, 32})}), 5U);
  EXPECT_EQ(rules("matmul", {f32({4, 8, 8}), f32({4, 8, 8})}), 6U);
  EXPECT_EQ(rules("softmax", {f32({8, 8})}, attributes({{"dim", int64_t{1}}})), 2U);
  EXPECT_EQ(rules("reduce_sum", {f32({8, 8})}, attributes({{"dim", int64_t{1}}})), 4U);
  EXPECT_EQ(rules("add", {f32({8, 8}), f32({8})}), 3U);
  EXPECT_EQ(rules("gelu", {f32({8, 8})}), 3U);
  const auto swap = attributes({{"permutation", std::vector<int64_t>{0, 3, 2, 1}}});
  EXPECT_EQ(rules("transpose", {f32({4, 8, 4, 8})}, swap), 5U);
  // A search that keeps the attribute as it is finds 2; with the shape of the piece a third is
  // legal.
  const auto merge = attributes({{"shape", std::vector<int64_t>{32, -1}}});
  EXPECT_EQ(rules("reshape", {f32({4, 8, 4})}, merge), 3U);
  const auto merge_last = attributes({{"shape", std::vector<int64_t>{-1, 32}}});
  EXPECT_EQ(rules("reshape", {f32({4, 8, 4})}, merge_last), 3U);
}

}  // namespace
}  // namespace partita::conformance
