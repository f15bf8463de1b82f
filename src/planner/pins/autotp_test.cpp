// SPDX-License-Identifier: Apache-2.0
// DeepSpeed's rules: lists, patterns, policies and what the parser finds by itself.
#include "planner/pins/autotp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "importer/importer.h"
#include "planner/pins/autotp_items.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ir::Graph graph_of(const std::string& config) {
  const auto folder = std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/configs" / config;
  return importer::import_model(folder, {.weight_dtype = DType::kBF16}).graph;
}

// Weights of layer 0 -> "spec source".
std::map<std::string, std::string> first_layer(const AutoTpImport& import) {
  std::map<std::string, std::string> weights;
  for (const Pin& pin : import.pins) {
    if (pin.match.starts_with("layers.0.") && pin.match.ends_with(".weight")) {
      weights[pin.match.substr(9)] = pin.decision + " " + pin.source;
    }
  }
  return weights;
}

std::string refusal(const AutoTpRequest& request) {
  try {
    (void)import_autotp(request);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string config_refusal(const char* text) {
  try {
    (void)partition_config_from_json(parse_json(text, "x"), "ds.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile) << text;
    EXPECT_THAT(error.what(), HasSubstr("ds.json")) << text;
    return error.what();
  }
  return "accepted";
}

PartitionConfig config(const char* text) {
  return partition_config_from_json(parse_json(text, "x"), "ds.json");
}

TEST(AutoTpItems, ListLiteralsAndCommaListsAreRead) {
  for (const char* text : {"['o_proj', 'down_proj']", "[\"o_proj\",\"down_proj\",]",
                           " o_proj , down_proj", "'o_proj','down_proj'"}) {
    EXPECT_THAT(parse_items(text, "x"), ElementsAre("o_proj", "down_proj")) << text;
  }
  for (const char* text : {"", "  ", "[]", "[ ]"}) EXPECT_THAT(parse_items(text, "x"), IsEmpty());
  for (const char* text : {"[", "]", "['a'", "'a']", "[a]", "['a\"]", "a b", "a,,b", "['']"}) {
    EXPECT_THROW((void)parse_items(text, "x"), Error) << text;
  }
}

TEST(AutoTp, FindsTheRowsOfKnownFamiliesByItself) {
  const ir::Graph llama = graph_of("llama-3.2-1b");
  EXPECT_THAT(first_layer(import_autotp({.graph = llama, .model_type = "llama"})),
              testing::Pointwise(testing::Eq(),
                                 std::map<std::string, std::string>{
                                     {"attn.k_proj.weight", "[_:*, _] autotp: columns"},
                                     {"attn.o_proj.weight", "[_, _:*] autotp: o_proj sums"},
                                     {"attn.q_proj.weight", "[_:*, _] autotp: columns"},
                                     {"attn.v_proj.weight", "[_:*, _] autotp: columns"},
                                     {"mlp.down_proj.weight", "[_, _:*] autotp: down_proj sums"},
                                     {"mlp.gate_proj.weight", "[_:*, _] autotp: columns"},
                                     {"mlp.up_proj.weight", "[_:*, _] autotp: columns"}}));
  // Nothing in its names tells: both c_proj come right before a norm.
  const ir::Graph gpt2 = graph_of("gpt2");
  EXPECT_THAT(
      first_layer(import_autotp({.graph = gpt2, .model_type = "gpt2"})),
      testing::Pointwise(testing::Eq(),
                         std::map<std::string, std::string>{
                             {"attn.k_proj.weight", "[_:*, _] autotp: columns"},
                             {"attn.o_proj.weight", "[_, _:*] autotp: linear before norm sums"},
                             {"attn.q_proj.weight", "[_:*, _] autotp: columns"},
                             {"attn.v_proj.weight", "[_:*, _] autotp: columns"},
                             {"mlp.down_proj.weight", "[_, _:*] autotp: linear before norm sums"},
                             {"mlp.up_proj.weight", "[_:*, _] autotp: columns"}}));
}

TEST(AutoTp, ListsOfTheUserComeBeforeBuiltInNames) {
  const ir::Graph graph = graph_of("llama-3.2-1b");
  const auto weights = first_layer(
      import_autotp({.graph = graph,
                     .model_type = "llama",
                     .all_reduce = ItemList{{"up_proj"}, "allReduceLinearItems (environment)"},
                     .keep = ItemList{{"o_proj", "gate_proj"}, "keepLinearItems (ds.json)"}}));
  EXPECT_EQ(weights.at("mlp.up_proj.weight"),
            "[_, _:*] autotp: allReduceLinearItems (environment)");
  EXPECT_EQ(weights.at("attn.o_proj.weight"), "[_, _] autotp: keepLinearItems (ds.json)");
  EXPECT_EQ(weights.at("mlp.gate_proj.weight"), "[_, _] autotp: keepLinearItems (ds.json)");
  EXPECT_EQ(weights.at("mlp.down_proj.weight"), "[_, _:*] autotp: down_proj sums");
  const std::string message =
      refusal({.graph = graph, .model_type = "llama", .keep = ItemList{{"o_prj"}, "the list"}});
  EXPECT_THAT(message, HasSubstr("the list"));
  EXPECT_THAT(message, HasSubstr("self_attn.o_proj"));
}

TEST(AutoTp, InjectionPolicyNamesTheRows) {
  const ir::Graph graph = graph_of("gpt2");
  const auto weights = first_layer(import_autotp(
      {.graph = graph, .model_type = "gpt2", .policies = {{"GPT2Block", {"mlp.c_proj"}}}}));
  EXPECT_EQ(weights.at("mlp.down_proj.weight"), "[_, _:*] injection_policy: GPT2Block");
  const std::string message = refusal(
      {.graph = graph, .model_type = "gpt2", .policies = {{"GPT2Block", {"attn.out_proj"}}}});
  for (const char* part : {"GPT2Block", "attn.out_proj", "attn.c_proj"}) {
    EXPECT_THAT(message, HasSubstr(part));
  }
}

TEST(PartitionConfigs, FirstMatchCountsAndTheSecondIsAWarning) {
  const ir::Graph graph = graph_of("llama-3.2-1b");
  const AutoTpImport import =
      import_autotp({.graph = graph, .model_type = "llama", .partition = config(R"({"layer_specs": [
            {"patterns": [".*\\.o_proj\\.weight$"], "partition_type": "column", "gather_output": true},
            {"patterns": [".*_proj\\.weight$"], "partition_type": "row"},
            {"patterns": [".*"], "partition_type": "skip", "model_types": ["bloom"]}]})")});
  const auto weights = first_layer(import);
  EXPECT_EQ(weights.at("attn.o_proj.weight"), "[_:*, _] partition_config: ds.json.layer_specs[0]");
  EXPECT_EQ(weights.at("mlp.up_proj.weight"), "[_, _:*] partition_config: ds.json.layer_specs[1]");
  ASSERT_EQ(import.warnings.size(), 1U);
  EXPECT_THAT(import.warnings.front(), HasSubstr("model.layers.*.self_attn.o_proj.weight"));
  EXPECT_THAT(import.pins, testing::Contains(Pin{"layers.0.attn.o_proj", "[_, _]",
                                                 "partition_config: ds.json.layer_specs[0]",
                                                 PinLevel::kPartitionConfig}));
}

TEST(PartitionConfigs, StrictModeAndUnmatchedPatternsAreErrors) {
  const ir::Graph graph = graph_of("llama-3.2-1b");
  const std::string strict = refusal({.graph = graph,
                                      .model_type = "llama",
                                      .partition = config(R"({"strict_mode": true, "layer_specs": [
            {"patterns": [".*self_attn.*"], "partition_type": "column"}]})")});
  EXPECT_THAT(strict, HasSubstr("strict_mode"));
  EXPECT_THAT(strict, HasSubstr("mlp."));
  const std::string unmatched =
      refusal({.graph = graph, .model_type = "llama", .partition = config(R"({"layer_specs": [
            {"patterns": ["nothing"], "partition_type": "column"}]})")});
  EXPECT_THAT(unmatched, HasSubstr("\"nothing\""));
}

TEST(PartitionConfigs, ShapesMustFitTheTensor) {
  const ir::Graph graph = graph_of("gpt2");
  const auto with_shape = [&](const char* shape) {
    const std::string text =
        str(R"({"layer_specs": [{"patterns": [".*c_attn\\.weight"], "partition_type": "column", )",
            R"("partition_dim": 0, "shape": )", shape, "}]}");
    return refusal({.graph = graph, .model_type = "gpt2", .partition = config(text.c_str())});
  };
  EXPECT_EQ(with_shape("[[768, 768, 768], -1]"), "accepted");
  EXPECT_EQ(with_shape("[3, -1]"), "accepted");
  EXPECT_EQ(with_shape("[2304, 768]"), "accepted");
  EXPECT_THAT(with_shape("[[768, 768], 768]"), HasSubstr("c_attn"));
  EXPECT_THAT(with_shape("[5, -1]"), HasSubstr("layer_specs[0]"));
}

TEST(PartitionConfigs, BadConfigurationsAreRefused) {
  const auto spec = [](const std::string& keys) {
    return str(R"({"layer_specs": [{"patterns": ["a"], "partition_type": "row")",
               keys.empty() ? "" : ", ", keys, "}]}");
  };
  EXPECT_EQ(config_refusal(spec("").c_str()), "accepted");
  const std::pair<std::string, const char*> cases[] = {
      {R"({"strict": true})", "strict"},
      {R"({"strict_mode": 1})", "strict_mode"},
      {R"({"layer_specs": [{"partition_type": "row"}]})", "patterns"},
      {R"({"layer_specs": [{"patterns": [], "partition_type": "row"}]})", "patterns"},
      {R"({"layer_specs": [{"patterns": ["("], "partition_type": "row"}]})", "no regular"},
      {R"({"layer_specs": [{"patterns": ["a"]}]})", "partition_type"},
      {R"({"layer_specs": [{"patterns": ["a"], "partition_type": "rows"}]})", "rows"},
      {spec(R"("shape": [-1, -1])"), "more than one -1"},
      {spec(R"("shape": [])"), "empty"},
      {spec(R"("shape": [0])"), "shape"},
      {spec(R"("shape": [-1, [1, 2]])"), "partition_dim"},
      {spec(R"("shape": [[1, -1], 2])"), "fused"},
      {spec(R"("shape": [2, -1], "partition_dim": 2)"), "partition_dim"},
      {spec(R"("gather_output": "yes")"), "gather_output"},
      {spec(R"("model_types": "a")"), "model_types"},
  };
  for (const auto& [text, part] : cases) {
    EXPECT_THAT(config_refusal(text.c_str()), HasSubstr(part)) << text;
  }
}

}  // namespace
}  // namespace partita::planner
