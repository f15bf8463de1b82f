// SPDX-License-Identifier: Apache-2.0
#include "planner/cut_classes.h"

#include <gtest/gtest.h>

#include "ops/op.h"

namespace partita::planner {
namespace {

using Pieces = std::vector<Range>;

Pieces cut(const CutMember& member, std::vector<int64_t> sizes) { return pieces_of(member, sizes); }

TEST(CutPieces, SixKvHeadsOverFourRanksAreTwoTwoOneOne) {
  // 12 heads in groups of 2: cut between groups, the longer pieces first.
  const CutMember kv_heads = {.units = 12, .multiply = 1, .divide = 2, .group = 2};
  EXPECT_EQ(cut(kv_heads, {4}), (Pieces{{0, 2}, {2, 4}, {4, 5}, {5, 6}}));
}

TEST(CutPieces, FewerKvHeadsThanRanksOverlap) {
  const CutMember heads = {.units = 8, .multiply = 16, .divide = 1, .group = 4};
  const CutMember kv_heads = {.units = 8, .multiply = 16, .divide = 4, .group = 4};
  EXPECT_EQ(cut(heads, {4}), (Pieces{{0, 32}, {32, 64}, {64, 96}, {96, 128}}));
  EXPECT_EQ(cut(kv_heads, {4}), (Pieces{{0, 16}, {0, 16}, {16, 32}, {16, 32}}));
}

TEST(CutPieces, FewerUnitsThanRanksLeaveEmptyPiecesAtTheEnd) {
  EXPECT_EQ(cut({.units = 2, .multiply = 3}, {4}), (Pieces{{0, 3}, {3, 6}, {6, 6}, {6, 6}}));
}

TEST(CutPieces, PiecesOfTwoAxesLieWithinThoseOfTheFirst) {
  for (int64_t units = 1; units <= 30; ++units) {
    const CutMember member = {
        .units = units, .multiply = 2, .divide = 1, .group = units % 3 == 0 ? 3 : 1};
    const Pieces outer = cut(member, {3});
    const Pieces inner = cut(member, {3, 2});
    ASSERT_EQ(inner.size(), 6U);
    int64_t covered = 0;
    for (size_t i = 0; i < inner.size(); ++i) {
      EXPECT_TRUE(outer[i / 2].contains(inner[i])) << units;
      covered += inner[i].size();
    }
    EXPECT_EQ(covered, 2 * units);
  }
}

ir::Attributes shape(std::vector<int64_t> sizes) {
  ir::Attributes attributes;
  attributes.set("shape", std::move(sizes));
  return attributes;
}

// x -> q_proj, k_proj, v_proj -> heads -> attention -> merged -> o_proj, with the given heads of
// width 4.
struct Block {
  Block(int64_t heads, int64_t kv_heads) {
    const auto f32 = [](std::vector<ir::Dim> dims) {
      return ir::TensorType{DType::kF32, std::move(dims)};
    };
    const auto i32 = [](std::vector<ir::Dim> dims) {
      return ir::TensorType{DType::kI32, std::move(dims)};
    };
    const ir::ValueId x = graph.add_input("x", f32({"t", 10}));
    const auto project = [&](const std::string& name, ir::ValueId from, int64_t out, int64_t in) {
      const auto w =
          graph.add_weight(name + ".weight", f32({out, in}), ir::WeightSource::from_tensor(name));
      return ops::add_op(graph, "linear", {from, w}, {.name = name});
    };
    const auto split = [&](const std::string& name, ir::ValueId from) {
      return ops::add_op(graph, "reshape", {from}, {.name = name, .attributes = shape({0, -1, 4})});
    };
    q = project("q", x, heads * 4, 10);
    const auto k = project("k", x, kv_heads * 4, 10);
    const auto v = project("v", x, kv_heads * 4, 10);
    ir::Attributes attributes;
    attributes.set("scale", 0.5);
    attributes.set("group", heads / kv_heads);
    cache = graph.add_state("k_cache", f32({kv_heads, "c", 4, 2}));
    const auto v_cache = graph.add_state("v_cache", f32({kv_heads, "c", 2, 4}));
    const auto positions = graph.add_input("positions", i32({"t"}));
    const auto sequences = graph.add_input("sequence_ids", i32({"t"}));
    const auto tables = graph.add_input("block_tables", i32({"s", "m"}));
    const auto attended = ops::add_op(graph, "attention",
                                      {split("qh", q), split("kh", k), split("vh", v), cache,
                                       v_cache, positions, sequences, tables},
                                      {.name = "attn", .attributes = attributes});
    const auto merged =
        ops::add_op(graph, "reshape", {attended}, {.name = "merged", .attributes = shape({0, -1})});
    graph.set_outputs({project("o", merged, 10, heads * 4)});
  }

  [[nodiscard]] CutMember dim(const std::string& value, int index) const {
    std::vector<spec::Notation> notations;
    std::vector<const spec::Notation*> pointers;
    for (const ir::Node& node : graph.nodes()) notations.push_back(ops::notation_of(graph, node));
    for (const auto& notation : notations) pointers.push_back(&notation);
    return CutClasses(graph, pointers).of_dim(*graph.find_value(value), index);
  }

  ir::Graph graph;
  ir::ValueId q = 0;
  ir::ValueId cache = 0;
};

TEST(CutClasses, HeadsOfABlockAreOneClass) {
  const Block block(6, 2);
  EXPECT_EQ(block.dim("q.weight", 0), (CutMember{6, 4, 1, 3}));
  EXPECT_EQ(block.dim("k.weight", 0), (CutMember{6, 4, 3, 3}));
  EXPECT_EQ(block.dim("k_cache", 0), (CutMember{6, 1, 3, 3}));
  EXPECT_EQ(block.dim("o.weight", 1), (CutMember{6, 4, 1, 3}));
  // The model width is a class of its own, cut anywhere.
  EXPECT_EQ(block.dim("q.weight", 1), (CutMember{10, 1, 1, 1}));
}

TEST(CutClasses, HeadsAreNeverCutThrough) {
  const Block block(5, 5);
  for (const int64_t ranks : {2, 3, 4, 5, 7, 8}) {
    for (const Range& piece : cut(block.dim("q.weight", 0), {ranks})) {
      EXPECT_EQ(piece.begin % 4, 0);
      EXPECT_EQ(piece.end % 4, 0);
    }
  }
}

}  // namespace
}  // namespace partita::planner
