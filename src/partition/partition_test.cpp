// SPDX-License-Identifier: Apache-2.0
// Graph text and strategies in, rank programs out.
#include "partition/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "ops/op.h"
#include "partition/node_layout.h"
#include "partition/stage_program.h"
#include "partition/test_plan.h"

namespace partita::partition {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// An MLP over one axis: the hidden dim is cut, the result is a partial sum.
constexpr const char* kMlp = R"(graph "mlp" {
  input %x : f32[t,4]
  weight %up.weight : f32[6,4] = tensor("up")
  %up : f32[t,6] = linear(%x, %up.weight)
  %act : f32[t,6] = relu(%up)
  weight %down.weight : f32[4,6] = transpose(tensor("down"), [1,0])
  %down : f32[t,4] = linear(%act, %down.weight)
  %y : f32[t,4] = add(%x, %down)
  return %y
}
)";

TEST(PartitionRank, CutsWeightsAndInjectsOneReduction) {
  const ir::Graph graph = ir::parse_graph(kMlp);
  const plan::Plan plan = TestPlanner(graph, one_stage(graph, "tp=4"),
                                      split_factors({{"up", "n"}, {"act", "d1"}, {"down", "k"}}))
                              .make();
  // 6 hidden units on 4 ranks: 2, 2, 1, 1.
  const RankProgram program = partition_rank(graph, plan, 2);
  EXPECT_EQ(ir::print_graph(program.graph), R"(graph "mlp" {
  input %x : f32[t,4]
  weight %up.weight : f32[1,4] = slice(tensor("up"), 0, 4, 5)
  weight %down.weight : f32[4,1] = slice(transpose(tensor("down"), [1,0]), 1, 4, 5)
  %up : f32[t,1] = linear(%x, %up.weight)
  %act : f32[t,1] = relu(%up)
  %down : f32[t,4] = linear(%act, %down.weight)
  %down.all_reduce : f32[t,4] = all_reduce(%down) {group = "0,1,2,3", reduce = "sum"}
  %y : f32[t,4] = add(%x, %down.all_reduce)
  return %y
}
)");
  EXPECT_FALSE(program.has_logits);
  EXPECT_THAT(program.weights, ElementsAre(WeightPiece{"up.weight", {{4, 5}, {0, 4}}},
                                           WeightPiece{"down.weight", {{0, 4}, {4, 5}}}));
  const std::vector<Group> groups = groups_of(graph, plan);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].name, "0,1,2,3");
  EXPECT_THAT(groups[0].ranks, ElementsAre(0, 1, 2, 3));
}

TEST(PartitionRank, AReplicatedPlanIsTheGraphItself) {
  const ir::Graph graph = ir::parse_graph(kMlp);
  plan::Plan plan;
  plan.mesh = spec::Mesh::parse("tp=2");
  plan.stages = one_stage(graph, "tp=2");
  for (const int rank : {0, 1}) {
    const RankProgram program = partition_rank(graph, plan, rank);
    EXPECT_EQ(program.graph.nodes().size(), graph.nodes().size());
    EXPECT_EQ(program.has_logits, rank == 0);
  }
  EXPECT_TRUE(groups_of(graph, plan).empty());
}

// Two values of the same spec are resharded once, whoever reads them.
TEST(PartitionRank, AReshardIsInjectedOnceForAllReaders) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  weight %w : f32[6,4] = tensor("w")
  %h : f32[t,6] = linear(%x, %w)
  %a : f32[t,6] = softmax(%h)
  %b : f32[t,6] = softmax(%h)
  %y : f32[t,6] = add(%a, %b)
  return %y, %h
}
)");
  const plan::Plan plan =
      TestPlanner(graph, one_stage(graph, "tp=2"), split_factors({{"h", "n"}})).make();
  const std::string text = ir::print_graph(partition_rank(graph, plan, 1).graph);
  EXPECT_THAT(
      text,
      HasSubstr("%h.all_gather : f32[t,6] = all_gather(%h) {begins = [0,3], dim = 1, ends = [3,6], "
                "group = \"0,1\"}"));
  EXPECT_EQ(text.find("all_gather(", text.find("all_gather(") + 1), std::string::npos);
  EXPECT_THAT(text, HasSubstr("return %y, %h.all_gather"));
}

