// SPDX-License-Identifier: Apache-2.0
// Imported rules through the public options: precedence, environment, presets, the comparison.
#include "api/plan_pins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "api/autotp_config.h"
#include "partita/error.h"
#include "partita/explain.h"
#include "partita/plan.h"
#include "planner/pins/autotp_items.h"
#include "support/json.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kData = fs::path(PARTITA_SOURCE_DIR) / "tests" / "data";

class PlanPinsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "partita-pins-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    unsetenv(planner::kAllReduceItems);
    unsetenv(planner::kKeepItems);
  }
  void TearDown() override {
    fs::remove_all(folder_);
    unsetenv(planner::kAllReduceItems);
    unsetenv(planner::kKeepItems);
  }

  std::string file(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  static Model model(const std::string& config) { return Model::load(kData / "configs" / config); }

  static PlanOptions options() {
    PlanOptions options;
    options.mesh = "tp=2";
    options.devices = kData / "devices" / "h100-4x8.toml";
    return options;
  }

  // "node: source" of the linear operators of layer 0.
  static std::vector<std::string> sources(const Plan& plan) {
    const Json json = parse_json(plan.to_json(), "plan");
    std::vector<std::string> result;
    for (const Json& op : json.at("ops")) {
      const auto node = op.at("node").get<std::string>();
      if (!node.starts_with("layers.0.") || !node.ends_with("_proj")) continue;
      result.push_back(node.substr(9) + ": " + op.value("source", "planner"));
    }
    return result;
  }

  static std::string refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  fs::path folder_;
};

// Who wins, and where: strongest first in the file of each decision.
TEST_F(PlanPinsTest, PrecedenceIsVisibleInEveryDecision) {
  PlanOptions all = options();
  all.pins = {"layers.0.attn.q_proj=replicated"};
  all.autotp = file("ds.json", R"({"tensor_parallel": {"partition_config": {"layer_specs": [
      {"patterns": [".*\\.(q|k)_proj\\.weight"], "partition_type": "row"}]}},
      "keepLinearItems": ["up_proj", "o_proj"]})");
  all.tp_plan = file("tp.json", R"({"layers.*.self_attn.*": "colwise",
      "layers.*.self_attn.k_proj": "colwise", "layers.*.self_attn.o_proj": "rowwise"})");
  const Plan plan = Plan::make(model("llama-3.2-1b"), all);
  EXPECT_THAT(
      sources(plan),
      ElementsAre("attn.q_proj: --pin", "attn.k_proj: partition_config: ds.json.layer_specs[0]",
                  "attn.v_proj: autotp: columns", "attn.o_proj: tp_plan: layers.*.self_attn.o_proj",
                  "mlp.gate_proj: autotp: columns",
                  "mlp.up_proj: autotp: keepLinearItems (ds.json)",
                  "mlp.down_proj: autotp: down_proj sums"));
  EXPECT_THAT(plan.explain(), HasSubstr("1 operators by --pin\n"));
  Question question;
  question.name = "layers.0.attn.q_proj";
  EXPECT_THAT(explain(plan, all, question), HasSubstr("decided by pin --pin"));
  EXPECT_THAT(plan.notes(), HasSubstr("rule \"layers.*.self_attn.*\" matches no module"));
  EXPECT_THAT(plan.notes(), HasSubstr("no rule for model.layers.*.mlp.up_proj.weight"));
  EXPECT_EQ(sources(Plan::make(model("llama-3.2-1b"), options()))[0], "attn.q_proj: planner");
}

TEST_F(PlanPinsTest, EnvironmentOverFileOverBuiltIn) {
  PlanOptions with = options();
  with.autotp = file("ds.json", R"({"keepLinearItems": ["mlp.c_fc", "attn.c_attn"]})");
  const Model gpt2 = model("gpt2");
  EXPECT_THAT(sources(Plan::make(gpt2, with)),
              ElementsAre("attn.q_proj: autotp: keepLinearItems (ds.json)",
                          "attn.k_proj: autotp: keepLinearItems (ds.json)",
                          "attn.v_proj: autotp: keepLinearItems (ds.json)",
                          "attn.o_proj: autotp: linear before norm sums",
                          "mlp.up_proj: autotp: keepLinearItems (ds.json)",
                          "mlp.down_proj: autotp: linear before norm sums"));
  setenv(planner::kKeepItems, "['mlp.c_proj', 'mlp.c_fc']", 1);
  setenv(planner::kAllReduceItems, "['attn.c_proj']", 1);
  EXPECT_THAT(sources(Plan::make(gpt2, with)),
              ElementsAre("attn.q_proj: autotp: columns", "attn.k_proj: autotp: columns",
                          "attn.v_proj: autotp: columns",
                          "attn.o_proj: autotp: allReduceLinearItems (environment)",
                          "mlp.up_proj: autotp: keepLinearItems (environment)",
                          "mlp.down_proj: autotp: keepLinearItems (environment)"));
  setenv(planner::kKeepItems, "['mlp.c_proj", 1);
  EXPECT_THAT(refusal([&] { (void)Plan::make(gpt2, with); }), HasSubstr("keepLinearItems"));
  // Not looked at without --autotp.
  EXPECT_EQ(sources(Plan::make(gpt2, options()))[0], "attn.q_proj: planner");
}

