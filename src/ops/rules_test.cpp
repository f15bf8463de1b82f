// SPDX-License-Identifier: Apache-2.0
// Rules of operators: counts, specs and reductions on one and two mesh axes.
#include "ops/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using ::testing::ElementsAre;
using List = std::vector<int64_t>;

std::vector<OpRule> rules(std::string_view op,
                          std::vector<ir::TensorType> inputs,
                          const ir::Attributes& given = {},
                          std::string_view mesh = "p=4") {
  return rules_of({op, given, inputs}, spec::Mesh::parse(mesh));
}

struct Count {
  size_t same_call = 0;   // rules whose pieces run the call unchanged and reduce at once
  size_t other_call = 0;  // rules that change attributes
  size_t passed = 0;      // rules that pass terms through
  bool operator==(const Count&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.same_call << " + " << count.other_call << ", " << count.passed << " passed";
}

Count count(std::string_view op,
            std::vector<ir::TensorType> inputs,
            const ir::Attributes& given = {}) {
  Count result;
  for (const OpRule& rule : rules(op, std::move(inputs), given)) {
    if (rule.reduction == RuleReduction::kPassed) {
      ++result.passed;
    } else {
      ++(rule.keeps_attributes ? result.same_call : result.other_call);
    }
  }
  return result;
}

// The counts of a search that tries all ways to split the inputs of a call over 4 shards, leaves
// the call as it is and reduces at once.
TEST(Rules, CountsOnFourShards) {
  EXPECT_EQ(count("matmul", {f32({32, 64}), f32({64, 32})}), (Count{5, 0, 2}));
  EXPECT_EQ(count("matmul", {f32({4, 8, 8}), f32({4, 8, 8})}), (Count{6, 0, 2}));
  EXPECT_EQ(count("conv2d", {f32({32, 64, 224, 224}), f32({64, 64, 3, 3})}), (Count{5, 0, 2}));
  const auto swap = attributes({{"permutation", List{0, 3, 2, 1}}});
  EXPECT_EQ(count("transpose", {f32({4, 8, 4, 8})}, swap), (Count{5, 0, 1}));
  const auto border = attributes({{"before", List{1, 1, 0}}, {"after", List{1, 1, 0}}});
  EXPECT_EQ(count("pad", {f32({8, 8, 8})}, border), (Count{2, 0, 1}));
  const auto last = attributes({{"dim", int64_t{-1}}});
  EXPECT_EQ(count("softmax", {f32({8, 8})}, last), (Count{2, 0, 0}));
  EXPECT_EQ(count("reduce_sum", {f32({8, 8})}, last), (Count{4, 0, 1}));
  EXPECT_EQ(count("add", {f32({8, 8}), f32({8})}), (Count{3, 0, 1}));
  EXPECT_EQ(count("gelu", {f32({8, 8})}), (Count{3, 0, 0}));
}

// With the sizes of the pieces in the attribute, a reshape has one rule more than such a search.
TEST(Rules, CountsOfReshapes) {
  const auto merge_first = attributes({{"shape", List{32, -1}}});
  EXPECT_EQ(count("reshape", {f32({4, 8, 4})}, merge_first), (Count{2, 1, 1}));
  const auto merge_last = attributes({{"shape", List{-1, 32}}});
  EXPECT_EQ(count("reshape", {f32({4, 8, 4})}, merge_last), (Count{2, 1, 1}));
}

// The calls of ResNet-18 on one image; all can be cut, even with a batch of one.
TEST(Rules, EveryOperatorOfAnImageModelCanBeCut) {
  const auto window = [](List kernel, List strides, List padding) {
    ir::Attributes result = attributes({{"strides", strides}, {"padding", padding}});
    if (!kernel.empty()) result.set("kernel", kernel);
    return result;
  };
  struct Call {
    std::string_view op;
    std::vector<ir::TensorType> inputs;
    ir::Attributes attributes;
    size_t rules;  // the whole, channels, and where channels are summed two more
  };
  const auto stem = f32({64});
  const std::vector<Call> calls = {
      {"conv2d", {f32({1, 3, 224, 224}), f32({64, 3, 7, 7})}, window({}, {2, 2}, {3, 3, 3, 3}), 4},
      {"batch_norm",
       {f32({1, 64, 112, 112}), stem, stem, stem, stem},
       attributes({{"eps", 1e-5}}),
       4},
      {"relu", {f32({1, 64, 112, 112})}, {}, 4},
      {"max_pool2d", {f32({1, 64, 112, 112})}, window({3, 3}, {2, 2}, {1, 1, 1, 1}), 2},
      {"conv2d", {f32({1, 64, 56, 56}), f32({64, 64, 3, 3})}, window({}, {1, 1}, {1, 1, 1, 1}), 4},
      {"conv2d", {f32({1, 64, 56, 56}), f32({128, 64, 1, 1})}, window({}, {2, 2}, {0, 0, 0, 0}), 4},
      {"add", {f32({1, 512, 7, 7}), f32({1, 512, 7, 7})}, {}, 4},
      {"avg_pool2d", {f32({1, 512, 7, 7})}, window({7, 7}, {1, 1}, {0, 0, 0, 0}), 2},
      {"reshape", {f32({1, 512, 1, 1})}, attributes({{"shape", List{1, -1}}}), 2},
      {"linear", {f32({1, 512}), f32({1000, 512})}, {}, 4},
      {"add", {f32({1, 1000}), f32({1000})}, {}, 2}};
  for (const Call& call : calls) {
    // Indices of size 1 leave all ranks but one without work.
    size_t useful = 0;
    for (const OpRule& rule : rules(call.op, call.inputs, call.attributes)) {
      const bool is_empty = std::ranges::any_of(rule.strategy.outputs[0].dims, [](const auto& dim) {
        return !dim.axes.empty() && dim.pieces.back().empty();
      });
      useful += rule.reduction != RuleReduction::kPassed && !is_empty ? 1U : 0U;
    }
    EXPECT_EQ(useful, call.rules) << call.op;
  }
}

TEST(Rules, EveryOperatorHasARuleThatKeepsItWhole) {
  for (const OpDef* op : all_ops()) {
    if (op->is_collective) continue;
    for (const OpSample& sample : op->samples()) {
      const auto found =
          rules_of({op->name, sample.attributes, sample.inputs}, spec::Mesh::parse("p=2"));
      ASSERT_FALSE(found.empty()) << op->name;
      EXPECT_EQ(found[0].reduction, RuleReduction::kNone) << op->name;
      EXPECT_TRUE(found[0].keeps_attributes) << op->name;
    }
  }
}

// "p:m [m:p, k], [k, n] -> [m:p, n]".
std::vector<std::string> texts(const std::vector<OpRule>& rules,
                               const OpCall& call,
                               const spec::Mesh& mesh) {
  const spec::Notation notation = find_op(call.op).bind(call);
  const auto shapes = spec::output_shapes(notation);
  std::vector<std::string> result;
  for (const OpRule& rule : rules) {
    std::string text;
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      text +=
          str(i == 0 ? "" : ", ", spec::to_string(rule.strategy.inputs[i], call.inputs[i].shape(),
                                                  mesh, dim_names(notation, notation.inputs[i])));
    }
    text += str(" -> ", spec::to_string(rule.outputs[0], shapes[0], mesh,
                                        dim_names(notation, notation.outputs[0])));
    if (rule.reduction != RuleReduction::kNone) text += str(" ", to_string(rule.reduction));
    result.push_back(text);
  }
  return result;
}