// The plan's reshards may be absent or name no consumer: the cheapest path stands in.
TEST(PartitionRank, APlanWithoutReshardsGetsTheCheapest) {
  const ir::Graph graph = ir::parse_graph(kMlp);
  plan::Plan plan = TestPlanner(graph, one_stage(graph, "tp=2"),
                                split_factors({{"up", "n"}, {"act", "d1"}, {"down", "k"}}))
                        .make();
  const std::string listed = ir::print_graph(partition_rank(graph, plan, 0).graph);
  plan.reshards.clear();
  EXPECT_EQ(ir::print_graph(partition_rank(graph, plan, 0).graph), listed);
}

constexpr const char* kBlock = R"(graph "block" {
  input %x : f32[t,8]
  input %positions : i32[t]
  input %sequence_ids : i32[t]
  input %block_tables : i32[s,m]
  weight %ln.weight : f32[8] = tensor("ln.w")
  weight %ln.bias : f32[8] = tensor("ln.b")
  %ln : f32[t,8] = layer_norm(%x, %ln.weight, %ln.bias) {eps = 0.00001}
  weight %q.weight : f32[12,8] = tensor("q")
  %q : f32[t,12] = linear(%ln, %q.weight)
  %q.heads : f32[t,6,2] = reshape(%q) {shape = [0,-1,2]}
  weight %k.weight : f32[4,8] = tensor("k")
  %k : f32[t,4] = linear(%ln, %k.weight)
  %k.heads : f32[t,2,2] = reshape(%k) {shape = [0,-1,2]}
  weight %v.weight : f32[4,8] = tensor("v")
  %v : f32[t,4] = linear(%ln, %v.weight)
  %v.heads : f32[t,2,2] = reshape(%v) {shape = [0,-1,2]}
  state %k_cache : f32[2,c,2,4]
  state %v_cache : f32[2,c,4,2]
  %attn : f32[t,6,2] = attention(%q.heads, %k.heads, %v.heads, %k_cache, %v_cache, %positions, %sequence_ids, %block_tables) {group = 3, scale = 0.5}
  %merged : f32[t,12] = reshape(%attn) {shape = [0,-1]}
  weight %o.weight : f32[8,12] = tensor("o")
  %o : f32[t,8] = linear(%merged, %o.weight)
  %h : f32[t,8] = add(%x, %o)
  weight %up.weight : f32[10,8] = tensor("up")
  %up : f32[t,10] = linear(%h, %up.weight)
  %act : f32[t,10] = gelu(%up)
  weight %down.weight : f32[8,10] = tensor("down")
  %down : f32[t,8] = linear(%act, %down.weight)
  %y : f32[t,8] = add(%h, %down)
  return %y
}
)";

// The head factor of a reshape is called by its place; find it as the one that is major in a
// compound dim.
spec::Strategy choose_heads(const ir::Node& node,
                            const spec::Notation& notation,
                            const spec::Mesh& mesh) {
  if (node.op != "reshape") {
    return split_factors({{"attn", "h"}, {"o", "k"}, {"up", "n"}, {"act", "d1"}, {"down", "k"}})(
        node, notation, mesh);
  }
  std::vector<int> choice(static_cast<size_t>(mesh.axis_count()), spec::Strategy::kNone);
  for (const spec::TensorIndex& tensor : {notation.inputs[0], notation.outputs[0]}) {
    for (const spec::DimIndex& dim : tensor) {
      if (dim.size() == 2) choice[0] = dim[0].factor;
    }
  }
  return spec::make_strategy(notation, mesh, choice);
}

