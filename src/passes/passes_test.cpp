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

constexpr const char* kBlockHead = R"(graph "g" {
  input %x : f32[t,4]
  weight %w : f32[4] = tensor("w")
  weight %b : f32[4] = tensor("b")
  weight %o : f32[4] = tensor("o")
  %r : f32[t,4] = relu(%x)
  %p : f32[t,4] = neg(%x)
)";

std::string fused(const std::string& nodes) {
  const std::string text = after(fuse_add_norm(), kBlockHead + nodes);
  return text.substr(std::string(kBlockHead).size());
}

TEST(FuseAddNorm, TakesResidualAndAllReduceWithTheNorm) {
  EXPECT_EQ(
      fused(
          R"(  %p.all_reduce : f32[t,4] = all_reduce(%p) {layer = 2, group = "0,1", reduce = "sum"}
  %residual : f32[t,4] = add(%r, %p.all_reduce) {layer = 2}
  %norm : f32[t,4] = rms_norm(%residual, %w) {layer = 3, eps = 1e-05}
  %h : f32[t,4] = relu(%norm)
  %y : f32[t,4] = add(%residual, %h)
  return %y
}
)"),
      R"(  %residual, %residual.1 : f32[t,4], f32[t,4] = all_reduce_add_rms_norm(%p, %r, %w) {layer = 2, eps = 1e-05, group = "0,1"}
  %h : f32[t,4] = relu(%residual.1)
  %y : f32[t,4] = add(%residual, %h)
  return %y
}
)");
}

TEST(FuseAddNorm, TakesABiasBetween) {
  EXPECT_EQ(
      fused(R"(  %p.all_reduce : f32[t,4] = all_reduce(%p) {group = "0,1", reduce = "sum"}
  %biased : f32[t,4] = add(%p.all_reduce, %o)
  %residual : f32[t,4] = add(%biased, %r)
  %norm : f32[t,4] = layer_norm(%residual, %w, %b) {eps = 1e-05}
  return %norm
}
)"),
      R"(  %residual, %residual.1 : f32[t,4], f32[t,4] = all_reduce_add_layer_norm(%p, %o, %r, %w, %b) {eps = 1e-05, group = "0,1"}
  return %residual.1
}
)");
}

TEST(FuseAddNorm, TakesTheResidualAloneOnOneRank) {
  EXPECT_EQ(
      fused(R"(  %residual : f32[t,4] = add(%r, %p)
  %norm : f32[t,4] = rms_norm(%residual, %w) {eps = 1e-05}
  %y : f32[t,4] = mul(%norm, %p)
  return %y
}
)"),
      R"(  %residual, %residual.1 : f32[t,4], f32[t,4] = add_rms_norm(%p, %r, %w) {eps = 1e-05}
  %y : f32[t,4] = mul(%residual.1, %p)
  return %y
}
)");
}

TEST(FuseAddNorm, LeavesWhatOthersReadOrIsNoSum) {
  // The reduced value is read again; the sum is read before the norm; another reduction; another
  // shape; a collective that would change places.
  for (const std::string nodes : {
           R"(  %s : f32[t,4] = all_reduce(%p) {group = "0,1", reduce = "max"}
  %residual : f32[t,4] = add(%s, %s)
  %h : f32[t,4] = relu(%residual)
  %norm : f32[t,4] = rms_norm(%residual, %w) {eps = 1e-05}
  return %norm, %h
}
)",
           R"(  %residual : f32[t,4] = add(%r, %w)
  %norm : f32[t,4] = rms_norm(%residual, %w) {eps = 1e-05}
  return %norm
}
)",
           R"(  %s : f32[t,4] = all_reduce(%p) {group = "0,1", reduce = "sum"}
  %other : f32[t,4] = all_reduce(%r) {group = "0,1", reduce = "sum"}
  %residual : f32[t,4] = add(%s, %x)
  %norm : f32[t,4] = rms_norm(%residual, %w) {eps = 1e-05}
  return %norm, %other
}
)"}) {
    EXPECT_EQ(fused(nodes), nodes);
  }
  EXPECT_THAT(fused(R"(  %s : f32[t,4] = all_reduce(%p) {group = "0,1", reduce = "sum"}
  %residual : f32[t,4] = add(%r, %s)
  %norm : f32[t,4] = rms_norm(%residual, %w) {eps = 1e-05}
  return %norm, %s
}
)"),
              HasSubstr("add_rms_norm(%s, %r, %w)"));
}