std::vector<std::string> matmul_texts(std::string_view mesh_text) {
  const std::vector<ir::TensorType> inputs = {f32({32, 64}), f32({64, 32})};
  const ir::Attributes none;
  const OpCall call{"matmul", none, inputs};
  const spec::Mesh mesh = spec::Mesh::parse(mesh_text);
  std::vector<OpRule> found = rules_of(call, mesh);
  std::erase_if(found, [](const OpRule& rule) { return rule.reduction == RuleReduction::kPassed; });
  return texts(found, call, mesh);
}

TEST(Rules, TableOfAMatmul) {
  EXPECT_THAT(matmul_texts("p=4"),
              ElementsAre("[m, k], [k, n] -> [m, n]", "[m:p, k], [k, n] -> [m:p, n]",
                          "[m, k], [k, n:p] -> [m, n:p]", "[m, k:p], [k:p, n] -> [m, n] all_reduce",
                          "[m, k:p], [k:p, n] -> [m:p, n] reduce_scatter"));
}

TEST(Rules, TableOfAMatmulOnTwoAxes) {
  EXPECT_THAT(
      matmul_texts("a=2,b=2"),
      ElementsAre("[m, k], [k, n] -> [m, n]", "[m:b, k], [k, n] -> [m:b, n]",
                  "[m, k], [k, n:b] -> [m, n:b]", "[m, k:b], [k:b, n] -> [m, n] all_reduce",
                  "[m, k:b], [k:b, n] -> [m:b, n] reduce_scatter", "[m:a, k], [k, n] -> [m:a, n]",
                  "[m:a*b, k], [k, n] -> [m:a*b, n]", "[m:a, k], [k, n:b] -> [m:a, n:b]",
                  "[m:a, k:b], [k:b, n] -> [m:a, n] all_reduce",
                  "[m:a, k:b], [k:b, n] -> [m:a, n:b] reduce_scatter",
                  "[m, k], [k, n:a] -> [m, n:a]", "[m:b, k], [k, n:a] -> [m:b, n:a]",
                  "[m, k], [k, n:a*b] -> [m, n:a*b]", "[m, k:b], [k:b, n:a] -> [m, n:a] all_reduce",
                  "[m, k:b], [k:b, n:a] -> [m:b, n:a] reduce_scatter",
                  "[m, k:a], [k:a, n] -> [m, n] all_reduce",
                  "[m, k:a], [k:a, n] -> [m:a, n] reduce_scatter",
                  "[m:b, k:a], [k:a, n] -> [m:b, n] all_reduce",
                  "[m:b, k:a], [k:a, n] -> [m:b, n:a] reduce_scatter",
                  "[m, k:a], [k:a, n:b] -> [m, n:b] all_reduce",
                  "[m, k:a], [k:a, n:b] -> [m:a, n:b] reduce_scatter",
                  "[m, k:a*b], [k:a*b, n] -> [m, n] all_reduce",
                  "[m, k:a*b], [k:a*b, n] -> [m:a*b, n] reduce_scatter"));
}

