// SPDX-License-Identifier: Apache-2.0
// Derived strategies: counts, specs, pieces, local attributes.
#include "spec/strategy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec/reshard.h"
#include "support/error.h"

namespace partita::spec {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Shapes = std::vector<std::vector<int64_t>>;

// A bound notation and the texts of its strategies.
struct Case {
  Notation notation;
  Mesh mesh;

  Case(std::string_view text,
       const Shapes& shapes,
       std::string_view mesh_text,
       std::span<const NamedInteger> integers = {})
      : notation(parse_notation(text, integers)), mesh(Mesh::parse(mesh_text)) {
    spec::bind(notation, shapes, "test");
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Strategy& strategy : derive_strategies(notation, mesh)) {
      names.push_back(to_string(strategy, notation, mesh));
    }
    return names;
  }
};

TEST(DeriveStrategies, AnOperatorWithoutASplittableIndexIsReplicated) {
  const Case whole("y[a,b] = x[c,d]; whole a b c d", {{2, 6}}, "tp=2");
  EXPECT_TRUE(is_whole(whole.notation));
  EXPECT_THAT(whole.names(), ElementsAre("replicated"));
  const Case symbolic("y[t,d] = x[t,d]; map t; whole d", {{-1, 6}}, "tp=2");
  EXPECT_FALSE(is_whole(symbolic.notation));  // only this mesh and size do not split it
  EXPECT_THAT(symbolic.names(), ElementsAre("replicated"));
  EXPECT_FALSE(is_whole(Notation{}));
}

const std::string kMatmulOfSubAxes = "y[i,j] += x[i,k] * w[k,j]; map i j; sum k";

// i has only 2 pieces: it takes the sub-axis of 2, while j takes the whole axis of 8.
TEST(DeriveStrategies, ADimOfTwoPiecesTakesASubAxis) {
  const Case test(kMatmulOfSubAxes, {{2, 16}, {16, 32}}, "tp=2x4");
  const auto names = test.names();
  EXPECT_THAT(names, testing::Contains("i:tp(1)2"));
  EXPECT_THAT(names, testing::Contains("i:tp(1)2 j:tp(2)4"));
  EXPECT_THAT(names, testing::Contains("j:tp(1)2 j:tp(2)4"));
  const Strategy mixed = make_strategy(test.notation, test.mesh, {0, 1});
  const std::vector<int64_t> shape = {2, 32};
  EXPECT_EQ(to_string(mixed.outputs[0], shape, test.mesh), "[_:tp(1)2, _:tp(2)4]");
  const Strategy all = make_strategy(test.notation, test.mesh, {1, 1});
  EXPECT_EQ(to_string(all.outputs[0], shape, test.mesh), "[_, _:tp]");
  const auto path =
      cheapest_path(mixed.outputs[0], all.outputs[0], shape, test.mesh,
                    [](const StepShape& step) { return static_cast<double>(step.elements_in); });
  ASSERT_TRUE(path.has_value());
  EXPECT_EQ(path->steps.back().result, all.outputs[0]);
}

const std::string kMatmul = "y[i,j] += x[i,k] * w[k,j]; map i j; sum k; linear x | w";

// "x-spec w-spec -> y-spec" of every strategy, in short.
std::vector<std::string> table(const Case& at, const Shapes& input_shapes) {
  const auto outputs = output_shapes(at.notation);
  std::vector<std::string> rows;
  for (const Strategy& strategy : derive_strategies(at.notation, at.mesh)) {
    std::string row;
    for (size_t i = 0; i < input_shapes.size(); ++i) {
      row += to_string(strategy.inputs[i], input_shapes[i], at.mesh) + " ";
    }
    rows.push_back(row + "-> " + to_string(strategy.outputs[0], outputs[0], at.mesh));
  }
  return rows;
}

TEST(DeriveStrategies, RefusesMoreAxesThanCanBeCombined) {
  const Case many(kMatmul, {{32, 64}, {64, 32}}, "a=2,b=2,c=2,d=2,e=2,f=2,g=2,h=2,i=2,j=2,k=2,l=2");
  EXPECT_THROW((void)many.names(), Error);
}

TEST(DeriveStrategies, MatmulOnOneAxis) {
  const Shapes shapes = {{32, 64}, {64, 32}};
  EXPECT_THAT(
      table(Case(kMatmul, shapes, "a=4"), shapes),
      ElementsAre("[_, _] [_, _] -> [_, _]",      // replicated
                  "[_:a, _] [_, _] -> [_:a, _]",  // rows
                  "[_, _] [_, _:a] -> [_, _:a]",  // columns
                  "[_, _:a] [_:a, _] -> [_, _] +sum(a)", "[_, _] +sum(a) [_, _] -> [_, _] +sum(a)",
                  "[_, _] [_, _] +sum(a) -> [_, _] +sum(a)"));
}

