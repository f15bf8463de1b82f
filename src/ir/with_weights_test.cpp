// SPDX-License-Identifier: Apache-2.0
// Weights of a graph are exchanged; nothing else changes.
#include "ir/with_weights.h"

#include <gtest/gtest.h>

namespace partita::ir {
namespace {

constexpr std::string_view kText = R"(graph "small" {
  input %x : f32[t,4]
  weight %w : f32[6,4] = transpose(slice(tensor("a"), 1, 0, 6), [1,0])
  %y : f32[t,6] = linear(%x, %w) {layer = 0}
  return %y
}
)";

TEST(WithWeights, ChangesTypesAndSourcesOnly) {
  const Graph graph = parse_graph(kText);
  const Graph changed = with_weights(graph, [](const Value& weight) {
    return NewWeight{{DType::kBF16, weight.type.dims}, WeightSource::from_tensor("b")};
  });
  std::string expected(kText);
  expected.replace(expected.find("  weight"), expected.find("  %y") - expected.find("  weight"),
                   "  weight %w : bf16[6,4] = tensor(\"b\")\n");
  EXPECT_EQ(print_graph(changed), expected);
}

TEST(WithWeights, TensorsBecomeExpressionsAndDoubleTransposesGoAway) {
  const auto replaced = [](const std::string& text) {
    const WeightSource source =
        with_tensors(parse_weight_source(text), [](const std::string& name) {
          return WeightSource::from_tensor(name + "'").transpose({1, 0});
        });
    return to_string(simplified(source));
  };
  EXPECT_EQ(replaced(R"(transpose(tensor("a"), [1,0]))"), R"(tensor("a'"))");
  EXPECT_EQ(replaced(R"(transpose(slice(tensor("a"), 1, 2, 6), [1,0]))"),
            R"(slice(tensor("a'"), 0, 2, 6))");
  EXPECT_EQ(replaced(R"(slice(tensor("a"), 1, 2, 6))"),
            R"(slice(transpose(tensor("a'"), [1,0]), 1, 2, 6))");
}

}  // namespace
}  // namespace partita::ir