TEST(Rules, TellUnevenPiecesAndTheWorkOfTheLargest) {
  const auto found = rules("matmul", {f32({6, 8}), f32({8, 5})});
  EXPECT_TRUE(found[0].is_even);
  EXPECT_EQ(found[0].flops, 2 * 6 * 8 * 5);
  EXPECT_FALSE(found[1].is_even);  // m: 2 2 1 1
  EXPECT_EQ(found[1].flops, 2 * 2 * 8 * 5);
}

TEST(Rules, TermsThatNoDimCanTakeAreOnlyAllReduced) {
  const auto found = rules("matmul", {f32({2, 8}), f32({8, 3})});
  const auto scattered =
      std::ranges::count(found, RuleReduction::kReduceScatter, &OpRule::reduction);
  EXPECT_EQ(scattered, 0);
}

TEST(Rules, OfAnEmbeddingSplitByRowsAddAnAttribute) {
  const std::vector<OpRule> found = rules("embedding", {f32({12, 4}), i32({5})});
  size_t changed = 0;
  for (const OpRule& rule : found) changed += rule.keeps_attributes ? 0 : 1;
  EXPECT_EQ(changed, 2U);  // rows with all_reduce and with reduce_scatter
}

TEST(Rules, SymbolicDimsStayWhole) {
  const auto found = rules("linear", {{DType::kF32, {"t", 8}}, f32({8, 8})});
  for (const OpRule& rule : found) EXPECT_TRUE(rule.outputs[0].dims[0].axes.empty());
  EXPECT_EQ(found.size(), 6U);  // whole, n, k twice (n takes the terms), two that pass terms
}

TEST(Rules, RefuseAMeshWithTooManyOfThem) {
  EXPECT_THROW(
      static_cast<void>(rules("matmul", {f32({32, 64}), f32({64, 32})}, {}, "a=64,b=64,c=64")),
      Error);
}

}  // namespace
}  // namespace partita::ops
