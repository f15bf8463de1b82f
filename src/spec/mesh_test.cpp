// SPDX-License-Identifier: Apache-2.0
// Meshes: text form, coordinates, groups, refusals.
#include "spec/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/error.h"

namespace partita::spec {
namespace {

using testing::ElementsAre;

TEST(Mesh, PrintsWhatItParses) {
  for (const std::string text : {"", "tp=1", "host=2,gpu=4", "a=3,b=1,_c9=5"}) {
    EXPECT_EQ(Mesh::parse(text).to_string(), text);
  }
  EXPECT_EQ(Mesh::parse(" host = 2 , gpu=4 ").to_string(), "host=2,gpu=4");
}

TEST(Mesh, LastAxisVariesFastest) {
  const Mesh mesh = Mesh::parse("host=2,gpu=4");
  EXPECT_EQ(mesh.size(), 8);
  EXPECT_EQ(mesh.coordinate(5, 0), 1);
  EXPECT_EQ(mesh.coordinate(5, 1), 1);
  EXPECT_EQ(mesh.axis_index("gpu"), 1);
  EXPECT_EQ(mesh.axis_index("rack"), -1);
}

TEST(Mesh, PositionFollowsTheOrderOfTheListedAxes) {
  const Mesh mesh = Mesh::parse("host=2,gpu=4");
  EXPECT_EQ(mesh.position(6, std::vector{0, 1}), 6);  // host 1, gpu 2
  EXPECT_EQ(mesh.position(6, std::vector{1, 0}), 5);  // 2 * 2 + 1
  EXPECT_EQ(mesh.position(6, std::vector<int>{}), 0);
}

TEST(Mesh, GroupIsOrderedByPosition) {
  const Mesh mesh = Mesh::parse("a=2,b=2,c=2");
  EXPECT_THAT(mesh.group(5, std::vector{1}), ElementsAre(5, 7));
  EXPECT_THAT(mesh.group(5, std::vector{0, 2}), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(mesh.group(5, std::vector{2, 0}), ElementsAre(0, 4, 1, 5));
  EXPECT_THAT(mesh.group(5, std::vector<int>{}), ElementsAre(5));
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    const std::vector axes = {2, 1};
    const auto group = mesh.group(cell, axes);
    EXPECT_EQ(group.at(static_cast<size_t>(mesh.position(cell, axes))), cell);
  }
}

TEST(Mesh, RanksMaySitAnywhere) {
  const Mesh mesh({{"tp", 2}}, {5, 3});
  EXPECT_THAT(mesh.ranks(), ElementsAre(5, 3));
  EXPECT_THAT(Mesh().ranks(), ElementsAre(0));
}

std::vector<std::string> names(const Mesh& mesh) {
  std::vector<std::string> result;
  for (const MeshAxis& axis : mesh.axes()) result.push_back(axis.name);
  return result;
}

TEST(Mesh, AnAxisMayBeSeenAsSubAxes) {
  const Mesh mesh = Mesh::parse("dp=2,tp=2x4,ep=3");
  EXPECT_THAT(names(mesh), ElementsAre("dp", "tp(1)2", "tp(2)4", "ep"));
  EXPECT_EQ(mesh.size(), 48);
  EXPECT_EQ(mesh.to_string(), "dp=2,tp=2x4,ep=3");
  EXPECT_EQ(parent_axis("tp(2)4"), "tp");
  EXPECT_EQ(parent_axis("tp"), "tp");
  const Mesh plain = Mesh::parse("dp=2,tp=8,ep=3");
  EXPECT_EQ(plain.factorised("tp", std::vector<int64_t>{2, 4}), mesh);
  EXPECT_EQ(mesh.merged(), plain);
  // The cells stay: the position along the axis is that along both sub-axes.
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    EXPECT_EQ(mesh.position(cell, std::vector{1, 2}), plain.coordinate(cell, 1));
  }
}

TEST(Mesh, SubAxesAreCutFurtherAndKeepTheRanks) {
  const Mesh mesh = Mesh({{"tp", 8}}, {7, 6, 5, 4, 3, 2, 1, 0});
  const Mesh halves = mesh.factorised("tp", std::vector<int64_t>{2, 4});
  const Mesh finest = halves.factorised("tp(2)4", std::vector<int64_t>{2, 2});
  EXPECT_THAT(names(finest), ElementsAre("tp(1)2", "tp(2)2", "tp(4)2"));
  EXPECT_EQ(finest, mesh.factorised("tp", std::vector<int64_t>{2, 2, 2}));
  EXPECT_EQ(finest.ranks(), mesh.ranks());
  EXPECT_EQ(finest.merged(), mesh);
  EXPECT_THROW(static_cast<void>(mesh.factorised("tp", std::vector<int64_t>{2, 3})), Error);
  EXPECT_THROW(static_cast<void>(mesh.factorised("tp", std::vector<int64_t>{})), Error);
  EXPECT_THROW(static_cast<void>(mesh.factorised("tp", std::vector<int64_t>{-2, -4})), Error);
  EXPECT_THROW(static_cast<void>(mesh.factorised("dp", std::vector<int64_t>{2, 4})), Error);
  EXPECT_THROW(Mesh({{"tp(2)4", 4}}), Error);
  EXPECT_THROW(Mesh({{"tp(1)2", 2}, {"tp(4)2", 2}}), Error);
  EXPECT_THROW(Mesh({{"tp(1)2", 3}}), Error);
  EXPECT_THROW(Mesh({{"tp(1)2", 2}, {"dp", 2}, {"tp(2)2", 2}}), Error);
  EXPECT_THROW(Mesh({{"tp(1)2", 2}, {"tp(2)2", 2}, {"tp", 2}}), Error);
}

// The groups of ranks that differ along an axis: "[0,4][1,5]".
std::string groups(const Mesh& mesh, std::string_view axis) {
  const int index = mesh.axis_index(axis);
  std::string text;
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    if (mesh.coordinate(cell, index) != 0) continue;
    std::string members;
    for (const int64_t member : mesh.group(cell, {&index, 1})) {
      members += str(members.empty() ? "" : ",", mesh.ranks()[static_cast<size_t>(member)]);
    }
    text += "[" + members + "]";
  }
  return text;
}