// KV heads as attention needs them: pieces of h, divided by the group of 3 and rounded outwards.
plan::Plan plan_block(const ir::Graph& graph, int tp) {
  const spec::Mesh mesh = spec::Mesh::parse(str("tp=", tp));
  const std::vector<int64_t> sizes = {tp};
  const std::vector<Range> heads = spec::balanced_pieces(6, sizes);
  std::vector<Range> kv_heads;
  for (const Range& piece : heads) {
    kv_heads.push_back({piece.begin / 3, piece.empty() ? piece.begin / 3 : (piece.end + 2) / 3});
  }
  const auto choose = [=](const ir::Node& node, const spec::Notation& notation,
                          const spec::Mesh& on) {
    const bool is_kv = node.name[0] == 'k' || node.name[0] == 'v';
    const bool is_out = node.name == "o";
    const bool is_projection = node.op == "linear" && node.name.size() == 1;
    if (!is_projection && node.op != "reshape") return choose_heads(node, notation, on);
    std::vector<int> choice = choose_heads(node, notation, on).axis_factor;
    for (size_t i = 0; is_projection && i < notation.factors.size(); ++i) {
      if (notation.factors[i].name == (is_out ? "k" : "n")) choice[0] = static_cast<int>(i);
    }
    const auto pieces = [&](int, std::span<const int>) {
      std::vector<Range> result = is_kv ? kv_heads : heads;
      for (Range& piece : result)
        piece = is_projection ? Range{piece.begin * 2, piece.end * 2} : piece;
      return result;
    };
    return spec::make_strategy(notation, on, choice, pieces);
  };
  return TestPlanner(graph, {{0, static_cast<int64_t>(graph.nodes().size()), mesh}}, choose).make();
}

std::vector<std::string> collectives_of(const ir::Graph& graph) {
  std::vector<std::string> names;
  for (const ir::Node& node : graph.nodes()) {
    if (ops::find_op(node.op).is_collective) names.push_back(node.op);
  }
  return names;
}

TEST(PartitionRank, ADecoderBlockCostsTwoReductions) {
  const ir::Graph graph = ir::parse_graph(kBlock);
  for (const int tp : {2, 3, 4}) {
    const plan::Plan plan = plan_block(graph, tp);
    for (int rank = 0; rank < tp; ++rank) {
      const ir::Graph program = partition_rank(graph, plan, rank).graph;
      EXPECT_THAT(collectives_of(program), ElementsAre("all_reduce", "all_reduce")) << tp;
      EXPECT_NO_THROW(ops::verify_types(program));
    }
  }
}

// 6 heads in groups of 3 on 4 ranks: 2, 2, 1, 1 heads; rank 1 has heads 2 and 3 of both groups.
TEST(PartitionRank, FewerKvHeadsThanRanksOverlap) {
  const ir::Graph graph = ir::parse_graph(kBlock);
  const ir::Graph program = partition_rank(graph, plan_block(graph, 4), 1).graph;
  const std::string text = ir::print_graph(program);
  EXPECT_THAT(text, HasSubstr("%k.weight : f32[4,8] = tensor(\"k\")"));
  EXPECT_THAT(text, HasSubstr("state %k_cache : f32[2,c,2,4]"));
  EXPECT_THAT(text, HasSubstr("h_phase = 2"));
  const std::string last = ir::print_graph(partition_rank(graph, plan_block(graph, 4), 3).graph);
  EXPECT_THAT(last, HasSubstr("%k.weight : f32[2,8] = slice(tensor(\"k\"), 0, 2, 4)"));
  EXPECT_THAT(last, HasSubstr("state %k_cache : f32[1,c,2,4]"));
}

