// SPDX-License-Identifier: Apache-2.0
// Programs whose vocabulary lies in pieces, or whole, get candidates as outputs.
#include "passes/end_in_candidates.h"

#include <gtest/gtest.h>

#include "ops/op.h"

namespace partita::passes {
namespace {

std::string with_candidates(const std::string& text) {
  const ir::Graph graph = end_in_candidates(ir::parse_graph(text));
  ir::verify(graph);
  ops::verify_types(graph);
  return ir::print_graph(graph);
}

// 100 tokens on rank 0 and 30 on rank 1: 64 and 30 candidates.
TEST(EndInCandidates, OfPiecesOnlyTheBestAreExchanged) {
  EXPECT_EQ(with_candidates(R"(graph "g" {
  input %x : f32[r,4]
  weight %head : f32[100,4] = tensor("head")
  %logits : f32[r,100] = linear(%x, %head)
  %logits.all_gather : f32[r,130] = all_gather(%logits) {begins = [0,100], dim = 1, ends = [100,130], group = "0,1"}
  return %logits.all_gather
}
)"),
            R"(graph "g" {
  input %x : f32[r,4]
  weight %head : f32[100,4] = tensor("head")
  %logits : f32[r,100] = linear(%x, %head)
  input %whole_rows : i32[w]
  %logits.whole_rows : f32[w,100] = take_rows(%logits, %whole_rows)
  %logits.all_gather : f32[w,130] = all_gather(%logits.whole_rows) {begins = [0,100], dim = 1, ends = [100,130], group = "0,1"}
  %own_candidates, %own_candidates.1 : f32[r,64], i32[r,64] = top_k(%logits) {k = 64}
  %own_candidates.all_gather : f32[r,94] = all_gather(%own_candidates) {begins = [0,64], dim = 1, ends = [64,94], group = "0,1"}
  %own_candidates.1.all_gather : i32[r,94] = all_gather(%own_candidates.1) {begins = [0,64], dim = 1, ends = [64,94], group = "0,1"}
  %candidates, %candidates.1 : f32[r,64], i32[r,64] = merge_top_k(%own_candidates.all_gather, %own_candidates.1.all_gather) {begins = [0,64], ends = [64,94], firsts = [0,100], k = 64}
  return %logits.all_gather, %candidates, %candidates.1
}
)");
}

TEST(EndInCandidates, OfAWholeVocabularyTheyAreTakenAtOnce) {
  EXPECT_EQ(with_candidates(R"(graph "g" {
  input %x : f32[r,4]
  weight %head : f32[9,4] = tensor("head")
  %candidates : f32[r,9] = linear(%x, %head)
  return %candidates
}
)"),
            R"(graph "g" {
  input %x : f32[r,4]
  weight %head : f32[9,4] = tensor("head")
  %candidates : f32[r,9] = linear(%x, %head)
  %candidates-2, %candidates-2.1 : f32[r,9], i32[r,9] = top_k(%candidates) {k = 9}
  return %candidates, %candidates-2, %candidates-2.1
}
)");
}

TEST(EndInCandidates, PiecesThatOverlapAreGatheredWhole) {
  const std::string text = with_candidates(R"(graph "g" {
  input %x : f32[r,6]
  %whole : f32[r,10] = all_gather(%x) {begins = [0,4], dim = 1, ends = [6,10], group = "0,1"}
  return %whole
}
)");
  EXPECT_NE(text.find("= top_k(%whole) {k = 10}"), std::string::npos) << text;
}

TEST(EndInCandidates, OtherGraphsStayAsTheyAre) {
  for (const std::string text :
       {"graph \"two\" {\n  input %x : f32[r,4]\n  %y : f32[r,4] = relu(%x)\n  return %y, %x\n}\n",
        "graph \"fixed\" {\n  input %x : f32[3,4]\n  %y : f32[3,4] = relu(%x)\n  return %y\n}\n",
        "graph \"none\" {\n  input %x : f32[r,4]\n  %s : () = send(%x) {group = \"0,1\", to = "
        "1}\n  return\n}\n"}) {
    EXPECT_EQ(with_candidates(text), text);
  }
}

}  // namespace
}  // namespace partita::passes
