// SPDX-License-Identifier: Apache-2.0
// Pins: what they keep, what they refuse, and that plans follow them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "importer/importer.h"
#include "planner/pins/pin_decision.h"
#include "planner/planner.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;

std::filesystem::path data(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data" / name;
}

const ir::Graph& graph_of(const std::string& name) {
  static std::map<std::string, ir::Graph> graphs;
  const auto [found, is_new] = graphs.try_emplace(name);
  if (is_new) {
    found->second =
        importer::import_model(data("configs/" + name), {.weight_dtype = DType::kBF16}).graph;
  }
  return found->second;
}

std::vector<Pin> pins(const std::vector<std::string>& texts) {
  std::vector<Pin> result;
  for (size_t i = 0; i < texts.size(); ++i) {
    result.push_back(parse_pin(texts[i], "--pin " + std::to_string(i + 1)));
  }
  return result;
}

PlanRequest request_of(const ir::Graph& graph, const std::string& mesh, std::vector<Pin> pins) {
  return {.graph = graph,
          .mesh = mesh.empty() ? spec::Mesh() : spec::Mesh::parse(mesh),
          .profile = cost::load_profile(data("devices/h100-4x8.toml")),
          .workload = {},
          .dtype = "bf16",
          .pins = std::move(pins)};
}

plan::Plan plan_with(const std::string& model, const std::string& mesh, std::vector<Pin> pins) {
  PlanResult result = make_plan(request_of(graph_of(model), mesh, std::move(pins)));
  EXPECT_TRUE(std::holds_alternative<plan::Plan>(result));
  return std::get<plan::Plan>(std::move(result));
}

std::string refusal(const std::string& model, const std::string& mesh, std::vector<Pin> pins) {
  try {
    (void)make_plan(request_of(graph_of(model), mesh, std::move(pins)));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "the pins were accepted";
  return {};
}

std::string spec_in(const plan::Plan& plan, const ir::Graph& graph, const std::string& value) {
  for (const auto& [name, spec] : plan.values) {
    if (name != value) continue;
    const auto shape = graph.value(*graph.find_value(name)).type.shape();
    return spec::to_string(spec, shape, plan.stages.front().mesh);
  }
  return "absent";
}

const plan::OpDecision& op_in(const plan::Plan& plan, const std::string& node) {
  for (const plan::OpDecision& op : plan.ops) {
    if (op.node == node) return op;
  }
  throw Error(ErrorCode::kNotFound, node);
}

TEST(Pins, WeightIsStoredAsPinnedAndTheRestIsOptimal) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  const std::string pattern = "layers.*.mlp.down_proj.weight=";
  const plan::Plan plan = plan_with("llama-3.2-1b", "tp=4", pins({pattern + "[n:tp, _]"}));
  for (int layer = 0; layer < 16; ++layer) {
    const std::string name = "layers." + std::to_string(layer) + ".mlp.down_proj";
    EXPECT_EQ(spec_in(plan, graph, name + ".weight"), "[_:tp, _]");
    EXPECT_EQ(op_in(plan, name).source, "--pin 1");
    EXPECT_EQ(plan.value_sources.at(name + ".weight"), "--pin 1");
  }
  EXPECT_EQ(spec_in(plan, graph, "layers.0.mlp.up_proj.weight"), "[_:tp, _]");
  EXPECT_EQ(op_in(plan, "layers.0.mlp.up_proj").source, "");
  EXPECT_EQ(plan.gap, 0);
  const plan::Plan free = plan_with("llama-3.2-1b", "tp=4", {});
  EXPECT_EQ(spec_in(free, graph, "layers.0.mlp.down_proj.weight"), "[_, _:tp]");
  EXPECT_LT(free.predicted.prefill_comm_s, plan.predicted.prefill_comm_s);
}

// A pin overrides the wish that weights be sharded.
TEST(Pins, ReplicatedKeepsAnOperatorWhole) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  const plan::Plan plan =
      plan_with("llama-3.2-1b", "tp=2", pins({"layers.3.mlp.*_proj=replicated"}));
  for (const char* name : {"gate", "up", "down"}) {
    EXPECT_EQ(spec_in(plan, graph, str("layers.3.mlp.", name, "_proj.weight")), "[_, _]");
    EXPECT_NE(spec_in(plan, graph, str("layers.4.mlp.", name, "_proj.weight")), "[_, _]");
  }
}

