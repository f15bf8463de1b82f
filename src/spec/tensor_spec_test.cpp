// SPDX-License-Identifier: Apache-2.0
// Tensor specs: pieces, local ranges, text forms, refusals.
#include "spec/tensor_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "spec/random_spec.h"
#include "support/error.h"

namespace partita::spec {
namespace {

using testing::ElementsAre;
using Shape = std::vector<int64_t>;

TEST(BalancedPieces, FirstPiecesAreLonger) {
  EXPECT_THAT(balanced_pieces(7, Shape{3}), ElementsAre(Range{0, 3}, Range{3, 5}, Range{5, 7}));
  EXPECT_THAT(balanced_pieces(7, Shape{}), ElementsAre(Range{0, 7}));
}

TEST(BalancedPieces, AreNested) {
  // 7 over 2 is 4 and 3; each over 2 is 2, 2 and 2, 1.
  EXPECT_THAT(balanced_pieces(7, Shape{2, 2}),
              ElementsAre(Range{0, 2}, Range{2, 4}, Range{4, 6}, Range{6, 7}));
}

TEST(BalancedPieces, KeepToTheGranularity) {
  EXPECT_THAT(balanced_pieces(12, Shape{2}, 4), ElementsAre(Range{0, 8}, Range{8, 12}));
}

TEST(BalancedPieces, MayBeEmptyWhenTheDimIsSmall) {
  EXPECT_THAT(balanced_pieces(2, Shape{3}), ElementsAre(Range{0, 1}, Range{1, 2}, Range{2, 2}));
}

// The four layouts of a 2-D tensor that use both axes of a 2x2 mesh, machine axis major.
TEST(LocalRanges, FourLayoutsOnATwoByTwoMesh) {
  const Mesh mesh = Mesh::parse("machine=2,gpu=2");
  const Shape shape = {4, 4};
  const auto layout = [&](std::string_view text) {
    std::string cells;
    const TensorSpec spec = parse_tensor_spec(text, shape, mesh);
    for (int64_t cell = 0; cell < 4; ++cell) {
      const auto ranges = local_ranges(spec, shape, mesh, cell);
      cells += str(ranges[0], "x", ranges[1], " ");
    }
    return cells;
  };
  EXPECT_EQ(layout("(S01, R)"), "[0,1)x[0,4) [1,2)x[0,4) [2,3)x[0,4) [3,4)x[0,4) ");
  EXPECT_EQ(layout("(S0, S1)"), "[0,2)x[0,2) [0,2)x[2,4) [2,4)x[0,2) [2,4)x[2,4) ");
  EXPECT_EQ(layout("(S1, S0)"), "[0,2)x[0,2) [2,4)x[0,2) [0,2)x[2,4) [2,4)x[2,4) ");
  EXPECT_EQ(layout("(R, S01)"), "[0,4)x[0,1) [0,4)x[1,2) [0,4)x[2,3) [0,4)x[3,4) ");
}

TEST(LocalRanges, SymbolicDimIsWhole) {
  const Mesh mesh = Mesh::parse("tp=2");
  const Shape shape = {-1, 5};
  const TensorSpec spec = parse_tensor_spec("[t, n:tp]", shape, mesh);
  EXPECT_THAT(local_ranges(spec, shape, mesh, 1), ElementsAre(Range{0, -1}, Range{3, 5}));
}

TEST(SpecText, PrintsNamesAxesPiecesAndPartials) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2,pp=2");
  const Shape shape = {-1, 6};
  const std::vector<std::string> names = {"t", "n"};
  for (const std::string text :
       {"[t, n]", "[t, n:tp]", "[t, n:tp*dp]", "[t, n:tp{0-4,4-6}]", "[t, n:tp{0-4,2-6}] +sum(dp)",
        "[t, n] +max(dp) +sum(tp)", "[t, n:pp*tp{0-1,1-1,1-5,5-6}]"}) {
    EXPECT_EQ(to_string(parse_tensor_spec(text, shape, mesh), shape, mesh, names), text);
  }
  EXPECT_EQ(to_string(parse_tensor_spec("[t,n:tp]", shape, mesh), shape, mesh), "[_, _:tp]");
}

TEST(SpecText, ShortFormsAreParsed) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2");
  const auto long_form = [&](std::string_view text, const Shape& shape) {
    return to_string(parse_tensor_spec(text, shape, mesh), shape, mesh);
  };
  EXPECT_EQ(long_form("(S0, R)", {4, 4}), "[_:dp, _]");
  EXPECT_EQ(long_form("[S1, R]", {4, 4}), "[_:tp, _]");
  EXPECT_EQ(long_form("S01", {4}), "[_:dp*tp]");
  EXPECT_EQ(long_form("S10", {4}), "[_:tp*dp]");
  EXPECT_EQ(long_form("R", {4}), "[_]");
  EXPECT_EQ(long_form("S[1],R", {4, 4, 4}), "[_, _:dp, _]");
  EXPECT_EQ(long_form("R, S[0]", {4, 4}), "[_:tp, _]");
  EXPECT_EQ(long_form("S[0], S[0]", {4}), "[_:dp*tp]");
  EXPECT_EQ(long_form("(S0, R) +sum(tp)", {4, 4}), "[_:dp, _] +sum(tp)");
  EXPECT_EQ(long_form("R +sum(dp*tp)", {4}), "[_] +sum(dp) +sum(tp)");
  EXPECT_EQ(long_form("[]", {}), "[]");
}

