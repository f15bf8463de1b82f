// SPDX-License-Identifier: Apache-2.0
// Meshes: text form, coordinates, groups, refusals.
#include "spec/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Mesh, RefusesBadText) {
  for (const std::string text :
       {"tp", "tp=", "tp=0", "tp=65537", "=2", "2=2", "tp=2,", "tp=2,tp=2", "tp=-1", "tp=2;dp=2",
        "a=65536,b=65536", "tp=99999999999999999999", ",tp=2"}) {
    EXPECT_THROW(static_cast<void>(Mesh::parse(text)), Error) << text;
  }
  EXPECT_THROW(Mesh({{"tp", 2}}, {0}), Error);
  EXPECT_THROW(Mesh({{"tp", 2}}, {1, 1}), Error);
  EXPECT_THROW(Mesh({{"tp", 2}}, {0, -1}), Error);
}

}  // namespace
}  // namespace partita::spec
