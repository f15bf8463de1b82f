// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/names.h"

#include <gtest/gtest.h>

#include "planner/explain/human_text.h"

namespace partita::planner {
namespace {

TEST(Names, LayerNumbersBecomeAStar) {
  EXPECT_EQ(layer_pattern("layers.12.mlp.up"), "layers.*.mlp.up");
  EXPECT_EQ(layer_pattern("layers.1.experts.7.up"), "layers.*.experts.*.up");
  EXPECT_EQ(layer_pattern("topk.1"), "topk.1");  // an output's number
  EXPECT_EQ(layer_pattern("embed"), "embed");
}

TEST(Names, UnlikeStagesAreNamedOneByOne) {
  plan::Plan plan;
  plan.mesh = spec::Mesh::parse("pp=2,tp=2");
  plan.stages = {{0, 1, spec::Mesh::parse("tp=2")}, {1, 2, spec::Mesh::parse("tp=2")}};
  EXPECT_EQ(mesh_text_of(plan), "pp=2,tp=2");
  plan.stages[1].mesh = spec::Mesh();
  EXPECT_EQ(mesh_text_of(plan), "tp=2 | 1 rank");
}

TEST(Names, RangesAreJoined) {
  EXPECT_EQ(ranges_text({0, 1, 2, 3, 7, 9, 10}), "0-3, 7, 9-10");
  EXPECT_EQ(ranges_text({}), "");
}

TEST(HumanText, UnitsAndSigns) {
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1'500'000'000), "1.5 GB");
  EXPECT_EQ(signed_bytes_text(-1500), "-1.5 KB");
  EXPECT_EQ(signed_bytes_text(0), "0");
  EXPECT_EQ(seconds_text(0.00123), "1.23 ms");
  EXPECT_EQ(signed_seconds_text(-2e-6), "-2.0 us");
  EXPECT_EQ(signed_seconds_text(1.5), "+1.50 s");
}

TEST(HumanText, ColumnsAreAlignedWithoutBlanksAtTheEnd) {
  EXPECT_EQ(table_text({{"a", "1", ""}, {"bcd", "22", "x"}}, {1}), "a     1\nbcd  22  x\n");
}

}  // namespace
}  // namespace partita::planner