TEST(SpecText, SubAxesAreNamedAndAWholeAxisIsWrittenAsOne) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2x4");
  const Shape shape = {16, 16};
  for (const std::string text :
       {"[_:tp(1)2, _:tp(2)4]", "[_:tp, _]", "[_:dp*tp, _]", "[_:tp*dp, _]", "[_:tp(2)4*tp(1)2, _]",
        "[_:tp(1)2*dp*tp(2)4, _]", "[_:tp(2)4, _] +sum(tp(1)2)"}) {
    EXPECT_EQ(to_string(parse_tensor_spec(text, shape, mesh), shape, mesh), text);
  }
  const TensorSpec whole = parse_tensor_spec("[_:tp, _]", shape, mesh);
  EXPECT_EQ(whole, parse_tensor_spec("[_:tp(1)2*tp(2)4, _]", shape, mesh));
  EXPECT_EQ(parse_tensor_spec("[_, _] +sum(tp)", shape, mesh).partials.size(), 2U);
  EXPECT_THROW(static_cast<void>(parse_tensor_spec("[_:tp(4)2, _]", shape, mesh)), Error);
  EXPECT_THROW(static_cast<void>(parse_tensor_spec("[_:tp(1, _]", shape, mesh)), Error);
  EXPECT_THROW(static_cast<void>(parse_tensor_spec("[_:tp, _:tp(1)2]", shape, mesh)), Error);
}

TEST(SpecText, NamesThatReadAsShortFormsArePrintedAsBlank) {
  const Mesh mesh = Mesh::parse("tp=2");
  const Shape shape = {4, 4};
  const std::vector<std::string> names = {"S0", "a b"};
  EXPECT_EQ(to_string(TensorSpec::replicated(2), shape, mesh, names), "[_, _]");
}

TEST(SpecText, RandomSpecsSurviveTheRoundTrip) {
  std::mt19937 random(7);
  const std::vector<Mesh> meshes = {Mesh::parse("tp=3"), Mesh::parse("dp=2,tp=3"),
                                    Mesh::parse("a=2,b=2,c=3"), Mesh::parse("a=1,b=4")};
  const std::vector<Shape> shapes = {{}, {5}, {-1, 6}, {4, 2, 9}, {0, 3}};
  for (int round = 0; round < 2000; ++round) {
    const Mesh& mesh = meshes[random() % meshes.size()];
    const Shape& shape = shapes[random() % shapes.size()];
    const TensorSpec spec = random_spec(shape, mesh, random);
    ASSERT_NO_THROW(validate(spec, shape, mesh));
    const std::string text = to_string(spec, shape, mesh);
    ASSERT_EQ(parse_tensor_spec(text, shape, mesh), spec) << text;
  }
}