constexpr const char* kGateHead = R"(graph "g" {
  input %x : f32[t,4]
  input %row : f32[4]
  %gate : f32[t,4] = neg(%x)
  %up : f32[t,4] = exp(%x)
)";

std::string gated(const std::string& nodes) {
  return after(fuse_gated(), kGateHead + nodes).substr(std::string(kGateHead).size());
}

TEST(FuseGated, TakesTheActivationOfEitherFactor) {
  EXPECT_EQ(gated(R"(  %a : f32[t,4] = silu(%gate) {layer = 1}
  %y : f32[t,4] = mul(%a, %up) {layer = 1}
  %b : f32[t,4] = gelu_tanh(%up) {layer = 2}
  %z : f32[t,4] = mul(%gate, %b) {layer = 2}
  return %y, %z
}
)"),
            R"(  %y : f32[t,4] = gated(%gate, %up) {layer = 1, activation = "silu"}
  %z : f32[t,4] = gated(%up, %gate) {layer = 2, activation = "gelu_tanh"}
  return %y, %z
}
)");
}

TEST(FuseGated, TakesOneOfTwoActivations) {
  EXPECT_EQ(gated(R"(  %a : f32[t,4] = relu(%gate)
  %b : f32[t,4] = silu(%up)
  %y : f32[t,4] = mul(%a, %b)
  return %y
}
)"),
            R"(  %b : f32[t,4] = silu(%up)
  %y : f32[t,4] = gated(%gate, %b) {activation = "relu"}
  return %y
}
)");
}

TEST(FuseGated, LeavesWhatOthersReadOrHasNoGatedForm) {
  // The activation is read twice by the product; again later; is a result; the product spreads a
  // row; the function is none of those that `gated` knows.
  for (const std::string nodes : {
           R"(  %a : f32[t,4] = silu(%gate)
  %y : f32[t,4] = mul(%a, %a)
  return %y
}
)",
           R"(  %a : f32[t,4] = silu(%gate)
  %y : f32[t,4] = mul(%a, %up)
  %z : f32[t,4] = add(%a, %y)
  return %z
}
)",
           R"(  %a : f32[t,4] = silu(%gate)
  %y : f32[t,4] = mul(%a, %up)
  return %y, %a
}
)",
           R"(  %a : f32[t,4] = silu(%gate)
  %y : f32[t,4] = mul(%a, %row)
  return %y
}
)",
           R"(  %a : f32[t,4] = tanh(%gate)
  %y : f32[t,4] = mul(%a, %up)
  return %y
}
)"}) {
    EXPECT_EQ(gated(nodes), nodes);
  }
}

constexpr const char* kAttentionHead = R"(graph "g" {
  input %positions : i32[t]
  input %other : i32[t]
  input %sequences : i32[t]
  input %tables : i32[s,m]
  input %v : f32[t,2,8]
  input %x : f32[t,4,8]
  input %z : f32[t,2,8]
  state %kc : f32[2,c,8,16]
  state %vc : f32[2,c,16,8]
)";

std::string rope_fused(const std::string& nodes) {
  const std::string text = after(fuse_rope(), kAttentionHead + nodes);
  return text.substr(std::string(kAttentionHead).size());
}

TEST(FuseRope, AttentionTakesTheRotationOfQueriesAndKeys) {
  EXPECT_EQ(rope_fused(R"(  %q : f32[t,4,8] = relu(%x)
  %q_rope : f32[t,4,8] = rope(%q, %positions) {layer = 1, theta = 10000.0}
  %k_rope : f32[t,2,8] = rope(%z, %positions) {layer = 1, theta = 10000.0}
  %o : f32[t,4,8] = attention(%q_rope, %k_rope, %v, %kc, %vc, %positions, %sequences, %tables) {layer = 1, scale = 0.5}
  return %o
}
)"),
            R"(  %q : f32[t,4,8] = relu(%x)
  %o : f32[t,4,8] = attention(%q, %z, %v, %kc, %vc, %positions, %sequences, %tables) {layer = 1, scale = 0.5, theta = 10000.0}
  return %o
}
)");
}

