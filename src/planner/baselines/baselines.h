// SPDX-License-Identifier: Apache-2.0
// What people do by hand, priced as the planner's own plans are: Megatron-LM's tensor plan and the
// even layer split.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "planner/pins/pin.h"
#include "planner/planner.h"
#include "spec/mesh.h"

namespace partita::planner {

// Megatron-LM's rules as pins, for every family that partita reads: q, k, v, gate and up cut by
// outputs, o and down by inputs, embedding and head by vocabulary, the rest whole.
[[nodiscard]] std::vector<Pin> megatron_pins(const ir::Graph& graph);

// Cuts (PlanRequest::cuts) that give every stage as many layers, the first ones one more where they
// do not divide; what comes before and after the layers goes to the first and last stage. Throws
// kInvalidArgument when there are fewer layers than stages.
[[nodiscard]] std::vector<int64_t> even_layer_cuts(const ir::Graph& graph, int64_t stages);

enum class Baseline : uint8_t {
  kMegatron,    // Megatron's plan inside every stage, even layers over stages
  kEvenLayers,  // even layers over stages, the best tensor plan inside each
};
[[nodiscard]] const char* to_string(Baseline baseline);

struct BaselinePrice {
  Baseline baseline = Baseline::kMegatron;
  std::string mesh;
  bool fits = false;
  plan::CostTerms step;  // of one step
  double request_s = 0;  // of one request
};

// The baseline on the request's mesh (not stage by stage), under the request's own workload, memory
// and rules; its pins are not looked at. Unlike devices of a stage get equal shares.
[[nodiscard]] BaselinePrice price_baseline(const PlanRequest& request, Baseline baseline);

// Every split of `ranks` into stages and tensor ranks: "tp=8", "pp=2,tp=4", ..., "pp=8".
[[nodiscard]] std::vector<spec::Mesh> baseline_meshes(const ir::Graph& graph, int64_t ranks);

}  // namespace partita::planner
