// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/explain/html/markup.h"
#include "planner/explain/html/page_facts.h"
#include "planner/explain/human_text.h"
#include "planner/explain/small_model.h"

namespace partita::planner {
namespace {

using testing::HasSubstr;
using testing::Not;

plan::Plan planned(const ir::Graph& graph, const char* mesh) {
  const PlanRequest request = {
      .graph = graph,
      .mesh = spec::Mesh::parse(mesh),
      .profile = small_device(),
      .workload = {
          .prompt_tokens = 64, .output_tokens = 16, .max_context = 80, .max_step_tokens = 64}};
  return std::get<plan::Plan>(make_plan(request));
}

Json data_of(const std::string& page) {
  const std::string start = "id=\"plan-data\">";
  const size_t begin = page.find(start) + start.size();
  return parse_json(page.substr(begin, page.find("</script>", begin) - begin), "page");
}

TEST(PlanPage, NumbersAreThoseOfThePlan) {
  const ir::Graph graph = small_model();
  for (const char* mesh : {"tp=2", "pp=2,tp=2", "a=2,b=2"}) {
    const plan::Plan plan = planned(graph, mesh);
    const std::string page = plan_page({plan, graph, {}});
    const Json data = data_of(page);
    EXPECT_EQ(data.at("mesh"), plan.mesh.to_string());
    const auto seconds = [&](const char* phase, const char* term) {
      return data.at(phase).at(term).get<double>();
    };
    EXPECT_NEAR(seconds("decode", "compute_s"), plan.predicted.decode_compute_s, 1e-12);
    EXPECT_NEAR(seconds("decode", "comm_s"), plan.predicted.decode_comm_s, 1e-12);
    EXPECT_NEAR(seconds("prefill", "total_s"),
                plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s, 1e-12);
    size_t ranks = 0;
    for (const Json& group : data.at("memory")) {
      for (const Json& rank : group.at("ranks")) {
        const plan::RankMemory& memory = plan.memory.at(rank.get<size_t>());
        EXPECT_EQ(group.at("weights"), memory.weights);
        EXPECT_EQ(group.at("kv_cache"), memory.kv_cache);
        ++ranks;
      }
    }
    EXPECT_EQ(ranks, plan.memory.size());
    int64_t bytes = 0;
    for (const Json& group : data.at("groups")) {
      const auto layers = std::max<size_t>(1, group.at("layers").size());
      bytes += group.at("decode_bytes").get<int64_t>() * static_cast<int64_t>(layers);
    }
    int64_t expected = 0;
    for (const plan::ReshardDecision& reshard : plan.reshards) expected += reshard.decode_bytes;
    EXPECT_EQ(bytes, expected) << mesh;
    EXPECT_THAT(page, HasSubstr(seconds_text(plan.predicted.decode_compute_s +
                                             plan.predicted.decode_comm_s)));
    EXPECT_THAT(page, HasSubstr(bytes_text(plan.memory.front().total())));
  }
}

// The residual stream crosses each border, and the tied table when it is sent.
TEST(PlanPage, StagesShowWhatTheyHandOver) {
  const ir::Graph graph = ir::parse_graph(R"(graph "g" {
  input %x : f32[t,64]
  weight %a : f32[64,64] = tensor("a")
  weight %b : f32[64,64] = tensor("b")
  %1 : f32[t,64] = linear(%x, %a) {layer = 0}
  %2 : f32[t,64] = linear(%1, %b) {layer = 1}
  %3 : f32[t,64] = linear(%2, %a) {layer = 2}
  %4 : f32[t,64] = add(%3, %1) {layer = 2}
  return %4
}
)");
  PlanRequest request = {.graph = graph,
                         .mesh = spec::Mesh::parse("pp=3"),
                         .profile = small_device(),
                         .workload = {.concurrency = 2, .max_step_tokens = 32},
                         .cuts = {1, 2},
                         .shared_weights = SharedWeights::kSent};
  const auto plan = std::get<plan::Plan>(make_plan(request));
  const std::string page = plan_page({plan, graph, {}});
  std::vector<std::string> rows;
  const Json data = data_of(page);
  for (const Json& row : data.at("transfers")) {
    rows.push_back(str(row.at("value").get<std::string>(), " ", row.at("from").get<int>(), "-",
                       row.at("to").get<int>(), " ", row.at("decode_bytes").get<int64_t>(), " ",
                       row.at("prefill_bytes").get<int64_t>()));
  }
  EXPECT_THAT(rows, testing::ElementsAre("1 0-1 512 8192", "2 1-2 512 8192", "a 0-2 16384 16384",
                                         "1 0-2 512 8192"));
  EXPECT_THAT(page, HasSubstr("Between stages"));
  EXPECT_THAT(page, HasSubstr("<code>a</code> (weight)"));
  const ir::Graph small = small_model();
  EXPECT_THAT(plan_page({planned(small, "tp=2"), small, {}}), Not(HasSubstr("Between stages")));
}

TEST(PlanPage, IsCompleteInItself) {
  const ir::Graph graph = small_model();
  const std::string page = plan_page({planned(graph, "tp=2"), graph, {}});
  for (const char* link : {"http:", "https:", "src=", "href=", "url(", "@import"}) {
    EXPECT_THAT(page, Not(HasSubstr(link)));
  }
  EXPECT_THAT(page, HasSubstr("prefers-color-scheme: dark"));
}

TEST(PlanPage, NamesFromOutsideAreEscaped) {
  const std::string evil = "<script>alert('x')</script>&\"";
  // Names within a graph are checked; those of models, pins, profiles and solvers are not.
  EXPECT_THROW((void)small_model(evil), Error);
  const ir::Graph graph = small_model();
  plan::Plan plan = planned(graph, "tp=2");
  plan.model = evil;
  plan.profile = evil;
  plan.solver = evil;
  plan.ops.front().source = evil;
  plan.value_sources["layers.0.up.weight"] = evil;
  const std::vector<PageCandidate> candidates = {{.mesh = evil, .verdict = evil}};
  const std::string page = plan_page({plan, graph, candidates});
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("</script>&")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
  EXPECT_EQ(data_of(page).at("model"), evil);
}

TEST(PlanPage, AlikeLayersAreFoldedAndPinsShown) {
  const ir::Graph graph = small_model();
  plan::Plan plan = planned(graph, "tp=2");
  const auto layers = [&] {
    std::vector<std::set<int32_t>> result;
    for (const LayerGroup& group : page_facts(plan, graph).groups) result.push_back(group.layers);
    return result;
  };
  // The reshards for the second layer and for the caller differ in their readers only.
  EXPECT_THAT(layers(), testing::SizeIs(testing::Le(2U)));
  plan.reshards.clear();
  EXPECT_THAT(layers(), testing::ElementsAre(std::set<int32_t>{0, 1}));
  plan.ops[0].source = "pins.toml:3";
  EXPECT_THAT(layers(), testing::SizeIs(2));
  EXPECT_THAT(plan_page({plan, graph, {}}), HasSubstr("pin pins.toml:3"));
}

TEST(PlanPage, RejectedMeshesStandWithTheirVerdicts) {
  const ir::Graph graph = small_model();
  const std::vector<PageCandidate> candidates = {
      {.mesh = "tp=2", .is_chosen = true, .fits = true, .request_s = 1, .verdict = "chosen"},
      {.mesh = "pp=2", .request_s = 2, .verdict = "does not fit: 3.0 GB too much"}};
  const std::string page = plan_page({planned(graph, "tp=2"), graph, candidates});
  EXPECT_THAT(page, HasSubstr("does not fit: 3.0 GB too much"));
  EXPECT_EQ(data_of(page).at("candidates").size(), 2U);
}

TEST(Markup, EscapesAndFormats) {
  EXPECT_EQ(escaped("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;&#39;");
  EXPECT_EQ(script_json(Json("</script>")), "\"\\u003c/script>\"");
  EXPECT_EQ(number(1.50), "1.5");
  EXPECT_EQ(number(100), "100");
  EXPECT_EQ(
      spec_markup({{"n:a", 0}, {"*b", 1}}),
      "<code>[<span class=\"axis axis0\">n:a</span><span class=\"axis axis1\">*b</span>]</code>");
  EXPECT_EQ(spec_markup({{"t", -1}, {"n:tp", 0}, {"+sum(dp)", 1}}),
            "<code>[t, <span class=\"axis axis0\">n:tp</span>] "
            "<span class=\"axis axis1\">+sum(dp)</span></code>");
}

}  // namespace
}  // namespace partita::planner