TEST(DeriveStrategies, MatmulOnTwoAxesCombinesAllChoices) {
  const Case at(kMatmul, {{4, 4}, {4, 4}}, "a=2,b=2");
  const auto names = at.names();
  EXPECT_EQ(names.size(), 36U);  // 6 choices per axis
  EXPECT_EQ(names.front(), "replicated");
  EXPECT_THAT(names, testing::IsSupersetOf({"i:a j:b", "j:a i:b", "k:a k:b", "i:a k:b",
                                            "i:a partial1:b", "partial0:a partial1:b"}));
}

TEST(DeriveStrategies, SeveralAxesOnOneFactorAreMajorFirst) {
  const Case at(kMatmul, {{8, 4}, {4, 4}}, "a=2,b=2");
  const Strategy strategy = make_strategy(at.notation, at.mesh, {0, 0});
  EXPECT_EQ(to_string(strategy.outputs[0], Shapes{{8, 4}}[0], at.mesh), "[_:a*b, _]");
  EXPECT_EQ(strategy.outputs[0].dims[0].pieces[1], (Range{2, 4}));
}

// Rules on 4 shards that other systems count: a sum counts twice where the output can also be
// scattered.
TEST(DeriveStrategies, RuleCounts) {
  struct Row {
    std::string_view text;
    Shapes shapes;
    size_t count;
  };
  const std::vector<Row> rows = {
      {"y[i,j] += x[i,k] * w[k,j]; map i j; sum k", {{32, 64}, {64, 32}}, 5},
      {"y[b,i,j] += x[b,i,k] * w[b,k,j]; map b i j; sum k", {{4, 8, 8}, {4, 8, 8}}, 6},
      {"y[a,d,c,b] = x[a,b,c,d]; map a b c d", {{4, 4, 8, 8}}, 5},
      {"y[a,b] = x[a,b], z[b]; map a b", {{8, 8}, {8}}, 3},
      {"y[a,b] = x[a,b]; map a b", {{8, 8}}, 3},
      {"y[a,b] = x[a,b]; map a; whole b", {{8, 8}}, 2},
      {"y[a] += x[a,b]; map a; sum b", {{8, 8}}, 4},
      {"y[a,b,c] = x[a,b,c]; map c; whole a b", {{4, 4, 4}}, 2},
  };
  for (const Row& row : rows) {
    const Case at(row.text, row.shapes, "a=4");
    size_t count = 0;
    for (const Strategy& strategy : derive_strategies(at.notation, at.mesh)) {
      count += strategy.outputs[0].partials.empty() ? 1 : 2;
    }
    EXPECT_EQ(count, row.count) << row.text;
  }
}

TEST(DeriveStrategies, SkipsWhatCannotBeSplit) {
  // t symbolic, e whole, b minor in a compound dim, d twice in one tensor.
  const Case at("y[t,(a b),e,d] = x[t,a,b,e,d,d]; map t a b d; whole e", {{-1, 4, 2, 3, 2, 2}},
                "p=2");
  EXPECT_THAT(at.names(), ElementsAre("replicated", "a:p"));
  const Case symbolic_minor("y[(a t)] = x[a,t]; map a t", {{4, -1}}, "p=2");
  EXPECT_THAT(symbolic_minor.names(), ElementsAre("replicated"));
  const Case carried("y[k] += x[k]; sum k", {{4}}, "p=2");
  EXPECT_THAT(carried.names(), ElementsAre("replicated"));
  const Case tiny("y[a] = x[a]; map a", {{4}}, "p=1");
  EXPECT_THAT(tiny.names(), ElementsAre("replicated"));
}

TEST(DeriveStrategies, OutputsNeverMixReductions) {
  const Case at("y[] = x[a,b]; sum a; max b; linear x", {{4, 4}}, "p=2,q=2");
  EXPECT_THAT(at.names(), testing::Not(testing::Contains("a:p b:q")));
  EXPECT_THAT(at.names(), testing::Not(testing::Contains("b:p partial0:q")));
  EXPECT_THAT(at.names(), testing::Contains("a:p partial0:q"));
}

TEST(MakeStrategy, CompoundDimTakesPiecesTimesTheMinorSize) {
  const Case at("y[t,(h e)] = x[t,h,e]; map t h; whole e", {{-1, 5, 4}}, "p=2");
  const Strategy strategy = make_strategy(at.notation, at.mesh, {1});
  EXPECT_THAT(strategy.inputs[0].dims[1].pieces, ElementsAre(Range{0, 3}, Range{3, 5}));
  EXPECT_THAT(strategy.outputs[0].dims[1].pieces, ElementsAre(Range{0, 12}, Range{12, 20}));
  EXPECT_THAT(factor_ranges(at.notation, strategy, at.mesh, 1),
              ElementsAre(Range{0, -1}, Range{3, 5}, Range{0, 4}));
}

