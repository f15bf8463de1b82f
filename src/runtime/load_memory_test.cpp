// SPDX-License-Identifier: Apache-2.0
// ctest-label: slow
// Peak memory while loading: the shards and little more, although kernels keep packed copies.
#include <gtest/gtest.h>
#include <malloc.h>

#include <cstring>
#include <fstream>
#include <string>

#include "runtime/executor.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// A value in kB of /proc/self/status, in bytes.
int64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

// Forgets the peak so far.
void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

ir::Graph many_layers(DType dtype, int layers, int64_t width) {
  ir::Graph graph("wide");
  ir::ValueId at = graph.add_input("x", {DType::kF32, {"t", width}});
  for (int layer = 0; layer < layers; ++layer) {
    const std::string name = str("layer", layer);
    const ir::ValueId weight = graph.add_weight(name + ".weight", {dtype, {width, width}},
                                                ir::WeightSource::from_tensor(name));
    const ir::TensorType type{DType::kF32, {"t", width}};
    at = graph.node(graph.add_node({"linear", name, {at, weight}, {}, {}, -1}, std::span(&type, 1)))
             .outputs[0];
  }
  graph.set_outputs({at});
  return graph;
}

class LoadMemory : public testing::TestWithParam<DType> {};

TEST_P(LoadMemory, PeakStaysNearTheShards) {
  const ir::Graph graph = many_layers(GetParam(), 48, 1024);
  const int64_t shards = weight_bytes_of(graph);
  const WeightReader zeros = [](const ir::Value& weight, std::byte* to) {
    std::memset(to, 0, static_cast<size_t>(weight.type.bytes()));  // of block types too
  };
  malloc_trim(0);  // what an earlier test has freed would hide our growth
  const int64_t before = status_bytes("VmRSS");
  reset_peak();
  const Executor executor({0, graph, {}, {{"t", 64}}}, zeros, nullptr);
  const int64_t peak = status_bytes("VmHWM") - before;
  EXPECT_GE(peak, shards / 2);  // the measurement works
  EXPECT_LE(peak, shards + shards * 15 / 100 + 64 * kMiB);
}

INSTANTIATE_TEST_SUITE_P(DTypes,
                         LoadMemory,
                         testing::Values(DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0));

}  // namespace
}  // namespace partita::runtime