TEST(Pins, StrategyByFactorLettersOnSeveralAxes) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  const plan::Plan plan = plan_with("llama-3.2-1b", "a=2,b=2",
                                    pins({"layers.0.mlp.up_proj=n:a k:b",
                                          "layers.1.mlp.up_proj=n:*", "layers.2.mlp.up_proj=k:a"}));
  EXPECT_EQ(spec_in(plan, graph, "layers.0.mlp.up_proj.weight"), "[_:a, _:b]");
  EXPECT_EQ(spec_in(plan, graph, "layers.1.mlp.up_proj.weight"), "[_:a*b, _]");
  EXPECT_EQ(spec_in(plan, graph, "layers.2.mlp.up_proj.weight"), "[_, _:a]");
}

// The residual stream is left Partial by the free planner where that is cheaper; the pin makes
// every reader get it whole.
TEST(Pins, SpecOfAResultIsHowItsReadersGetIt) {
  const plan::Plan plan =
      plan_with("llama-3.2-1b", "tp=2",
                pins({"layers.*.attn.o_proj=[_, _]", "layers.*.mlp.down_proj=[_, _]"}));
  std::set<std::string> reduced;
  for (const plan::ReshardDecision& reshard : plan.reshards) {
    if (reshard.to.is_replicated()) reduced.insert(reshard.value);
  }
  for (int layer = 0; layer < 16; ++layer) {
    EXPECT_TRUE(reduced.contains(str("layers.", layer, ".attn.o_proj"))) << layer;
    EXPECT_TRUE(reduced.contains(str("layers.", layer, ".mlp.down_proj"))) << layer;
  }
}

// Tied: read by the embedding and by the head, which slices its rows off the whole table.
TEST(Pins, WeightOfSeveralReadersIsStoredAsPinned) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  const plan::Plan plan =
      plan_with("llama-3.2-1b", "tp=2", pins({"embed_tokens.weight=replicated", "logits=n:tp"}));
  EXPECT_EQ(spec_in(plan, graph, "embed_tokens.weight"), "[_, _]");
  EXPECT_EQ(plan.value_sources.at("embed_tokens.weight"), "--pin 1");
  EXPECT_EQ(op_in(plan, "logits").source, "--pin 2");
}

TEST(Pins, StagesFollowPins) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  const plan::Plan plan = plan_with("llama-3.2-1b", "pp=2,tp=2",
                                    pins({"layers.{3,4}.*=stage 1", "layers.2.*=stage 0"}));
  const auto& first = graph.nodes()[static_cast<size_t>(plan.stages[1].first_node)];
  EXPECT_EQ(first.layer, 3);
  // Within a layer, where the planner would never cut.
  const plan::Plan inside =
      plan_with("llama-3.2-1b", "pp=2", pins({"layers.5.mlp.*=stage 1", "layers.5.attn*=stage 0"}));
  const auto& cut = graph.nodes()[static_cast<size_t>(inside.stages[1].first_node)];
  EXPECT_EQ(cut.layer, 5);
}

TEST(Pins, SearchSkipsMeshesWithoutTheNamedAxesAndStages) {
  const ir::Graph& graph = graph_of("llama-3.2-1b");
  PlanRequest request = request_of(graph, "", pins({"layers.15.*=stage 3"}));
  const PlanResult staged = plan_for_ranks(request, 4);
  EXPECT_EQ(std::get<plan::Plan>(staged).stages.size(), 4U);
  request.pins = pins({"layers.0.mlp.up_proj=n:nowhere"});
  EXPECT_THROW((void)plan_for_ranks(request, 4), Error);
}

TEST(Pins, PlanAndSourcesSurviveTheFile) {
  const ir::Graph& graph = graph_of("gpt2");
  const plan::Plan plan = plan_with("gpt2", "tp=2", pins({"layers.0.mlp.up_proj=k:tp"}));
  const std::string text = plan::to_json(plan, graph).dump();
  EXPECT_THAT(text, HasSubstr("\"source\":\"--pin 1\""));
  const plan::Plan again = plan::plan_from_json(parse_json(text, "plan.json"), graph, "plan.json");
  EXPECT_EQ(again, plan);
  plan::validate(again, graph);
}

TEST(Pins, PinsOfTheFreePlanCostNothing) {
  for (const char* model : {"gpt2", "llama-3.2-1b"}) {
    const ir::Graph& graph = graph_of(model);
    const plan::Plan free = plan_with(model, "tp=4", {});
    std::vector<Pin> all;
    for (const auto& [name, spec] : free.values) {
      const auto& value = graph.value(*graph.find_value(name));
      if (value.kind != ir::ValueKind::kWeight) continue;
      const auto shape = value.type.shape();
      all.push_back({name, spec::to_string(spec, shape, free.stages.front().mesh), "plan", {}});
    }
    const plan::Plan pinned = plan_with(model, "tp=4", all);
    EXPECT_EQ(pinned.predicted, free.predicted) << model;
    EXPECT_EQ(pinned.values, free.values) << model;
  }
}

