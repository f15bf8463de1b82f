// SPDX-License-Identifier: Apache-2.0
// A weight that embedding and linear read (tied embeddings): one packed copy serves both.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "runtime/executor.h"
#include "support/quant_blocks.h"

namespace partita::runtime {
namespace {

struct Case {
  DType dtype;
  int64_t rows;
  int64_t width;
};

std::vector<std::byte> random_weight(const Case& which) {
  std::mt19937 random(5);
  const int64_t count = which.rows * which.width;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() >> 8) * 0x1p-23F - 1.0F;
  std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(which.dtype, count)));
  if (is_block_type(which.dtype)) {
    quantize(values.data(), count, which.dtype, bytes.data());
  } else {
    convert_from_f32(values.data(), which.dtype, bytes.data(), count);
  }
  return bytes;
}

// logits[t, rows] = rows ids[t] of `first` times `second`; both may be one weight.
ir::Graph graph_of(const Case& which, bool is_tied) {
  ir::Graph graph("tied");
  const ir::ValueId ids = graph.add_input("ids", {DType::kI32, {"t"}});
  const ir::TensorType weight{which.dtype, {which.rows, which.width}};
  const ir::ValueId first = graph.add_weight("w", weight, ir::WeightSource::from_tensor("w"));
  const ir::ValueId second =
      is_tied ? first : graph.add_weight("v", weight, ir::WeightSource::from_tensor("w"));
  const ir::TensorType row{DType::kF32, {"t", which.width}};
  const ir::NodeId embedding =
      graph.add_node({"embedding", "embed", {first, ids}, {}, {}, -1}, std::span(&row, 1));
  const ir::ValueId x = graph.node(embedding).outputs[0];
  const ir::TensorType logits{DType::kF32, {"t", which.rows}};
  const ir::NodeId head =
      graph.add_node({"linear", "head", {x, second}, {}, {}, -1}, std::span(&logits, 1));
  graph.set_outputs({x, graph.node(head).outputs[0]});
  return graph;
}

class SharedWeight : public testing::TestWithParam<Case> {
 protected:
  // Both outputs, one after the other.
  std::vector<float> run(bool is_tied) {
    Executor executor({0, graph_of(GetParam(), is_tied), {}, {{"t", 6}}}, reader_, nullptr);
    const std::array<int32_t, 5> ids = {0, static_cast<int32_t>(GetParam().rows - 1), 33, 7, 64};
    const StepInput input{"ids", DType::kI32, ids.data(), 5};
    const SymbolSize tokens{"t", 5};
    std::vector<float> values;
    for (const ops::TensorView& output : executor.run({{&input, 1}, {&tokens, 1}})) {
      const auto* data = output.as<const float>();
      values.insert(values.end(), data, data + output.elements());
    }
    return values;
  }
  std::vector<std::byte> weight_ = random_weight(GetParam());
  WeightReader reader_ = [this](const ir::Value&, std::byte* to) {
    std::memcpy(to, weight_.data(), weight_.size());
  };
};

TEST_P(SharedWeight, GivesWhatTwoCopiesGive) { EXPECT_EQ(run(true), run(false)); }

TEST_P(SharedWeight, KeepsNoPlainCopyBesideThePackedOne) {
  const ir::Graph graph = graph_of(GetParam(), true);
  const ir::SymbolSizes max_sizes = {{"t", 6}};
  const BufferPlan buffers = plan_buffers(graph, max_sizes);
  const auto device = device::make_cpu_device();
  const LoadProgress silent;
  const LoadedProgram loaded =
      load_program({graph, buffers, max_sizes, nullptr, nullptr, reader_, silent}, *device);
  const auto weight = static_cast<size_t>(*graph.find_value("w"));
  EXPECT_EQ(loaded.weights[weight].data(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Types,
                         SharedWeight,
                         testing::Values(Case{DType::kF32, 70, 33},
                                         Case{DType::kBF16, 130, 33},
                                         Case{DType::kBF16, 65, 40},
                                         Case{DType::kQ8_0, 70, 64},
                                         Case{DType::kQ4_0, 100, 96}));

}  // namespace
}  // namespace partita::runtime
