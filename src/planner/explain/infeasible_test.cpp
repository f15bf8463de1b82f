// SPDX-License-Identifier: Apache-2.0
// Every change that is said to fit is tried, and so is one step less of it.
#include "planner/explain/infeasible.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "importer/importer.h"
#include "passes/quantize_weights.h"
#include "passes/with_cache_dtype.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;
using Kind = FitChange::Kind;

ir::Graph model(DType dtype) {
  return importer::import_model(
             std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/configs/llama-3.2-1b",
             {.weight_dtype = dtype})
      .graph;
}

ir::Graph quantized(DType dtype) {
  return passes::quantize_weights(model(DType::kBF16), dtype).graph;
}

cost::Profile device(int64_t bytes) {
  cost::Profile profile = cost::load_profile(std::filesystem::path(PARTITA_SOURCE_DIR) /
                                             "tests/data/devices/test-cpu.toml");
  cost::limit_memory(profile, bytes);
  return profile;
}

// A billion f32 weights over two ranks are 2.5 GB each; 16 caches of 4096 positions 2.1 GB.
PlanRequest tight_request(const ir::Graph& graph, int64_t memory) {
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh::parse("tp=2"),
                         .profile = device(memory),
                         .workload = {.concurrency = 16, .max_context = 4096}};
  request.smaller_weights = {{"bf16", "bf16", [] { return model(DType::kBF16); }},
                             {"q8", "q8_0", [] { return quantized(DType::kQ8_0); }},
                             {"q4", "q4_0", [] { return quantized(DType::kQ4_0); }}};
  request.smaller_cache = [] { return passes::with_cache_dtype(model(DType::kF32), DType::kF16); };
  return request;
}

// The request with a change, `more` steps (of the last digit shown) away from what was found.
bool fits_with(const PlanRequest& request, const FitChange& change, int64_t more) {
  ir::Graph smaller = model(DType::kF32);
  for (const SmallerWeights& weights : request.smaller_weights) {
    if (weights.name == change.dtype) smaller = weights.graph();
  }
  if (change.kind == Kind::kCache) smaller = request.smaller_cache();
  const bool is_smaller = change.kind == Kind::kWeights || change.kind == Kind::kCache;
  PlanRequest changed = {.graph = is_smaller ? smaller : request.graph,
                         .mesh = request.mesh,
                         .profile = request.profile,
                         .workload = request.workload};
  switch (change.kind) {
    case Kind::kMemory:
      changed.profile = device(change.value + more * 100'000'000);
      break;
    case Kind::kContext:
      changed.workload.max_context = change.value + more * 16;
      changed.workload.prompt_tokens =
          std::min(changed.workload.prompt_tokens, changed.workload.max_context - 128);
      break;
    case Kind::kConcurrency:
      changed.workload.concurrency = change.value + more;
      break;
    case Kind::kStepTokens:
      changed.workload.max_step_tokens = change.value + more;
      break;
    case Kind::kWeights:
    case Kind::kCache:
      break;
    case Kind::kRanks:
      changed.mesh = spec::Mesh({{"tp", change.value + more}});
      break;
  }
  return std::holds_alternative<plan::Plan>(make_plan(changed));
}