TEST_F(PlanPinsTest, EveryPresetIsKnownAndReadable) {
  EXPECT_THAT(autotp_preset_names(),
              ElementsAre("bloom", "chatglm", "deepseek_v2", "llama", "mixtral", "phi3", "qwen2"));
  for (const std::string& name : autotp_preset_names()) {
    EXPECT_GE(autotp_preset(name).size(), 4U) << name;
    const AutoTpConfig config = load_autotp_config(
        file("ds.json", R"({"tensor_parallel": {"preset_model": ")" + name + "\"}}"));
    EXPECT_EQ(config.partition->specs.size(), autotp_preset(name).size());
  }
  EXPECT_THAT(refusal([&] {
                (void)load_autotp_config(
                    file("ds.json", R"({"tensor_parallel": {"preset_model": "gpt9"}})"));
              }),
              HasSubstr("known are bloom chatglm"));
}

TEST_F(PlanPinsTest, SpecsOfTheUserComeBeforeThoseOfThePreset) {
  const auto text = [](const char* use_defaults) {
    return std::string(R"({"tensor_parallel": {"preset_model": "llama", "partition_config": {)") +
           R"("use_default_specs": )" + use_defaults +
           R"(, "layer_specs": [{"patterns": [".*o_proj\\.weight"], "partition_type": "skip"}]}}})";
  };
  PlanOptions with = options();
  with.autotp = file("ds.json", text("true"));
  const Plan plan = Plan::make(model("llama-3.2-1b"), with);
  EXPECT_EQ(sources(plan)[3], "attn.o_proj: partition_config: ds.json.layer_specs[0]");
  EXPECT_THAT(sources(plan)[0], HasSubstr("partition_config: preset llama"));
  EXPECT_THAT(plan.notes(), HasSubstr("the first counts"));
  with.autotp = file("ds.json", text("false"));
  EXPECT_EQ(sources(Plan::make(model("llama-3.2-1b"), with))[0], "attn.q_proj: autotp: columns");
}

TEST_F(PlanPinsTest, SizeOfTheFileIsTheMesh) {
  PlanOptions with = options();
  with.autotp = file("ds.json", R"({"tensor_parallel": {"autotp_size": 4}})");
  EXPECT_THAT(refusal([&] { (void)Plan::make(model("gpt2"), with); }), HasSubstr("autotp_size 4"));
  with.mesh.clear();
  EXPECT_EQ(Plan::make(model("gpt2"), with).ranks(), 4);
}

TEST_F(PlanPinsTest, ComparisonPrintsBothAndNeedsAPlan) {
  PlanOptions with = options();
  with.tp_plan =
      file("tp.json", R"({"layers.*.mlp.down_proj": "rowwise", "lm_head": "colwise_rep"})");
  const std::string text = compare_tp_plan(model("llama-3.2-1b"), with);
  for (const char* part : {"planner ", "tp_plan ", "times as long", "mesh tp=2"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  with.tp_plan = "config";
  EXPECT_THAT(refusal([&] { (void)compare_tp_plan(model("llama-3.2-1b"), with); }),
              HasSubstr("no base_model_tp_plan"));
}

TEST_F(PlanPinsTest, TheExampleOfTheDocumentationIsRead) {
  const std::string text = read_text(fs::path(PARTITA_SOURCE_DIR) / "docs/formats/pins.md");
  const std::string begin = "```json\n";
  const size_t at = text.find(begin) + begin.size();
  const std::string example = file("example.json", text.substr(at, text.find("```", at) - at));
  const AutoTpConfig config = load_autotp_config(example);
  EXPECT_EQ(config.size, 4);
  EXPECT_TRUE(config.keep.has_value());
  EXPECT_EQ(config.policies.size(), 1U);
}

TEST_F(PlanPinsTest, BadFilesAreRefusedByName) {
  const char* cases[] = {R"([])",
                         R"({"unknown": 1})",
                         R"({"tensor_parallel": {"size": 1}})",
                         R"({"tensor_parallel": {"autotp_size": 0}})",
                         R"({"tensor_parallel": []})",
                         R"({"injection_policy": {"A": []}})",
                         R"({"injection_policy": {"A": [1]}})",
                         R"({"keepLinearItems": [1]})",
                         "{"};
  for (const char* text : cases) {
    EXPECT_THAT(refusal([&] { (void)load_autotp_config(file("ds.json", text)); }),
                HasSubstr("ds.json"))
        << text;
  }
  EXPECT_THAT(refusal([&] { (void)load_autotp_config(folder_ / "absent.json"); }),
              HasSubstr("absent.json"));
}

}  // namespace
}  // namespace partita::api
