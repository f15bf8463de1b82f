// SPDX-License-Identifier: Apache-2.0
// Index notation: parsing, binding of sizes, output shapes.
#include "spec/notation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::spec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Shapes = std::vector<std::vector<int64_t>>;

Notation bound(std::string_view text,
               const Shapes& shapes,
               std::span<const NamedInteger> integers = {}) {
  Notation notation = parse_notation(text, integers);
  spec::bind(notation, shapes, "test");
  return notation;
}

std::string refusal(std::string_view text, const Shapes& shapes) {
  try {
    bound(text, shapes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

constexpr std::string_view kLinear = "y[t,n] += x[t,k] * w[n,k]; map t n; sum k; linear x | w";

TEST(ParseNotation, ReadsFactorsTensorsAndLinearSets) {
  const Notation notation = parse_notation(kLinear);
  EXPECT_EQ(to_string(notation), "[t,n] <- [t,k], [n,k]; t,n map; k sum; linear 0 | 1");
  EXPECT_THAT(notation.linear_in, ElementsAre(std::vector{0}, std::vector{1}));
  ASSERT_EQ(notation.factors.size(), 3U);
  EXPECT_EQ(notation.factors[2].name, "k");
  EXPECT_EQ(notation.factors[2].kind, FactorKind::kReduce);
  EXPECT_EQ(notation.factors[2].size, -1);
}

TEST(ParseNotation, ReadsEveryKindOfDim) {
  const std::vector<NamedInteger> integers = {{"r", 4}};
  const Notation notation = parse_notation(
      "o[t,(h e)], p[] = q[t,h,e] k[h/r,1] i[v]; map t h; whole e; gather v; linear q k", integers);
  EXPECT_EQ(to_string(notation),
            "[t,(h e)], [] <- [t,h,e], [h/4,1], [v]; t,h map; v gather; e whole; linear 0 1");
}

TEST(ParseNotation, ReadsEveryReduction) {
  EXPECT_EQ(to_string(parse_notation("y[] = x[a,b,c,d]; max a; min b; prod c; sum d")),
            "[] <- [a,b,c,d]; d sum; a max; b min; c prod");
}

TEST(ParseNotation, BadDeclarationsAreProgrammerErrors) {
  for (const std::string text :
       {"", "y[t]", "y[t] = x[t]", "y[t] = x[t]; map t t", "y[t] = x[t]; map t u",
        "y[t] = x[t]; warp t", "y[t] = x[t/r]; map t", "y[t = x[t]; map t",
        "y[t] = x[t]; map t; linear z", "y[t] = x[t]; map t; linear x |"}) {
    try {
      static_cast<void>(parse_notation(text));
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInternal) << text;
    }
  }
}

TEST(Bind, InfersOutputShapes) {
  EXPECT_THAT(output_shapes(bound(kLinear, {{-1, 8}, {6, 8}})),
              ElementsAre(std::vector<int64_t>{-1, 6}));
}

TEST(Bind, CompoundDimIsTheProduct) {
  const std::string merge = "y[t,(h e)] = x[t,h,e]; map t h; whole e";
  EXPECT_THAT(output_shapes(bound(merge, {{5, 3, 4}})), ElementsAre(std::vector<int64_t>{5, 12}));
  Notation split = parse_notation("y[t,h,e] = x[t,(h e)]; map t h; whole e");
  split.factors[2].size = 4;
  spec::bind(split, Shapes{{-1, 12}}, "split");
  EXPECT_THAT(output_shapes(split), ElementsAre(std::vector<int64_t>{-1, 3, 4}));
}

TEST(Bind, SymbolicFactorOfACompoundDim) {
  Notation notation = parse_notation("y[t,e] = x[(t e)]; map t; whole e");
  notation.factors[1].size = 4;
  spec::bind(notation, Shapes{{-1}}, "fold");
  EXPECT_THAT(output_shapes(notation), ElementsAre(std::vector<int64_t>{-1, 4}));
}

TEST(Bind, DividedDimIsRoundedUp) {
  const std::vector<NamedInteger> integers = {{"r", 2}};
  const std::string text = "o[h] = q[h] k[h/r]; map h";
  EXPECT_EQ(bound(text, {{6}, {3}}, integers).factors[0].size, 6);
  EXPECT_EQ(bound(text, {{5}, {3}}, integers).factors[0].size, 5);
  EXPECT_THROW(bound(text, {{6}, {4}}, integers), Error);
  EXPECT_EQ(bound("o[h/r] = k[h/r]; map h", {{3}}, integers).factors[0].size, 6);
}

TEST(Bind, RefusesShapesThatDisagree) {
  EXPECT_THAT(refusal(kLinear, {{4, 8}, {6, 7}}),
              HasSubstr("[test] input 1 dim 1 is 7; expected 8"));
  EXPECT_THAT(refusal(kLinear, {{4, 8}}), HasSubstr("1 inputs; expected 2"));
  EXPECT_THAT(refusal(kLinear, {{4, 8}, {6, 8, 1}}), HasSubstr("input 1 has 3 dims; expected 2"));
  EXPECT_THAT(refusal(kLinear, {{4, -1}, {6, 8}}), HasSubstr("expected symbolic"));
  EXPECT_THAT(refusal(kLinear, {{4, 8}, {6, -1}}), HasSubstr("is symbolic; expected 8"));
  EXPECT_THAT(refusal("y[a] = x[a] z[1]; map a", {{4}, {2}}), HasSubstr("is 2; expected 1"));
  EXPECT_THAT(refusal("y[a,b] = x[(a b)]; map a b", {{4}}), HasSubstr("does not decide"));
  EXPECT_THAT(refusal("y[a,b] = x[(a b)] z[b]; map a b", {{5}, {2}}), HasSubstr("does not decide"));
  EXPECT_THAT(refusal("y[a,b] = x[(a b)] z[b] w[a]; map a b", {{5}, {2}, {3}}),
              HasSubstr("is 5; expected 6"));
}

}  // namespace
}  // namespace partita::spec