TEST(PartitionRank, StagesSendWhatLaterStagesNeed) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,4]
  weight %w : f32[4,4] = tensor("w")
  %a : f32[t,4] = linear(%x, %w)
  %b : f32[t,4] = relu(%a)
  %c : f32[t,4] = add(%a, %b)
  %y : f32[t,4] = linear(%c, %w)
  return %y
}
)");
  // Stage 0: a on ranks 0, 1; stage 1: b on rank 2; stage 2: c and y on ranks 3, 4. `a` goes to
  // both later stages.
  const std::vector<plan::Stage> stages = {{0, 1, spec::Mesh({{"tp", 2}}, {0, 1})},
                                           {1, 2, spec::Mesh({{"tp", 1}}, {2})},
                                           {2, 4, spec::Mesh({{"tp", 2}}, {3, 4})}};
  const plan::Plan plan = TestPlanner(graph, stages, split_factors({{"a", "k"}})).make();
  const auto text = [&](int rank) {
    return ir::print_graph(partition_rank(graph, plan, rank).graph);
  };
  EXPECT_EQ(text(0), R"(graph "g" {
  input %x : f32[t,4]
  weight %w : f32[4,2] = slice(tensor("w"), 1, 0, 2)
  %x.slice : f32[t,2] = slice(%x) {begin = 0, dim = 1, end = 2}
  %a : f32[t,4] = linear(%x.slice, %w)
  %a.all_reduce : f32[t,4] = all_reduce(%a) {group = "0,1", reduce = "sum"}
  %a.all_reduce.send.2 : () = send(%a.all_reduce) {group = "0,1,2,3,4", to = 2}
  %a.all_reduce.send.3 : () = send(%a.all_reduce) {group = "0,1,2,3,4", to = 3}
  return
}
)");
  EXPECT_THAT(text(1), HasSubstr("send.4"));
  EXPECT_THAT(text(1), testing::Not(HasSubstr("send.2")));
  EXPECT_EQ(text(2), R"(graph "g" {
  %a : f32[t,4] = recv() {from = 0, group = "0,1,2,3,4", type = "f32[t,4]"}
  %b : f32[t,4] = relu(%a)
  %b.send.3 : () = send(%b) {group = "0,1,2,3,4", to = 3}
  %b.send.4 : () = send(%b) {group = "0,1,2,3,4", to = 4}
  return
}
)");
  EXPECT_THAT(text(4), HasSubstr("%a : f32[t,4] = recv() {from = 1,"));
  EXPECT_THAT(text(4), HasSubstr("%b : f32[t,4] = recv() {from = 2,"));
  EXPECT_TRUE(partition_rank(graph, plan, 3).has_logits);
  const std::vector<Group> groups = groups_of(graph, plan);
  ASSERT_GE(groups.size(), 2U);
  EXPECT_EQ(groups[0].name, "0,1");
  EXPECT_EQ(groups.back().name, "0,1,2,3,4");
}

TEST(PartitionRank, RepeatsGiveTheSameProgram) {
  const ir::Graph graph = ir::parse_graph(kBlock);
  const plan::Plan plan = plan_block(graph, 3);
  EXPECT_EQ(ir::print_graph(partition_rank(graph, plan, 1).graph),
            ir::print_graph(partition_rank(graph, plan, 1).graph));
}

// The plan stores factors and specs, not strategies: what is read back must be what was chosen.
TEST(StageProgram, StrategiesAreReadBackFromThePlan) {
  const ir::Graph graph = ir::parse_graph(kBlock);
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const std::string mesh = seed % 2 == 0 ? "tp=3" : "dp=2,tp=3";
    TestPlanner planner(graph, one_stage(graph, mesh), random_strategies(random));
    const plan::Plan plan = planner.make();
    const PlanIndex index(graph, plan);
    const StageProgram program = make_stage_program(index, 0);
    for (const StageItem& item : program.items) {
      const auto* placed = std::get_if<PlacedNode>(&item);
      if (placed == nullptr) continue;
      EXPECT_EQ(placed->layout.strategy, planner.strategies()[static_cast<size_t>(placed->node)])
          << "seed " << seed << " node " << graph.node(placed->node).name;
    }
  }
}