TEST(FuseRope, LeavesWhatAttentionAloneDoesNotReadOrTurnsOtherwise) {
  const std::string attention =
      "  %o : f32[t,4,8] = attention(%q, %k, %v, %kc, %vc, %positions, %sequences, %tables)\n";
  // Keys that another reads; that are a result; other frequencies; other positions; queries alone.
  for (const std::string& nodes :
       {std::string("  %q : f32[t,4,8] = rope(%x, %positions) {theta = 10000.0}\n"
                    "  %k : f32[t,2,8] = rope(%z, %positions) {theta = 10000.0}\n") +
            attention + "  %y : f32[t,2,8] = relu(%k)\n  return %o, %y\n}\n",
        std::string("  %q : f32[t,4,8] = rope(%x, %positions) {theta = 10000.0}\n"
                    "  %k : f32[t,2,8] = rope(%z, %positions) {theta = 10000.0}\n") +
            attention + "  return %o, %k\n}\n",
        std::string("  %q : f32[t,4,8] = rope(%x, %positions) {theta = 10000.0}\n"
                    "  %k : f32[t,2,8] = rope(%z, %positions) {theta = 500.0}\n") +
            attention + "  return %o\n}\n",
        std::string("  %q : f32[t,4,8] = rope(%x, %other) {theta = 10000.0}\n"
                    "  %k : f32[t,2,8] = rope(%z, %other) {theta = 10000.0}\n") +
            attention + "  return %o\n}\n",
        std::string("  %q : f32[t,4,8] = rope(%x, %positions) {theta = 10000.0}\n"
                    "  %k : f32[t,2,8] = relu(%z)\n") +
            attention + "  return %o\n}\n"}) {
    EXPECT_EQ(rope_fused(nodes), nodes);
  }
}

constexpr const char* kBlocksHead = R"(graph "g" {
  input %x : f32[t,64]
  weight %q : q8_0[32,64] = tensor("q")
  weight %k : q8_0[32,64] = tensor("k")
  weight %h : q4_0[32,64] = tensor("h")
  weight %f : f32[32,64] = tensor("f")
  weight %w : f32[64] = tensor("w")
)";

std::string after_head(const Pass& pass, const std::string& nodes) {
  return after(pass, kBlocksHead + nodes).substr(std::string(kBlocksHead).size());
}

TEST(QuantizeRowsOnce, OneNodeServesAllProductsWithOneTypeOfWeights) {
  EXPECT_EQ(after_head(quantize_rows_once(), R"(  %r : f32[t,64] = relu(%x)
  %a : f32[t,32] = linear(%r, %q) {layer = 1}
  %b : f32[t,32] = linear(%r, %h) {layer = 1}
  %c : f32[t,32] = linear(%r, %k) {layer = 1}
  %d : f32[t,32] = linear(%r, %f) {layer = 1}
  %e : f32[t,32] = linear(%x, %k) {layer = 2}
  return %a, %b, %c, %d, %e
}
)"),
            R"(  %r : f32[t,64] = relu(%x)
  %r.q8_0 : u8[t,2,40] = quantize_rows(%r) {layer = 1, quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%r.q8_0, %q) {layer = 1}
  %r.q4_0 : u8[t,2,40] = quantize_rows(%r) {layer = 1, quantized_for = "q4_0"}
  %b : f32[t,32] = linear(%r.q4_0, %h) {layer = 1}
  %c : f32[t,32] = linear(%r.q8_0, %k) {layer = 1}
  %d : f32[t,32] = linear(%r, %f) {layer = 1}
  %x.q8_0 : u8[t,2,40] = quantize_rows(%x) {layer = 2, quantized_for = "q8_0"}
  %e : f32[t,32] = linear(%x.q8_0, %k) {layer = 2}
  return %a, %b, %c, %d, %e
}
)");
}