// The tables of eight devices: cluster puts neighbours into one group, spread puts them far apart.
TEST(Mesh, RankOrdersOfEightDevices) {
  EXPECT_EQ(groups(Mesh::parse("rdp=4,pp=2@cluster"), "pp"), "[0,1][2,3][4,5][6,7]");
  EXPECT_EQ(groups(Mesh::parse("rdp=4,pp=2@spread"), "pp"), "[0,4][1,5][2,6][3,7]");
  const Mesh cluster = Mesh::parse("dp=2,pp=2,tp=2@DPT");
  EXPECT_EQ(cluster, Mesh::parse("dp=2,pp=2,tp=2"));
  for (int64_t cell = 0; cell < 8; ++cell) {
    const int64_t d = cluster.coordinate(cell, 0);
    const int64_t p = cluster.coordinate(cell, 1);
    const int64_t t = cluster.coordinate(cell, 2);
    const auto at = static_cast<size_t>(cell);
    EXPECT_EQ(cluster.ranks()[at], d * 4 + p * 2 + t);
    EXPECT_EQ(Mesh::parse("dp=2,pp=2,tp=2@TPD").ranks()[at], t * 4 + p * 2 + d);
    EXPECT_EQ(Mesh::parse("dp=2,pp=2,tp=2@spread").ranks()[at], t * 4 + p * 2 + d);
    EXPECT_EQ(Mesh::parse("dp=2,pp=2,tp=2@pdt").ranks()[at], p * 4 + d * 2 + t);
    EXPECT_EQ(Mesh::parse("dp=2,pp=2,tp=2@pp,tp,dp").ranks()[at], p * 4 + t * 2 + d);
  }
}

TEST(Mesh, AllSixOrdersOfThreeAxesOfOtherSizesAreOrders) {
  std::string order = "DPT";
  do {
    const Mesh mesh = Mesh::parse("dp=2,pp=3,tp=4@" + order);
    std::vector<int> ranks = mesh.ranks();
    std::sort(ranks.begin(), ranks.end());
    EXPECT_EQ(ranks, Mesh::parse("dp=2,pp=3,tp=4").ranks()) << order;
    // Neighbours along the right-most letter are neighbours in number.
    const int fastest = order[2] == 'D' ? 0 : (order[2] == 'P' ? 1 : 2);
    const auto group = mesh.group(0, {&fastest, 1});
    EXPECT_EQ(mesh.ranks()[static_cast<size_t>(group[1])], mesh.ranks()[0] + 1) << order;
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Mesh, RefusesBadText) {
  for (const std::string text : {"tp=2x",
                                 "tp=2x0",
                                 "tp=x2",
                                 "tp=65536x65536x65536",
                                 "tp=2x2,tp=4",
                                 "tp=2@DP",
                                 "tp=2@",
                                 "tp=2@T,",
                                 "dp=2,tp=2@DD",
                                 "dp=2,tp=2@D",
                                 "tp=2,tq=2@TT",
                                 "dp=2,tp=2@tp",
                                 "tp=2@spread,dp=2",
                                 "tp(1)2=2",
                                 "dp=2,tp=2@XY",
                                 "tp",
                                 "tp=",
                                 "tp=0",
                                 "tp=65537",
                                 "=2",
                                 "2=2",
                                 "tp=2,",
                                 "tp=2,tp=2",
                                 "tp=-1",
                                 "tp=2;dp=2",
                                 "a=65536,b=65536",
                                 "tp=99999999999999999999",
                                 ",tp=2"}) {
    EXPECT_THROW(static_cast<void>(Mesh::parse(text)), Error) << text;
  }
  EXPECT_THROW(Mesh({{"tp", 2}}, {0}), Error);
  EXPECT_THROW(Mesh({{"tp", 2}}, {1, 1}), Error);
  EXPECT_THROW(Mesh({{"tp", 2}}, {0, -1}), Error);
}

}  // namespace
}  // namespace partita::spec
