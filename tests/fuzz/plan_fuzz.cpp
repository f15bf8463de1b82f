// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text is either refused as plan.json with an Error or reads, prints and reads
// back to the same plan; whether it also fits the graph is a further Error.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "plan/plan.h"
#include "support/error.h"

namespace {

// The graph that the corpus is written for: an embedding and a linear head.
constexpr std::string_view kGraph = R"(graph "small" {
  input %ids : i32[t]
  weight %w : f32[7,4] = tensor("w")
  %x : f32[t,4] = embedding(%w, %ids) {layer = 0}
  weight %head : f32[7,4] = tensor("h")
  %y : f32[t,7] = linear(%x, %head) {layer = 1}
  return %y
}
)";

const partita::ir::Graph& graph() {
  static const partita::ir::Graph kParsed = partita::ir::parse_graph(kGraph);
  return kParsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace partita;
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, "plan.json");
    const plan::Plan plan = plan::plan_from_json(json, graph(), "plan.json");
    const Json written = plan::to_json(plan, graph());
    if (plan::plan_from_json(written, graph(), "written") != plan) std::abort();
    plan::validate(plan, graph());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
