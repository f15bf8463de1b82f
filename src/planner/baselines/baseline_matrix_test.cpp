// SPDX-License-Identifier: Apache-2.0
// The planner against what people do by hand, on real model shapes and many machines.
// ctest-label: slow
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <limits>

#include "importer/importer.h"
#include "planner/baselines/baselines.h"
#include "planner/baselines/least_time.h"
#include "support/error.h"

namespace partita::planner {
namespace {

namespace fs = std::filesystem;

struct Machine {
  std::string name;
  cost::Profile profile;
};

cost::Device gpu(double memory_gb, double speed) {
  cost::Device device;
  device.memory_bytes = static_cast<int64_t>(memory_gb * 1e9);
  device.reserve_bytes = 2'000'000'000;
  device.memory_bandwidth = 3.35e12 * speed;
  device.f32_flops = 67e12 * speed;
  device.bf16_flops = 989e12 * speed;
  device.launch_s = 5e-6;
  return device;
}

cost::Profile described(std::vector<spec::MeshAxis> axes, std::vector<cost::Link> links) {
  cost::Profile profile;
  profile.name = "matrix";
  profile.axes = std::move(axes);
  profile.device = gpu(80, 1);
  profile.links = std::move(links);
  return profile;
}

// Devices 0, 1 of the first kind, 2, 3 of the second.
cost::Profile unlike(const cost::Device& first, const cost::Device& second) {
  cost::Profile profile = described({{"gpu", 4}}, {{"gpu", 1e-6, 450e9}});
  profile.kinds = {{"first", {0, 1}, first}, {"second", {2, 3}, second}};
  profile.device = cost::weaker_of(first, second);
  return profile;
}

const cost::Link kInHost = {"gpu", 1e-6, 450e9};

std::vector<Machine> machines() {
  return {
      {"1-d", described({{"gpu", 8}}, {kInHost})},
      {"2-d", described({{"host", 4}, {"gpu", 8}}, {{"host", 5e-6, 50e9}, kInHost})},
      {"3-d", described({{"pod", 2}, {"host", 2}, {"gpu", 4}},
                        {{"pod", 10e-6, 25e9}, {"host", 5e-6, 50e9}, kInHost})},
      {"slow link", described({{"host", 2}, {"gpu", 4}}, {{"host", 50e-6, 1.25e9}, kInHost})},
      {"unlike speed", unlike(gpu(80, 1), gpu(80, 0.5))},
      {"unlike memory", unlike(gpu(80, 1), gpu(30, 1))},
  };
}

std::vector<fs::path> all_configs() {
  std::vector<fs::path> folders;
  for (const auto& entry :
       fs::directory_iterator(fs::path(PARTITA_SOURCE_DIR) / "tests/data/configs")) {
    folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

struct Best {
  double megatron = std::numeric_limits<double>::infinity();  // over all ranks at once
  double layers = std::numeric_limits<double>::infinity();    // one device per stage
  double any = std::numeric_limits<double>::infinity();       // any stages and tensor ranks
  std::string name;
};

Best best_of_baselines(const PlanRequest& request, int64_t ranks) {
  Best best;
  PlanRequest on_mesh = request;
  for (const spec::Mesh& mesh : baseline_meshes(request.graph, ranks)) {
    on_mesh.mesh = mesh;
    for (const Baseline baseline : {Baseline::kMegatron, Baseline::kEvenLayers}) {
      const BaselinePrice price = price_baseline(on_mesh, baseline);
      if (!price.fits) continue;
      const bool is_flat = mesh.axis_count() == 1;
      if (is_flat && baseline == Baseline::kMegatron && mesh.axis_index("tp") == 0) {
        best.megatron = price.request_s;
      }
      if (is_flat && mesh.axis_index("pp") == 0) best.layers = price.request_s;
      if (price.request_s >= best.any) continue;
      best.any = price.request_s;
      best.name = str(to_string(baseline), " ", price.mesh);
    }
  }
  return best;
}

// By which factor a plan is to be faster than one made by hand, where one can be.
constexpr double kWantedGain = 1.2;

// On unlike devices or links a plan is 1.2 times as fast as those made by hand, unless even that
// which no plan can beat is not.
void expect_gain(const ir::Graph& graph,
                 const cost::Profile& profile,
                 const Best& best,
                 double chosen_s) {
  const double least_s = LeastTime(graph, profile).request_seconds();
  EXPECT_LE(least_s, chosen_s * (1 + 1e-9));
  struct ByHand {
    const char* name;
    double seconds;
  };
  for (const ByHand& plan : {ByHand{"Megatron", best.megatron}, ByHand{"layers", best.layers},
                             ByHand{"any", best.any}}) {
    const bool is_reached = plan.seconds >= chosen_s * kWantedGain;
    EXPECT_TRUE(is_reached || plan.seconds < least_s * kWantedGain) << plan.name;
    std::cout << plan.name << " takes " << plan.seconds / chosen_s
              << " times as long; no plan beats " << plan.seconds / least_s << "\n";
  }
}

class BaselineMatrix : public testing::TestWithParam<fs::path> {};

TEST_P(BaselineMatrix, PlannerIsNeverWorse) {
  const ir::Graph graph = importer::import_model(GetParam(), {.weight_dtype = DType::kBF16}).graph;
  for (const Machine& machine : machines()) {
    const int64_t ranks = machine.profile.device_count();
    const PlanRequest request = {.graph = graph, .profile = machine.profile, .dtype = "bf16"};
    const Best best = best_of_baselines(request, ranks);
    std::vector<TriedMesh> tried;
    const PlanResult result = plan_for_ranks(request, ranks, &tried);
    const bool fits = std::holds_alternative<plan::Plan>(result);
    if (best.name.empty() && !fits) continue;
    ASSERT_TRUE(fits) << machine.name << ": " << best.name << " fits";
    const auto chosen = std::ranges::find_if(tried, [](const auto& one) { return one.is_chosen; });
    ASSERT_NE(chosen, tried.end());
    RecordProperty(machine.name,
                   str("Megatron ", best.megatron / chosen->request_s, ", layers ",
                       best.layers / chosen->request_s, ", best by hand ",
                       best.any / chosen->request_s, " (", best.name, "), mesh ", chosen->mesh));
    EXPECT_LE(chosen->request_s, best.any * (1 + 1e-9))
        << machine.name << ": " << chosen->mesh << " against " << best.name;
    if (machine.name == "slow link" || machine.name == "unlike speed") {
      std::cout << machine.name << "\n";
      expect_gain(graph, machine.profile, best, chosen->request_s);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configs, BaselineMatrix, testing::ValuesIn(all_configs()), [](const auto& row) {
      std::string name = row.param.filename().string();
      std::replace_if(
          name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

}  // namespace
}  // namespace partita::planner
