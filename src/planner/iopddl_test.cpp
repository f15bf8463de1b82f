// SPDX-License-Identifier: Apache-2.0
#include "planner/iopddl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "planner/iopddl_score.h"
#include "planner/solvers/brute_force.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kSmall = R"({"problem": {"name": "small", "usage_limit": 9,
  "nodes": {"intervals": [[0, 4], [2, 6], [3, 3]], "costs": [[1, 7], [0, 2, 4], [5]],
            "usages": [[6, 1], [5, 4, 3], [100]]},
  "edges": {"nodes": [[0, 1], [2, 0], [1, 1], [0, 1]],
            "costs": [[0, 1, 1000000000000000000, 0, 0, 3], [2, 0], [1, 9, 9, 9, 0, 9, 9, 9, 0],
                      [0, 0, 0, 0, 0, 10]]}}})";

std::string with(std::string_view from, std::string_view to) {
  std::string text(kSmall);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text, ErrorCode code = ErrorCode::kInvalidFile) {
  try {
    (void)parse_iopddl(text, "x.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "accepted";
}

TEST(Iopddl, ReadsNodesEdgesAndLimit) {
  const IopddlInstance instance = parse_iopddl(kSmall, "x.json");
  EXPECT_EQ(instance.name, "small");
  EXPECT_EQ(instance.usage_limit, 9);
  ASSERT_EQ(instance.nodes.size(), 3U);
  EXPECT_EQ(instance.nodes[1].live, (Range{2, 6}));
  EXPECT_THAT(instance.nodes[1].cost, ElementsAre(0, 2, 4));
  EXPECT_THAT(instance.nodes[1].usage, ElementsAre(5, 4, 3));
  ASSERT_EQ(instance.edges.size(), 4U);
  EXPECT_EQ(instance.edges[1].first, 2);
  EXPECT_EQ(instance.edges[1].second, 0);
  EXPECT_FALSE(parse_iopddl(with(R"("usage_limit": 9,)", ""), "x.json").usage_limit);
}

TEST(Iopddl, ScoreAddsNodesEdgesAndLiveUsages) {
  const IopddlInstance instance = parse_iopddl(kSmall, "x.json");
  // Nodes 7 + 2 + 5, edges 0 (row 1, column 1) + 0 + 0 + 0; usages 1 + 4 while both live.
  const IopddlScore good = score(instance, {1, 1, 0});
  EXPECT_EQ(good.cost, 14);
  EXPECT_EQ(good.peak_usage, 5);
  EXPECT_TRUE(good.is_feasible);
  // 6 + 4 in [2, 4) is over the limit of 9; node 2 is never live.
  const IopddlScore too_large = score(instance, {0, 1, 0});
  EXPECT_EQ(too_large.cost, 1 + 2 + 5 + 1 + 2);
  EXPECT_EQ(too_large.peak_usage, 10);
  EXPECT_FALSE(too_large.is_feasible);
  EXPECT_FALSE(score(instance, {0, 2, 0}).cost) << "row 0, column 2 of the first edge is infinite";
  EXPECT_THROW((void)score(instance, {0, 3, 0}), Error);
  EXPECT_THROW((void)score(instance, {0, 0}), Error);
}

TEST(Iopddl, ProblemHasTheScoresOfTheInstance) {
  const IopddlInstance instance = parse_iopddl(kSmall, "x.json");
  const Problem problem = to_problem(instance);
  check_problem(problem);
  EXPECT_EQ(problem.edges.size(), 3U) << "the edge of node 1 with itself is folded";
  for (int first = 0; first < 2; ++first) {
    for (int second = 0; second < 3; ++second) {
      const Value value = evaluate(problem, {first, second, 0});
      const IopddlScore expected = score(instance, {first, second, 0});
      EXPECT_EQ(value.cost, expected.cost.value_or(kForbidden));
      EXPECT_EQ(value.bytes, expected.peak_usage);
    }
  }
  EXPECT_EQ(BruteForceSolver().solve(problem).cost, 7 + 0 + 5 + 1) << "choice 1, 0, 0";
}

TEST(Iopddl, RefusesWrongFormNamingThePlace) {
  EXPECT_THAT(refusal("[]"), HasSubstr("the file is an array; expected an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("problem is missing"));
  EXPECT_THAT(refusal("{\"problem\": 3}"), HasSubstr("problem is 3; expected an object"));
  EXPECT_THAT(refusal(with("\"small\"", "4")), HasSubstr("problem.name is 4; expected a text"));
  EXPECT_THAT(refusal(with("\"name\"", "\"nome\"")), HasSubstr("problem.nome is unknown"));
  EXPECT_THAT(refusal(with("\"usages\"", "\"costs\"")),
              HasSubstr("problem.nodes.costs is given twice"));
  EXPECT_THAT(refusal(with("7], [0", "-7], [0")),
              HasSubstr("problem.nodes.costs[0][1] is -7; expected an integer"));
  EXPECT_THAT(refusal(with("9,\n", "9.5,\n")), HasSubstr("problem.usage_limit is 9.5"));
  EXPECT_THAT(refusal(with("1000000000000000000", "18446744073709551615")),
              HasSubstr("problem.edges.costs[0][2] is 18446744073709551615"));
  EXPECT_THAT(refusal(with("[5]]", "5]")),
              HasSubstr("problem.nodes.costs[2] is 5; expected an array of integers"));
  EXPECT_THAT(refusal(with("[5]]", "[[5]]]")), HasSubstr("costs[2][0] is an array"));
  EXPECT_THAT(refusal(with("[5]]", "[null]]")), HasSubstr("costs[2][0] is null"));
  EXPECT_THAT(refusal(std::string(kSmall.substr(0, 200))), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string(kSmall) + "1"), HasSubstr("not valid JSON"));
}

TEST(Iopddl, RefusesWrongCountsAndIndices) {
  EXPECT_THAT(refusal(with("[3, 3]", "[4, 3]")),
              HasSubstr("intervals[2] is 4, 3; expected two times, ascending"));
  EXPECT_THAT(refusal(with("[3, 3]", "[3]")), HasSubstr("intervals[2] is 1 entries long"));
  EXPECT_THAT(refusal(with(", [100]]", "]")),
              HasSubstr("problem.nodes.usages is 2 entries long; expected 3"));
  EXPECT_THAT(refusal(with("[6, 1]", "[6]")), HasSubstr("usages[0] is 1 entries long; expected 2"));
  EXPECT_THAT(refusal(with("[5]]", "[]]")), HasSubstr("costs[2] is 0 numbers"));
  EXPECT_THAT(refusal(with("[2, 0], [1, 1]", "[2, 3], [1, 1]")),
              HasSubstr("problem.edges.nodes[1][1] is 3; expected a node below 3"));
  EXPECT_THAT(refusal(with("[2, 0], [1, 9", "[2], [1, 9")),
              HasSubstr("edges.costs[1] is 1 entries long; expected 2"));
  EXPECT_THAT(refusal(with("[1, 1]", "[1]"), ErrorCode::kUnsupported),
              HasSubstr("edges.nodes[2] joins 1 nodes"));
}

TEST(Iopddl, RefusesSumsThatWouldOverflow) {
  EXPECT_THAT(refusal(with("7], [0", "99999999999999999], [0"), ErrorCode::kUnsupported),
              HasSubstr("problem.nodes.costs[0] holds 99999999999999999"));
  EXPECT_THAT(refusal(with("[100]", "[9223372036854775807]"), ErrorCode::kUnsupported),
              HasSubstr("problem.nodes.usages[2] holds 9223372036854775807"));
}

// The solver's view of a public instance and the independent one agree on cost and peak.
TEST(Iopddl, PublicInstancesEvaluateAlikeBothWays) {
  for (const char* name : {"B", "G"}) {
    const IopddlInstance instance =
        read_iopddl(str(PARTITA_SOURCE_DIR "/tests/data/iopddl/", name, ".json.gz"));
    EXPECT_EQ(instance.nodes.size(), 816U);
    EXPECT_EQ(instance.edges.size(), name[0] == 'B' ? 1096U : 1023U);
    EXPECT_EQ(instance.usage_limit, 14392528);
    const Problem problem = to_problem(instance);
    check_problem(problem);
    std::mt19937 random(1);
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<int> choice;
      for (const auto& node : instance.nodes)
        choice.push_back(static_cast<int>(trial == 0 ? 0 : random() % node.cost.size()));
      const IopddlScore expected = score(instance, choice);
      const Value value = evaluate(problem, choice);
      EXPECT_EQ(value.cost, expected.cost.value_or(kForbidden));
      EXPECT_EQ(value.bytes, expected.peak_usage);
    }
  }
}

}  // namespace
}  // namespace partita::planner