TEST(QuantizeRowsOnce, LeavesTakenNamesAndWhatItMadeBefore) {
  const std::string taken = R"(  %r : f32[t,64] = relu(%x)
  %r.q8_0 : f32[t,64] = relu(%x)
  %a : f32[t,32] = linear(%r, %q)
  %b : f32[t,32] = linear(%r, %k)
  return %a, %b, %r.q8_0
}
)";
  EXPECT_EQ(after_head(quantize_rows_once(), taken), taken);
  const ir::Graph once = quantize_rows_once().run(ir::parse_graph(
      std::string(kBlocksHead) + "  %a : f32[t,32] = linear(%x, %q)\n  return %a\n}\n"));
  EXPECT_EQ(ir::print_graph(quantize_rows_once().run(once)), ir::print_graph(once));
}

TEST(FuseQuantizeRows, TheOperatorThatMakesRowsQuantisesThem) {
  EXPECT_EQ(
      after_head(
          fuse_quantize_rows(),
          R"(  %s, %s.1 : f32[t,64], f32[t,64] = add_rms_norm(%x, %x, %w) {layer = 1, eps = 1e-05}
  %s.1.q8_0 : u8[t,2,40] = quantize_rows(%s.1) {layer = 1, quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%s.1.q8_0, %q) {layer = 1}
  %b : f32[t,32] = linear(%s.1.q8_0, %k) {layer = 1}
  %g : f32[t,64] = gated(%s, %s) {activation = "silu"}
  %g.q4_0 : u8[t,2,40] = quantize_rows(%g) {quantized_for = "q4_0"}
  %c : f32[t,32] = linear(%g.q4_0, %h)
  return %a, %b, %c
}
)"),
      R"(  %s, %s.1 : f32[t,64], u8[t,2,40] = add_rms_norm(%x, %x, %w) {layer = 1, eps = 1e-05, quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%s.1, %q) {layer = 1}
  %b : f32[t,32] = linear(%s.1, %k) {layer = 1}
  %g : u8[t,2,40] = gated(%s, %s) {activation = "silu", quantized_for = "q4_0"}
  %c : f32[t,32] = linear(%g, %h)
  return %a, %b, %c
}
)");
}

TEST(FuseQuantizeRows, LeavesRowsThatOthersReadToo) {
  // Another operator; a result; quantised for two types of weights; the sum, which is no last
  // output; made by an operator that does not quantise.
  for (const std::string nodes : {
           R"(  %n : f32[t,64] = rms_norm(%x, %w) {eps = 1e-05}
  %n.q8_0 : u8[t,2,40] = quantize_rows(%n) {quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%n.q8_0, %q)
  %y : f32[t,64] = add(%x, %n)
  return %a, %y
}
)",
           R"(  %n : f32[t,64] = rms_norm(%x, %w) {eps = 1e-05}
  %n.q8_0 : u8[t,2,40] = quantize_rows(%n) {quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%n.q8_0, %q)
  return %a, %n
}
)",
           R"(  %n : f32[t,64] = rms_norm(%x, %w) {eps = 1e-05}
  %n.q8_0 : u8[t,2,40] = quantize_rows(%n) {quantized_for = "q8_0"}
  %n.q4_0 : u8[t,2,40] = quantize_rows(%n) {quantized_for = "q4_0"}
  %a : f32[t,32] = linear(%n.q8_0, %q)
  %b : f32[t,32] = linear(%n.q4_0, %h)
  return %a, %b
}
)",
           R"(  %s, %s.1 : f32[t,64], f32[t,64] = add_rms_norm(%x, %x, %w) {eps = 1e-05}
  %s.q8_0 : u8[t,2,40] = quantize_rows(%s) {quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%s.q8_0, %q)
  return %a, %s.1
}
)",
           R"(  %r : f32[t,64] = relu(%x)
  %r.q8_0 : u8[t,2,40] = quantize_rows(%r) {quantized_for = "q8_0"}
  %a : f32[t,32] = linear(%r.q8_0, %q)
  return %a
}
)"}) {
    EXPECT_EQ(after_head(fuse_quantize_rows(), nodes), nodes);
  }
}

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
  for (const std::span<const Pass* const> passes : {all_passes(), rank_passes()}) {
    for (const Pass* pass : passes) {
      EXPECT_FALSE(pass->summary().empty());
      EXPECT_EQ(&find_pass(pass->name()), pass);
    }
  }
}

}  // namespace
}  // namespace partita::passes
