// SPDX-License-Identifier: Apache-2.0
// Runs follow pins, and plans edited by hand, exactly, and give the logits of the unsharded model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "e2e/golden.h"
#include "support/json.h"

namespace partita::tests {
namespace {

using testing::HasSubstr;

constexpr double kTolerance = 1e-5;

void expect_golden_logits(const Model& model, const Plan& plan, const GoldenCase& golden) {
  Engine engine(model, plan, {.launcher = "threads", .threads_per_rank = 1});
  EXPECT_LE(worst_share(all_logits(engine, golden), golden.logits, kTolerance), 1.0);
  EXPECT_EQ(greedy_tokens(engine, golden), golden.greedy);
}

// The line of a rank's program that declares a value, with its local type.
std::string declaration(const Plan& plan, int rank, const std::string& value) {
  const std::string text = plan.dump_program(rank);
  const size_t at = text.find(value);
  return at == std::string::npos ? "" : text.substr(at, text.find('\n', at) - at);
}

const Json* entry(const Json& list, const char* key, const std::string& name) {
  for (const Json& item : list) {
    if (item.at(key) == name) return &item;
  }
  return nullptr;
}

// Every choice is the other way round than the planner's own, and some ranks hold more than others.
TEST(Pinned, OddPinsAreFollowedAndChangeNoResult) {
  const GoldenCase golden = golden_case("llama_gqa_tied");
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  for (const std::string mesh : {"tp=2", "tp=3", "a=2,b=2"}) {
    SCOPED_TRACE(mesh);
    PlanOptions options = golden_plan_options(mesh);
    options.pins = {"layers.*.mlp.down_proj=n:*", "layers.*.mlp.up_proj=k:*",
                    "layers.0.attn.q_proj.weight=replicated", "layers.1.attn.o_proj=replicated",
                    "embed_tokens.weight=[_, _:*]"};
    const Plan plan = Plan::make(model, options);
    const Json json = parse_json(plan.to_json(), "plan");
    const std::string axes = mesh[0] == 'a' ? "a*b" : "tp";
    const auto spec = [&](const std::string& value) {
      return entry(json.at("values"), "value", value)->at("spec").get<std::string>();
    };
    EXPECT_EQ(spec("layers.0.mlp.down_proj.weight"), "[_:" + axes + ", _]");
    EXPECT_EQ(spec("layers.0.mlp.up_proj.weight"), "[_, _:" + axes + "]");
    EXPECT_EQ(spec("layers.0.attn.q_proj.weight"), "[_, _]");
    EXPECT_EQ(spec("layers.1.attn.o_proj.weight"), "[_, _]");
    EXPECT_EQ(spec("embed_tokens.weight"), "[_, _:" + axes + "]");
    expect_golden_logits(model, plan, golden);
  }
}

TEST(Pinned, StagesAreFollowedInARun) {
  const GoldenCase golden = golden_case("gpt2_tied");
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  PlanOptions options = golden_plan_options("pp=2,tp=2");
  options.pins = {"layers.0.mlp.*=stage 1", "layers.0.attn*=stage 0"};
  const Plan plan = Plan::make(model, options);
  EXPECT_THAT(plan.dump_program(0), testing::Not(HasSubstr("layers.0.mlp.up_proj.weight")));
  EXPECT_THAT(plan.dump_program(2), HasSubstr("layers.0.mlp.up_proj.weight"));
  expect_golden_logits(model, plan, golden);
}

// Layer 0 loses all its decisions: what is not listed is whole.
TEST(Pinned, AHandEditedPlanIsFollowed) {
  const GoldenCase golden = golden_case("llama_mha_untied");
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  Json json = parse_json(Plan::make(model, golden_plan_options("tp=2")).to_json(), "plan");
  const auto is_of_layer_0 = [](const Json& item, const char* key) {
    return item.at(key).get<std::string>().starts_with("layers.0.");
  };
  const std::pair<const char*, const char*> lists[] = {
      {"values", "value"}, {"ops", "node"}, {"reshards", "value"}};
  for (const auto& [list, key] : lists) {
    Json kept = Json::array();
    for (const Json& item : json.at(list)) {
      if (!is_of_layer_0(item, key)) kept.push_back(item);
    }
    EXPECT_LT(kept.size(), json.at(list).size());
    json[list] = kept;
  }
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("partita-edited-" + std::to_string(getpid()));
  write_json(file, json);
  const Plan edited = Plan::read(model, file);
  std::filesystem::remove(file);
  const std::string whole = declaration(edited, 1, "layers.0.mlp.up_proj.weight");
  const std::string half = declaration(edited, 1, "layers.1.mlp.up_proj.weight");
  EXPECT_THAT(whole, testing::Not(HasSubstr("slice")));
  EXPECT_THAT(half, HasSubstr("slice"));
  expect_golden_logits(model, edited, golden);
}

}  // namespace
}  // namespace partita::tests