TEST(Infeasible, EveryChangeListedFitsAndOneStepLessDoesNot) {
  const ir::Graph graph = model(DType::kF32);
  const PlanRequest request = tight_request(graph, 4'000'000'000);
  const auto infeasible = std::get<Infeasible>(make_plan(request));
  EXPECT_EQ(infeasible.too_large, "weights and KV cache");
  std::vector<Kind> kinds;
  for (const FitChange& change : infeasible.changes) {
    kinds.push_back(change.kind);
    EXPECT_TRUE(fits_with(request, change, 0)) << change.text;
    EXPECT_THAT(infeasible.reason, HasSubstr(change.text));
    const bool is_least = change.kind == Kind::kMemory || change.kind == Kind::kRanks;
    // The power of two is listed beside the least number of ranks.
    const bool is_second = change.kind == Kind::kRanks && change.value == 4;
    const bool has_steps = change.kind != Kind::kWeights && change.kind != Kind::kCache;
    if (has_steps && !is_second) {
      EXPECT_FALSE(fits_with(request, change, is_least ? -1 : 1)) << change.text;
    }
  }
  EXPECT_THAT(
      kinds, testing::ElementsAre(Kind::kMemory, Kind::kContext, Kind::kConcurrency, Kind::kWeights,
                                  Kind::kCache, Kind::kRanks, Kind::kRanks));
}

// What is largest of the types that fit is said.
TEST(Infeasible, SmallerWeightsAreSaidByTheirType) {
  const ir::Graph graph = model(DType::kF32);
  // 2.5, 1.2, 0.7 and 0.4 GB of weights, and 0.1 GB of cache and activations.
  const std::pair<int64_t, std::string> cases[] = {
      {2'000'000'000, "bf16"}, {1'200'000'000, "q8"}, {800'000'000, "q4"}, {400'000'000, ""}};
  for (const auto& [memory, expected] : cases) {
    PlanRequest request = tight_request(graph, memory);
    request.workload = {.max_context = 2048, .max_step_tokens = 64};
    const auto infeasible = std::get<Infeasible>(make_plan(request));
    std::string weights;
    for (const FitChange& change : infeasible.changes) {
      if (change.kind != Kind::kWeights) continue;
      weights += change.dtype;
      EXPECT_EQ(change.text, change.dtype + " weights");
      EXPECT_TRUE(fits_with(request, change, 0));
    }
    EXPECT_EQ(weights, expected) << memory;
  }
}

TEST(Infeasible, SmallerStepIsFoundWhereActivationsAreTooMuch) {
  const ir::Graph graph = model(DType::kF32);
  PlanRequest request = tight_request(graph, 3'300'000'000);
  request.workload = {.concurrency = 1, .max_context = 4096, .max_step_tokens = 16384};
  const auto infeasible = std::get<Infeasible>(make_plan(request));
  EXPECT_THAT(infeasible.too_large, HasSubstr("activations"));
  const auto step =
      std::find_if(infeasible.changes.begin(), infeasible.changes.end(),
                   [](const FitChange& change) { return change.kind == Kind::kStepTokens; });
  ASSERT_NE(step, infeasible.changes.end());
  EXPECT_TRUE(fits_with(request, *step, 0));
  EXPECT_FALSE(fits_with(request, *step, 1));
}

TEST(Infeasible, NoChangeIsInventedWhereNoneHelps) {
  const ir::Graph graph = model(DType::kF32);
  PlanRequest request = tight_request(graph, 4'000'000'000);
  // A device that is all reserve: no workload and no number of ranks fits.
  request.profile.device.reserve_bytes = request.profile.device.memory_bytes;
  const auto infeasible = std::get<Infeasible>(make_plan(request));
  for (const FitChange& change : infeasible.changes) {
    EXPECT_EQ(change.kind, Kind::kMemory) << change.text;
  }
}

TEST(Infeasible, JsonHoldsWhatTheMessageSays) {
  const ir::Graph graph = model(DType::kF32);
  const auto infeasible = std::get<Infeasible>(make_plan(tight_request(graph, 4'000'000'000)));
  const Json json = to_json(infeasible);
  EXPECT_EQ(json.at("message"), infeasible.reason);
  EXPECT_EQ(json.at("shortfall_bytes"), infeasible.shortfall_bytes);
  EXPECT_EQ(json.at("changes_that_fit").size(), infeasible.changes.size());
  EXPECT_EQ(json.at("changes_that_fit")[0].at("change"), "memory_bytes_per_device");
  EXPECT_EQ(json.at("changes_that_fit")[0].at("value"), infeasible.changes[0].value);
}

}  // namespace
}  // namespace partita::planner
