// SPDX-License-Identifier: Apache-2.0
// Every step that the search makes is one; the same step told otherwise is not.
#include "spec/reshard_replay.h"

#include <gtest/gtest.h>

#include <map>

#include "spec/random_spec.h"

namespace partita::spec {
namespace {

using Shape = std::vector<int64_t>;

constexpr ReshardKind kKinds[] = {ReshardKind::kSlice,         ReshardKind::kAllGather,
                                  ReshardKind::kReduceScatter, ReshardKind::kAllReduce,
                                  ReshardKind::kAllToAll,      ReshardKind::kPermute,
                                  ReshardKind::kTerm};

// What lies about how the result comes about.
std::vector<ReshardStep> lies_about(const ReshardStep& step, const Mesh& mesh) {
  std::vector<ReshardStep> lies;
  const auto add = [&](const auto& change) {
    lies.push_back(step);
    change(lies.back());
  };
  for (const ReshardKind kind : kKinds) {
    if (kind != step.kind) add([&](ReshardStep& lie) { lie.kind = kind; });
  }
  add([](ReshardStep& lie) { lie.axes.clear(); });
  add([](ReshardStep& lie) { lie.axes.push_back(lie.axes.front()); });
  add([&](ReshardStep& lie) { lie.axes.push_back(mesh.axis_count()); });
  add([](ReshardStep& lie) { lie.dim = lie.dim == -1 ? 0 : -1; });
  add([](ReshardStep& lie) { lie.from_dim = lie.from_dim == -1 ? 0 : -1; });
  add([](ReshardStep& lie) {
    lie.reduce = lie.reduce == ReduceKind::kSum ? ReduceKind::kMax : ReduceKind::kSum;
  });
  add([](ReshardStep& lie) {
    for (PartialAxis& partial : lie.result.partials) partial.kind = ReduceKind::kMin;
    if (lie.result.partials.empty()) lie.result.partials.push_back({0, ReduceKind::kMax});
  });
  std::erase(lies, step);  // it may have been so
  return lies;
}

TEST(IsStepFrom, AcceptsWhatTheSearchMakesAndNothingElse) {
  std::mt19937 random(5);
  std::map<ReshardKind, int> seen;
  const std::pair<const char*, Shape> settings[] = {
      {"a=2", {8, 6}}, {"a=2,b=2", {8, 6}}, {"a=2,b=3,c=2", {12, 7, 5}}, {"a=4", {-8, 6}}};
  for (int round = 0; round < 600; ++round) {
    const auto& [axes, shape] = settings[round % 4];
    const Mesh mesh = Mesh::parse(axes);
    const TensorSpec from = random_spec(shape, mesh, random, {.several_kinds = round % 3 == 0});
    const TensorSpec to = random_spec(shape, mesh, random, {.several_kinds = false});
    const auto path = cheapest_path(
        from, to, shape, mesh, [&](const StepShape&) { return static_cast<double>(random() % 8); });
    if (!path) continue;
    const TensorSpec* before = &from;
    for (const ReshardStep& step : path->steps) {
      ++seen[step.kind];
      EXPECT_TRUE(is_step_from(*before, step, shape, mesh)) << to_string(step.kind);
      for (const ReshardStep& lie : lies_about(step, mesh)) {
        EXPECT_FALSE(is_step_from(*before, lie, shape, mesh))
            << to_string(step.kind) << " told as " << to_string(lie.kind);
      }
      before = &step.result;
    }
  }
  EXPECT_EQ(seen.size(), std::size(kKinds));
}

}  // namespace
}  // namespace partita::spec