// Larger systems are looked at for the message; some of them lack the pinned axis.
TEST(Pins, TooSmallMeshesStillSayWhatWouldFit) {
  const ir::Graph& graph = graph_of("llama-3.1-405b");
  const PlanRequest request = request_of(graph, "", pins({"layers.*.mlp.up_proj=n:gpu"}));
  const PlanResult result = plan_for_ranks(request, 8);
  ASSERT_TRUE(std::holds_alternative<Infeasible>(result));
  EXPECT_THAT(std::get<Infeasible>(result).reason, HasSubstr("does not fit"));
}

// Megatron-LM's block: columns, rows, and both sums at once.
TEST(Pins, PlannerIsNoCostlierThanMegatronOnAGpt2Block) {
  const plan::Plan free = plan_with("gpt2", "tp=2", {});
  const plan::Plan megatron =
      plan_with("gpt2", "tp=2",
                pins({"layers.*.attn.{q,k,v}_proj=n:tp", "layers.*.mlp.up_proj=n:tp",
                      "layers.*.attn.o_proj=k:tp", "layers.*.mlp.down_proj=k:tp",
                      "layers.*.attn.o_proj=[_, _]", "layers.*.mlp.down_proj=[_, _]"}));
  int reduces = 0;
  for (const plan::ReshardDecision& reshard : megatron.reshards) {
    for (const spec::ReshardStep& step : reshard.steps) {
      reduces += reshard.value.starts_with("layers.") && step.kind == spec::ReshardKind::kAllReduce
                     ? 1
                     : 0;
    }
  }
  EXPECT_EQ(reduces, 2 * 12);
  const auto seconds = [](const plan::Plan& plan) {
    return 128 * (plan.predicted.decode_compute_s + plan.predicted.decode_comm_s) +
           plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s;
  };
  EXPECT_LE(seconds(free), seconds(megatron));
}

TEST(Pins, WeakerLevelGivesWayWhereItContradicts) {
  std::vector<Pin> two = pins({"layers.0.mlp.up_proj=k:tp"});
  two.push_back({"layers.*.mlp.up_proj", "n:tp", "tp_plan: up", PinLevel::kTpPlan});
  const plan::Plan plan = plan_with("llama-3.2-1b", "tp=2", two);
  EXPECT_EQ(op_in(plan, "layers.0.mlp.up_proj").source, "--pin 1");
  EXPECT_EQ(op_in(plan, "layers.1.mlp.up_proj").source, "tp_plan: up");
}

TEST(Pins, ContradictionNamesBothSides) {
  const std::string one =
      refusal("llama-3.2-1b", "tp=2",
              pins({"layers.0.mlp.down_proj.weight=[_:tp, _]", "layers.*.mlp.down_proj=k:tp"}));
  for (const char* part : {"--pin 1", "--pin 2", "[_:tp, _]", "k:tp", "contradict", "down_proj"}) {
    EXPECT_THAT(one, HasSubstr(part));
  }
  // Of two operators: both slice the table, which is stored in columns.
  const std::string other =
      refusal("llama-3.2-1b", "tp=2",
              pins({"layers.*.mlp.up_proj=n:tp", "embed_tokens.weight=[_, _:tp]", "logits=n:tp"}));
  for (const char* part : {"--pin 2", "--pin 3", "contradict", "embed_tokens.weight"}) {
    EXPECT_THAT(other, HasSubstr(part));
  }
  EXPECT_THAT(other, testing::Not(HasSubstr("--pin 1")));
  const std::string stages =
      refusal("llama-3.2-1b", "pp=2", pins({"layers.3.*=stage 1", "layers.9.*=stage 0"}));
  for (const char* part : {"--pin 1", "--pin 2", "stage 1", "stage 0", "layers.9."}) {
    EXPECT_THAT(stages, HasSubstr(part));
  }
  const std::string twice =
      refusal("llama-3.2-1b", "pp=2", pins({"layers.3.*=stage 1", "layers.*=stage 0"}));
  EXPECT_THAT(twice, HasSubstr("contradict"));
}

struct BadPin {
  const char* pin;
  std::vector<const char*> parts;
};