void expect_refused(const ir::Graph& graph, const plan::Plan& plan, const std::string& message) {
  try {
    (void)partition_rank(graph, plan, 0);
    FAIL() << "expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(PartitionRank, ContradictionsAreRefusedByName) {
  const ir::Graph graph = ir::parse_graph(kMlp);
  const plan::Plan good =
      TestPlanner(graph, one_stage(graph, "tp=2"), split_factors({{"up", "n"}})).make();
  plan::Plan plan = good;
  plan.stages[0].end_node = 3;
  expect_refused(graph, plan, "end at node 3; expected all 4 nodes");
  plan = good;
  plan.values.emplace_back("nothing", spec::TensorSpec{});
  expect_refused(graph, plan, "\"nothing\"");
  plan = good;
  plan.ops[0].axis_factor = {99};
  expect_refused(graph, plan, "\"up\" (linear): splits factor 99");
  plan = good;
  plan.ops[0].axis_factor = {0, 0};
  expect_refused(graph, plan, "2 entries in its strategy");
  plan = good;
  plan.ops[1].axis_factor = {spec::Strategy::kPassPartial};  // relu is not linear
  expect_refused(graph, plan, "passes the partial inputs of set 0");
  EXPECT_THROW((void)partition_rank(graph, good, 2), Error);
}

// The minor part of a dim that two factors make up cannot be cut alone.
TEST(PartitionRank, AMinorFactorIsNotSplit) {
  const ir::Graph graph = ir::parse_graph(R"(graph "heads" {
  input %x : f32[t,12]
  %heads : f32[t,6,2] = reshape(%x) {shape = [0,-1,2]}
  return %heads
}
)");
  plan::Plan plan = TestPlanner(graph, one_stage(graph, "tp=2"), split_factors({})).make();
  const spec::Notation notation = ops::notation_of(graph, graph.nodes()[0]);
  int refused = 0;
  for (int factor = 0; factor < static_cast<int>(notation.factors.size()); ++factor) {
    if (spec::is_splittable(notation, factor)) continue;
    plan.ops[0].axis_factor = {factor};
    expect_refused(graph, plan, "node \"heads\" (reshape)");
    ++refused;
  }
  EXPECT_EQ(refused, 2);  // the tokens and the elements of a head
}

TEST(PartitionRank, TermsOfAnotherReductionAreRefusedByName) {
  const ir::Graph graph = ir::parse_graph(R"(graph "max" {
  input %x : f32[4,6]
  %largest : f32[4] = reduce_max(%x) {dim = 1}
  %twice : f32[4] = add(%largest, %largest)
  return %twice
}
)");
  plan::Plan plan = TestPlanner(graph, one_stage(graph, "tp=2"), split_factors({})).make();
  plan.ops[0].axis_factor = {1};
  plan.values = {{"largest", {{{}}, {{0, ReduceKind::kMax}}}}};
  plan.ops[1].axis_factor = {spec::Strategy::kPassPartial};
  expect_refused(graph, plan, "no collective turns \"largest\"");
}

// The add of x, which is whole, to terms: the first rank has x, the other one zeros.
TEST(PartitionRank, WholeValuesAreMadeTermsOfASum) {
  const ir::Graph graph = ir::parse_graph(kMlp);
  plan::Plan plan =
      TestPlanner(graph, one_stage(graph, "tp=2"), split_factors({{"up", "n"}})).make();
  plan.ops[3].axis_factor = {spec::Strategy::kPassPartial};
  const auto terms = [&](int rank) {
    const ir::Graph program = partition_rank(graph, plan, rank).graph;
    return std::ranges::count(program.nodes(), "term", &ir::Node::op);
  };
  EXPECT_EQ(terms(0), 0);
  EXPECT_GE(terms(1), 1);
}

}  // namespace
}  // namespace partita::partition
