// SPDX-License-Identifier: Apache-2.0
// A model of two layers on a described device, small enough to check explanations by hand.
#pragma once

#include "cost/profile.h"
#include "ir/graph.h"
#include "ops/op.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {

// Per layer y = relu(x W1^T) W2^T: 64 -> 256 -> 64.
inline ir::Graph small_model(const std::string& prefix = "layers") {
  ir::Graph graph("small");
  const auto f32 = DType::kF32;
  ir::ValueId x = graph.add_input("x", {f32, {"t", 64}});
  for (int32_t layer = 0; layer < 2; ++layer) {
    const std::string name = str(prefix, ".", layer, ".");
    const auto weight = [&](const char* part, int64_t rows, int64_t columns) {
      return graph.add_weight(name + part + ".weight", {f32, {rows, columns}},
                              ir::WeightSource::from_tensor(name + part));
    };
    const ir::ValueId up = weight("up", 256, 64);
    const ir::ValueId down = weight("down", 64, 256);
    x = ops::add_op(graph, "linear", {x, up}, {.name = name + "up", .layer = layer});
    x = ops::add_op(graph, "relu", {x}, {.name = name + "act", .layer = layer});
    x = ops::add_op(graph, "linear", {x, down}, {.name = name + "down", .layer = layer});
  }
  graph.set_outputs({x});
  return graph;
}

inline cost::Profile small_device() {
  return cost::parse_profile(R"(
name = "small"
[mesh]
axes = []
[device]
memory_gb = 0.01
memory_bandwidth_gbps = 0.1
tflops_f32 = 0.001
tflops_bf16 = 0.01
launch_us = 1.0
reserve_gb = 0.001
[[link]]
axis = "*"
latency_us = 2.0
bandwidth_gbps = 0.5
)",
                             "small.toml");
}

}  // namespace partita::planner
