// SPDX-License-Identifier: Apache-2.0
// Graph text in, graph text out, for every pass; and the pipeline that runs them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "passes/pipeline.h"
#include "support/error.h"

namespace partita::passes {
namespace {

using testing::HasSubstr;

std::string after(const Pass& pass, const std::string& text) {
  return ir::print_graph(pass.run(ir::parse_graph(text)));
}

TEST(RemoveUnusedNodes, KeepsWhatAnOutputNeedsAndAllInputs) {
  EXPECT_EQ(after(remove_unused_nodes(), R"(graph "g" {
  input %x : f32[t,4]
  input %other : f32[t,4]
  weight %w : f32[3,4] = tensor("w")
  weight %unused : f32[3,4] = tensor("u")
  %dead : f32[t,3] = linear(%x, %unused)
  %y : f32[t,3] = linear(%x, %w)
  %dead_too : f32[t,3] = relu(%dead)
  return %y
}
)"),
            R"(graph "g" {
  input %x : f32[t,4]
  input %other : f32[t,4]
  weight %w : f32[3,4] = tensor("w")
  %y : f32[t,3] = linear(%x, %w)
  return %y
}
)");
}

TEST(RemoveUnusedNodes, KeepsSideEffects) {
  const std::string text = R"(graph "g" {
  input %x : f32[t,4]
  %moved : f32[t,4] = relu(%x)
  %x.send.1 : () = send(%moved) {group = "0,1", to = 1}
  return
}
)";
  EXPECT_EQ(after(remove_unused_nodes(), text), text);
}

TEST(MergeEqualCollectives, OneValueWithEqualAttributesIsReducedOnce) {
  EXPECT_EQ(after(merge_equal_collectives(), R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "sum"}
  %b : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "sum"}
  %c : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "max"}
  %a2 : f32[t,4] = all_reduce(%a) {group = "0,2", reduce = "sum"}
  %b2 : f32[t,4] = all_reduce(%b) {group = "0,2", reduce = "sum"}
  %y : f32[t,4] = add(%a2, %b2)
  return %y, %c
}
)"),
            R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "sum"}
  %c : f32[t,4] = all_reduce(%x) {group = "0,1", reduce = "max"}
  %a2 : f32[t,4] = all_reduce(%a) {group = "0,2", reduce = "sum"}
  %y : f32[t,4] = add(%a2, %a2)
  return %y, %c
}
)");
}

TEST(MergeEqualCollectives, MessagesAreNeverMerged) {
  const std::string text = R"(graph "g" {
  input %x : f32[t,4]
  %first : () = send(%x) {group = "0,1", to = 1}
  %second : () = send(%x) {group = "0,1", to = 1}
  return
}
)";
  EXPECT_EQ(after(merge_equal_collectives(), text), text);
}

TEST(DropIdentityNodes, ChainsVanishButOutputsKeepTheirName) {
  EXPECT_EQ(after(drop_identity_nodes(), R"(graph "g" {
  input %x : f32[t,4,2]
  %a : f32[t,4,2] = reshape(%x) {shape = [0,4,2]}
  %b : f32[t,4,2] = slice(%a) {begin = 0, dim = 1, end = 4}
  %c : f32[t,4,2] = transpose(%b) {permutation = [0,1,2]}
  %d : f32[t,4,2] = relu(%c)
  %y : f32[t,4,2] = reshape(%d) {shape = [0,-1,2]}
  return %y
}
)"),
            R"(graph "g" {
  input %x : f32[t,4,2]
  %d : f32[t,4,2] = relu(%x)
  %y : f32[t,4,2] = reshape(%d) {shape = [0,-1,2]}
  return %y
}
)");
}

TEST(DropIdentityNodes, ATransposeOfASquareStays) {
  const std::string text = R"(graph "g" {
  input %x : f32[4,4]
  %a : f32[4,4] = transpose(%x) {permutation = [1,0]}
  %y : f32[4,4] = relu(%a)
  return %y
}
)";
  EXPECT_EQ(after(drop_identity_nodes(), text), text);
}

constexpr const char* kTwoDeadNodes = R"(graph "g" {
  input %x : f32[t,4]
  %a : f32[t,4] = reshape(%x) {shape = [0,4]}
  %dead : f32[t,4] = relu(%a)
  %y : f32[t,4] = relu(%a)
  return %y
}
)";

TEST(Pipeline, RunsAllPassesInOrderAndReportsEach) {
  const PipelineResult result = run_standard_pipeline(ir::parse_graph(kTwoDeadNodes));
  ASSERT_EQ(result.reports.size(), all_passes().size());
  EXPECT_EQ(result.reports.front().name, "drop_identity_nodes");
  EXPECT_EQ(result.reports.front().nodes_before, 3);
  EXPECT_EQ(result.reports.front().nodes_after, 2);
  EXPECT_EQ(result.reports.back().nodes_after, 1);
  EXPECT_EQ(result.graph.nodes().size(), 1U);
}

TEST(Pipeline, ADisabledPassDoesNotRun) {
  const std::vector<std::string> disabled = {"remove_unused_nodes"};
  EXPECT_EQ(run_standard_pipeline(ir::parse_graph(kTwoDeadNodes), disabled).graph.nodes().size(),
            2U);
}

TEST(Pipeline, UnknownNamesAreRefusedWithTheKnownOnes) {
  const std::vector<std::string> wrong = {"remove_unused"};
  const ir::Graph graph = ir::parse_graph(kTwoDeadNodes);
  try {
    (void)run_pipeline(graph, wrong);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("drop_identity_nodes, merge_equal_collectives"));
  }
  EXPECT_THROW((void)run_standard_pipeline(graph, wrong), Error);
}

TEST(Pipeline, EveryPassHasANameAndASummary) {
  for (const Pass* pass : all_passes()) {
    EXPECT_FALSE(pass->summary().empty());
    EXPECT_EQ(&find_pass(pass->name()), pass);
  }
}

}  // namespace
}  // namespace partita::passes