TEST(SpecText, RefusesBadText) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2");
  const Shape shape = {-1, 6};
  for (const std::string text : {"",
                                 "[t]",
                                 "[t, n, k]",
                                 "[t, n:xp]",
                                 "[t, n:tp*tp]",
                                 "[t:tp, n]",
                                 "[t, n:tp",
                                 "[t, n:tp{0-3}]",
                                 "[t, n:tp{0-3,4-6}]",
                                 "[t, n:tp{0-3,3-7}]",
                                 "[t, n:tp{3-6,0-3}]",
                                 "[t, n:tp{0-3,3-5}]",
                                 "[t, n:tp{0-3 3-6}]",
                                 "[t, n:tp] +sum(tp)",
                                 "[t, n] +sum(tp*tp)",
                                 "[t, n] +median(tp)",
                                 "[t, n] -sum(tp)",
                                 "[t, n] x",
                                 "(R, S2)",
                                 "(R, S00)",
                                 "(R, R",
                                 "S[2],R",
                                 "S[1]",
                                 "S[1],R,R",
                                 "S[1],Q",
                                 "S[0],R",
                                 "[t, n:tp{99999999999999999999-3}]",
                                 "[t,, n]",
                                 "[t, n,]"}) {
    try {
      static_cast<void>(parse_tensor_spec(text, shape, mesh));
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << text;
    }
  }
}

// One entry per mesh axis: S[dim] or R.
TEST(SpecText, GoldenTableOfPlacements) {
  struct Row {
    std::string mesh;
    Shape shape;
    std::string placement;
    std::string spec;
  };
  const std::vector<Row> table = {
      {"m=2", {4, 4}, "S[0]", "[_:m, _]"},
      {"m=2", {4, 4}, "S[1]", "[_, _:m]"},
      {"m=2", {4, 4}, "R", "[_, _]"},
      {"a=2,b=2", {4, 4}, "S[0],R", "[_:a, _]"},
      {"a=2,b=2", {4, 4}, "R,S[0]", "[_:b, _]"},
      {"a=2,b=2", {4, 4}, "S[0],S[1]", "[_:a, _:b]"},
      {"a=2,b=2", {4, 4}, "S[1],S[0]", "[_:b, _:a]"},
      {"a=2,b=2", {4, 4}, "S[1], S[1]", "[_, _:a*b]"},
      {"a=2,b=2", {4, 4}, "(S[0],R)", "[_:a, _]"},
      {"a=2,b=3,c=2", {5, 7, 9}, "R,S[2],S[0]", "[_:c, _, _:b]"},
      {"tp=2x4", {8, 8}, "S[0],S[1]", "[_:tp(1)2, _:tp(2)4]"},
  };
  for (const Row& row : table) {
    const Mesh mesh = Mesh::parse(row.mesh);
    const TensorSpec spec = parse_tensor_spec(row.placement, row.shape, mesh);
    EXPECT_EQ(to_string(spec, row.shape, mesh), row.spec) << row.placement;
  }
  const Mesh mesh = Mesh::parse("a=2,b=2");
  for (const std::string text : {"S[2],R", "S[0]", "S[0],R,R", "S[0],X", "S[-1],R", "S[0] R"}) {
    EXPECT_THROW(static_cast<void>(parse_tensor_spec(text, Shape{4, 4}, mesh)), Error) << text;
  }
}

// Writes every rank's slice at its place: all elements are there, and ranks that share an element
// only do so where the spec replicates or overlaps.
TEST(LocalRanges, SlicesOfAllRanksMakeTheTensor) {
  std::mt19937 random(29);
  const std::vector<std::string> meshes = {"a=2",         "a=5",         "a=2,b=3",
                                           "a=2,b=2,c=2", "tp=2x4,dp=2", "a=3,b=1,c=2"};
  for (int round = 0; round < 400; ++round) {
    const Mesh mesh = Mesh::parse(meshes[random() % meshes.size()]);
    Shape shape;
    for (size_t dim = 0; dim < 1 + random() % 3; ++dim) {
      shape.push_back(static_cast<int64_t>(1 + random() % 9));
    }
    const bool overlap = random() % 2 == 0;
    const TensorSpec spec =
        random_spec(shape, mesh, random, {.overlap = overlap, .partials = false});
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    std::vector<int64_t> owners(static_cast<size_t>(elements), 0);
    for (int64_t cell = 0; cell < mesh.size(); ++cell) {
      const std::vector<Range> ranges = local_ranges(spec, shape, mesh, cell);
      for (int64_t element = 0; element < elements; ++element) {
        bool is_held = true;
        int64_t rest = element;
        for (size_t dim = shape.size(); dim-- > 0; rest /= shape[dim]) {
          const int64_t index = rest % shape[dim];
          is_held = is_held && ranges[dim].contains({index, index + 1});
        }
        owners[static_cast<size_t>(element)] += is_held ? 1 : 0;
      }
    }
    int64_t split = 1;
    for (const DimSpec& dim : spec.dims) split *= mesh.size_of(dim.axes);
    for (const int64_t count : owners) {
      ASSERT_GE(count, mesh.size() / split) << to_string(spec, shape, mesh);
      if (!overlap) {
        ASSERT_EQ(count, mesh.size() / split) << to_string(spec, shape, mesh);
      }
    }
  }
}