TEST(MakeStrategy, GroupsOverlapWhereAPieceCutsThem) {
  const std::vector<NamedInteger> integers = {{"r", 3}};
  const Case at("o[h] = q[h] k[h/r]; map h", {{6}, {2}}, "p=4", integers);
  const Strategy strategy = make_strategy(at.notation, at.mesh, {0});
  EXPECT_THAT(strategy.inputs[0].dims[0].pieces,
              ElementsAre(Range{0, 2}, Range{2, 4}, Range{4, 5}, Range{5, 6}));
  EXPECT_THAT(strategy.inputs[1].dims[0].pieces,
              ElementsAre(Range{0, 1}, Range{0, 2}, Range{1, 2}, Range{1, 2}));
  validate(strategy.inputs[1], std::vector<int64_t>{2}, at.mesh);
  const auto ranges = factor_ranges(at.notation, strategy, at.mesh, 1);
  EXPECT_THAT(local_attributes(at.notation, ranges), ElementsAre(Pair("h_phase", 2)));
}

TEST(MakeStrategy, MoreRanksThanHeadsGivesEmptyPieces) {
  const std::vector<NamedInteger> integers = {{"r", 3}};
  const Case at("o[h] = q[h] k[h/r]; map h", {{3}, {1}}, "p=5", integers);
  const Strategy strategy = make_strategy(at.notation, at.mesh, {0});
  EXPECT_TRUE(strategy.inputs[0].dims[0].pieces[4].empty());
  EXPECT_TRUE(strategy.inputs[1].dims[0].pieces[4].empty());
  validate(strategy.inputs[0], std::vector<int64_t>{3}, at.mesh);
  validate(strategy.inputs[1], std::vector<int64_t>{1}, at.mesh);
}

TEST(MakeStrategy, GatherBecomesAMaskedSum) {
  const Case at("y[t,d] = ids[t] w[v,d]; map t d; gather v; linear w", {{-1}, {10, 4}}, "p=2");
  EXPECT_THAT(at.names(), ElementsAre("replicated", "d:p", "v:p", "partial0:p"));
  const Strategy strategy = make_strategy(at.notation, at.mesh, {2});
  EXPECT_THAT(strategy.outputs[0].partials, ElementsAre(PartialAxis{0, ReduceKind::kSum}));
  const auto attributes = [&](int64_t cell) {
    return local_attributes(at.notation, factor_ranges(at.notation, strategy, at.mesh, cell));
  };
  EXPECT_THAT(attributes(0), ElementsAre(Pair("v_begin", 0)));
  EXPECT_THAT(attributes(1), ElementsAre(Pair("v_begin", 5)));
  const Strategy whole = make_strategy(at.notation, at.mesh, {Strategy::kNone});
  EXPECT_THAT(local_attributes(at.notation, factor_ranges(at.notation, whole, at.mesh, 1)),
              IsEmpty());
}

TEST(MakeStrategy, ReductionKeepsItsKind) {
  const Case at("y[a] = x[a,b]; map a; max b", {{4, 4}}, "p=2");
  const Strategy strategy = make_strategy(at.notation, at.mesh, {1});
  EXPECT_THAT(strategy.outputs[0].partials, ElementsAre(PartialAxis{0, ReduceKind::kMax}));
}

TEST(MakeStrategy, CallerDecidesUnevenPieces) {
  const Case at(kMatmul, {{6, 4}, {4, 4}}, "p=2");
  const PiecesOf uneven = [](int, std::span<const int>) {
    return std::vector<Range>{{0, 5}, {5, 6}};
  };
  const Strategy strategy = make_strategy(at.notation, at.mesh, {0}, uneven);
  EXPECT_THAT(strategy.outputs[0].dims[0].pieces, ElementsAre(Range{0, 5}, Range{5, 6}));
  EXPECT_EQ(factor_ranges(at.notation, strategy, at.mesh, 1)[0], (Range{5, 6}));
}

TEST(MakeStrategy, IllegalChoicesAreProgrammerErrors) {
  const Case at("y[a] = x[a,b]; map a; whole b", {{4, 4}}, "p=2");
  for (const int choice : {1, 2, Strategy::kPassPartial, Strategy::kPassPartial - 1}) {
    EXPECT_THROW(static_cast<void>(make_strategy(at.notation, at.mesh, {choice})), Error);
  }
  EXPECT_THROW(static_cast<void>(make_strategy(at.notation, at.mesh, {0, 0})), Error);
}

}  // namespace
}  // namespace partita::spec
