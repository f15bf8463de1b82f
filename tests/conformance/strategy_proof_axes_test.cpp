// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Every derived strategy of every operator on meshes of three axes and uneven ones, with pieces
// that keep to a granularity and pieces that overlap.
#include <gtest/gtest.h>

#include <algorithm>

#include "prove_all.h"

namespace partita::ops {
namespace {

std::vector<int64_t> sizes_of(const spec::Mesh& mesh, std::span<const int> axes) {
  std::vector<int64_t> sizes;
  for (const int axis : axes) sizes.push_back(mesh.size_of({&axis, 1}));
  return sizes;
}

// Only whole blocks of 3 or 2 elements, where a factor has them (heads, groups of a quantisation).
PieceChoice granular() {
  return {"granular", [](const spec::Notation& notation, const spec::Mesh& mesh) {
            return [&](int factor, std::span<const int> axes) {
              const spec::Factor& cut = notation.factors[static_cast<size_t>(factor)];
              const int64_t units = cut.size / cut.granularity;
              const int64_t block = units % 3 == 0 ? 3 : (units % 2 == 0 ? 2 : 1);
              return spec::balanced_pieces(cut.size, sizes_of(mesh, axes), block * cut.granularity);
            };
          }};
}

// Pieces of map factors reach into their neighbour: several ranks then compute the same elements.
// Terms of a reduction must not be counted twice, so the others are balanced.
PieceChoice overlapping() {
  return {"overlapping", [](const spec::Notation& notation, const spec::Mesh& mesh) {
            return [&](int factor, std::span<const int> axes) {
              const spec::Factor& split = notation.factors[static_cast<size_t>(factor)];
              auto pieces =
                  spec::balanced_pieces(split.size, sizes_of(mesh, axes), split.granularity);
              if (split.kind != spec::FactorKind::kMap) return pieces;
              for (Range& piece : pieces) {
                if (!piece.empty()) piece.end = std::min(piece.end + split.granularity, split.size);
              }
              return pieces;
            };
          }};
}

TEST(StrategyProof, EveryStrategyOnThreeAxes) {
  const std::vector<spec::Mesh> meshes = {spec::Mesh::parse("a=2,b=2,c=2")};
  const std::vector<PieceChoice> choices = {{"balanced", nullptr}, growing()};
  EXPECT_GT(prove_all(meshes, choices), 10000);
}

TEST(StrategyProof, EveryStrategyOnUnevenMeshes) {
  const std::vector<spec::Mesh> meshes = {
      spec::Mesh::parse("a=3,b=2"), spec::Mesh::parse("a=3,b=1,c=2"), spec::Mesh::parse("a=5"),
      spec::Mesh::parse("tp=2x4"), spec::Mesh({{"a", 2}, {"b", 2}}, {3, 1, 0, 2})};
  const std::vector<PieceChoice> choices = {
      {"balanced", nullptr}, growing(), granular(), overlapping()};
  EXPECT_GT(prove_all(meshes, choices), 10000);
}

// Overlapping terms of a sum count twice: the proof must see it.
TEST(StrategyProof, OverlappingTermsAreFound) {
  const OpDef& op = find_op("linear");
  const UncutCall call(op, op.samples().front(), 1);
  const spec::Mesh mesh = spec::Mesh::parse("a=2");
  const spec::Notation notation = call.notation();
  const spec::PiecesOf overlap = [&](int factor, std::span<const int> /*axes*/) {
    const int64_t size = notation.factors[static_cast<size_t>(factor)].size;
    return std::vector<Range>{{0, size / 2 + 1}, {size / 2, size}};
  };
  int wrong = 0;
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh, overlap)) {
    wrong += call.disprove(strategy, notation, mesh).has_value() ? 1 : 0;
  }
  EXPECT_EQ(wrong, 1);  // the split of k
}

}  // namespace
}  // namespace partita::ops