TEST(SubAxes, SpecsAreConvertedThereAndBack) {
  std::mt19937 random(31);
  const Mesh coarse = Mesh::parse("dp=2,tp=8");
  const Mesh fine = Mesh::parse("dp=2,tp=2x4");
  const Shape shape = {9, 16};
  for (int round = 0; round < 200; ++round) {
    const TensorSpec spec = random_spec(shape, coarse, random);
    const TensorSpec converted = refined(spec, coarse, fine);
    ASSERT_NO_THROW(validate(converted, shape, fine));
    ASSERT_EQ(merged(converted, fine, coarse), spec);
    for (int64_t cell = 0; cell < 16; ++cell) {
      ASSERT_EQ(local_ranges(converted, shape, fine, cell),
                local_ranges(spec, shape, coarse, cell));
    }
  }
  const auto back = [&](std::string_view text) {
    return merged(parse_tensor_spec(text, shape, fine), fine, coarse);
  };
  EXPECT_EQ(back("[_:tp, _:dp]"), parse_tensor_spec("[_:tp, _:dp]", shape, coarse));
  EXPECT_EQ(back("[_:tp(1)2, _]"), std::nullopt);
  EXPECT_EQ(back("[_:tp(2)4*tp(1)2, _]"), std::nullopt);
  EXPECT_EQ(back("[_:tp(1)2, _:tp(2)4]"), std::nullopt);
  EXPECT_EQ(back("[_, _] +sum(tp(2)4)"), std::nullopt);
  EXPECT_EQ(back("[_, _] +sum(tp)"), parse_tensor_spec("[_, _] +sum(tp)", shape, coarse));
  EXPECT_THROW(static_cast<void>(refined(TensorSpec::replicated(2), coarse, Mesh::parse("tp=8"))),
               Error);
}

TEST(Validate, RefusesBrokenSpecs) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2");
  const Shape shape = {4, 4};
  const std::vector<Range> halves = {{0, 2}, {2, 4}};
  const std::vector<TensorSpec> broken = {
      {.dims = {{{0}, halves}, {{0}, halves}}, .partials = {}},  // axis twice
      {.dims = {{{2}, halves}, {}}, .partials = {}},             // unknown axis
      {.dims = {{{-1}, halves}, {}}, .partials = {}},            // unknown axis
      {.dims = {{{0}, {{0, 4}}}, {}}, .partials = {}},           // wrong count
      {.dims = {{{0}, {{0, 1}, {2, 4}}}, {}}, .partials = {}},   // hole
      {.dims = {{{0}, {{0, 2}, {2, 5}}}, {}}, .partials = {}},   // leaves the dim
      {.dims = {{{0}, {{2, 4}, {0, 2}}}, {}}, .partials = {}},   // descending
      {.dims = {{{}, {{0, 4}}}, {}}, .partials = {}},            // pieces of a whole dim
      {.dims = {{}}, .partials = {}},                            // wrong number of dims
      {.dims = {{{0}, halves}, {}}, .partials = {{0, ReduceKind::kSum}}},
      {.dims = {{}, {}}, .partials = {{1, ReduceKind::kSum}, {0, ReduceKind::kSum}}},
  };
  for (size_t i = 0; i < broken.size(); ++i) {
    EXPECT_THROW(validate(broken[i], shape, mesh), Error) << "case " << i;
  }
}

TEST(TensorSpec, IsReplicatedOnlyWithoutSplitAndPartial) {
  EXPECT_TRUE(TensorSpec::replicated(2).is_replicated());
  EXPECT_FALSE((TensorSpec{{{}}, {{0, ReduceKind::kSum}}}).is_replicated());
  EXPECT_FALSE((TensorSpec{{{{0}, {{0, 1}, {1, 2}}}}, {}}).is_replicated());
}

}  // namespace
}  // namespace partita::spec