TEST(Pins, BadPinsAreRefusedClearly) {
  const BadPin cases[] = {
      {"layers.*.mlp.downproj.weight=[_, _]",
       {"matches no tensor", "layers.0.mlp.down_proj.weight"}},
      {"layers.99.mlp.up_proj=n:tp", {"matches no tensor", "layers.0.mlp.up_proj"}},
      {"layers.0.mlp.up_proj.weight=n:tp", {"strategy is for operators"}},
      {"token_ids=replicated", {"operators, weights and states"}},
      {"layers.0.mlp.up_proj.weight=[_:tp]", {"layers.0.mlp.up_proj.weight", "expected 2 dims"}},
      {"layers.0.mlp.up_proj.weight=[_:tq, _]", {"axis \"tq\"", "tp=2"}},
      {"layers.0.mlp.up_proj.weight=[_:tp, _:tp]", {"at most one dim"}},
      {"layers.0.mlp.up_proj.weight=[_, _] +sum(tp)", {"leaves no choice", "[n:tp, k]"}},
      {"layers.0.mlp.up_proj=x:tp", {"no factor \"x\"; it has t n k partial0"}},
      {"layers.0.mlp.up_proj=n:tp k:tp", {"axis tp is given twice"}},
      {"layers.0.mlp.up_proj=d0:tp", {"leaves no choice", "n:tp"}},
      {"layers.0.mlp.up_proj=t:tp", {"leaves no choice", "n:tp"}},
      {"layers.0.mlp.up_proj=partial1:tp", {"leaves no choice"}},
      {"layers.0.mlp.up_proj=n:", {"expected a spec"}},
      {"layers.0.mlp.up_proj=whatever", {"expected a spec"}},
      {"layers.0.mlp.up_proj=stage x", {"stage N"}},
      {"layers.0.mlp.up_proj=stage 1", {"stage 1 of 1"}},
      {"layers.{0.mlp.up_proj=n:tp", {"braces"}},
      {"logits=[_, _:tp]", {"output of the graph"}},
  };
  for (const BadPin& bad : cases) {
    const std::string message = refusal("llama-3.2-1b", "tp=2", pins({bad.pin}));
    EXPECT_THAT(message, HasSubstr("--pin 1")) << bad.pin;
    for (const char* part : bad.parts) EXPECT_THAT(message, HasSubstr(part)) << bad.pin;
  }
  for (const char* text : {"", "=", "a=", "=n:tp", "layers.0.mlp.up_proj"}) {
    EXPECT_THROW((void)parse_pin(text, "--pin"), Error) << text;
  }
}

TEST(PinDecision, AStageIsAWordAndANumber) {
  EXPECT_EQ(parse_decision("stage 12", "--pin").stage, 12);
  for (const char* text : {"stage12", "stage_1", "stage", "stage -1", "stage 1 2"}) {
    EXPECT_THROW((void)parse_decision(text, "--pin"), Error) << text;
  }
}

TEST(PinsFile, ReadsDecisionsWithTheirLines) {
  const std::vector<Pin> read = parse_pins(
      "# comment\n[pins]\n\"a.*\" = \"[_, _:tp]\"\n\"b\" = [\"n:tp\", \"stage 1\"]\n", "my.toml");
  EXPECT_THAT(read, testing::ElementsAre(Pin{"a.*", "[_, _:tp]", "my.toml:3", PinLevel::kUser},
                                         Pin{"b", "n:tp", "my.toml:4", PinLevel::kUser},
                                         Pin{"b", "stage 1", "my.toml:4", PinLevel::kUser}));
}

TEST(PinsFile, RefusesWhatIsNoPinsFile) {
  const char* cases[] = {"",
                         "[pin]\n\"a\" = \"n:tp\"\n",
                         "[pins]\n\"a\" = 1\n",
                         "[pins]\n\"a\" = []\n",
                         "[pins]\n\"a\" = [1]\n",
                         "[pins]\n\"a\" = \"\"\n",
                         "[pins]\n\"\" = \"n:tp\"\n",
                         "[pins]\n\"a\" = \"n:tp\"\n\"a\" = \"k:tp\"\n",
                         "[pins]\n\"a\" = { x = 1 }\n",
                         "pins = 3\n",
                         "[pins\n"};
  for (const char* text : cases) {
    try {
      (void)parse_pins(text, "my.toml");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidFile) << text;
      EXPECT_THAT(error.what(), HasSubstr("my.toml")) << text;
    }
  }
}

}  // namespace
}  // namespace partita::planner
