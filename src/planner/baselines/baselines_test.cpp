// SPDX-License-Identifier: Apache-2.0
#include "planner/baselines/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "importer/importer.h"
#include "planner/explain/summary.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

ir::Graph model(const std::string& name) {
  return importer::import_model(data("configs/" + name), {.weight_dtype = DType::kBF16}).graph;
}

// Layers per stage.
std::vector<int> layers_between(const ir::Graph& graph, std::vector<int64_t> cuts) {
  cuts.push_back(static_cast<int64_t>(graph.nodes().size()));
  std::vector<int> result;
  int64_t begin = 0;
  for (const int64_t end : cuts) {
    std::set<int> layers;
    for (int64_t node = begin; node < end; ++node) {
      layers.insert(graph.nodes()[static_cast<size_t>(node)].layer);
    }
    layers.erase(-1);
    result.push_back(static_cast<int>(layers.size()));
    begin = end;
  }
  return result;
}

TEST(EvenLayerCuts, StagesDifferByOneLayerAtMostAndNoLayerIsCut) {
  const ir::Graph graph = model("gpt2");
  EXPECT_TRUE(even_layer_cuts(graph, 1).empty());
  EXPECT_EQ(layers_between(graph, even_layer_cuts(graph, 2)), (std::vector<int>{6, 6}));
  EXPECT_EQ(layers_between(graph, even_layer_cuts(graph, 5)), (std::vector<int>{3, 3, 2, 2, 2}));
  EXPECT_EQ(layers_between(graph, even_layer_cuts(graph, 12)), std::vector<int>(12, 1));
  EXPECT_THROW((void)even_layer_cuts(graph, 13), Error);
}

// Two all-reduces per block, one for the vocabulary-parallel embedding, one gather of logits.
TEST(MegatronPins, GiveMegatronsCollectivesInEveryFamily) {
  for (const char* name : {"gpt2-medium", "llama-3-8b", "mistral-7b", "qwen2-0.5b", "qwen3-8b",
                           "mixtral-8x7b", "qwen3-30b-a3b"}) {
    const ir::Graph graph = model(name);
    const PlanRequest request = {.graph = graph,
                                 .mesh = spec::Mesh({{"tp", 8}}),
                                 .profile = cost::load_profile(data("devices/h100-8x8.toml")),
                                 .dtype = "bf16",
                                 .pins = megatron_pins(graph)};
    const PlanResult result = make_plan(request);
    ASSERT_TRUE(std::holds_alternative<plan::Plan>(result)) << name;
    std::map<std::string, int64_t> outside;
    for (const auto& [key, count] : collectives_per_layer(std::get<plan::Plan>(result), graph)) {
      if (key.first < 0) outside[key.second] += count.calls;
      if (key.first < 0) continue;
      EXPECT_EQ(key.second, "all_reduce") << name << " layer " << key.first;
      EXPECT_EQ(count.calls, 2) << name << " layer " << key.first;
    }
    EXPECT_EQ(outside, (std::map<std::string, int64_t>{{"all_gather", 1}, {"all_reduce", 1}}))
        << name;
  }
}

TEST(PriceBaseline, MemoryDecidesWhetherItFits) {
  const ir::Graph graph = model("llama-3-70b");
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh::parse("pp=2,tp=2"),
                         .profile = cost::load_profile(data("devices/h100-8x8.toml")),
                         .dtype = "bf16"};
  for (const Baseline baseline : {Baseline::kMegatron, Baseline::kEvenLayers}) {
    EXPECT_TRUE(price_baseline(request, baseline).fits);
  }
  request.mesh = spec::Mesh::parse("tp=1");
  EXPECT_FALSE(price_baseline(request, Baseline::kEvenLayers).fits);
}

}  // namespace
}  // namespace partita::planner
