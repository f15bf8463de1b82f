// SPDX-License-Identifier: Apache-2.0
// How long a plan takes, against the number of layers and of devices.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "importer/importer.h"
#include "partita/planner_bench.h"
#include "planner/planner.h"
#include "support/error.h"
#include "support/json.h"

namespace partita {
namespace {

namespace fs = std::filesystem;

constexpr int kRuns = 3;  // the machine may be busy with other work; the best one counts

// A copy of the model's config with another number of layers, for as long as it lives.
class LayeredConfig {
 public:
  explicit LayeredConfig(const fs::path& directory)
      : config_(read_json(directory / "config.json")),
        copy_(fs::temp_directory_path() / str("partita-scaling-", getpid())) {
    for (const char* key : {"num_hidden_layers", "n_layer"}) {
      if (config_.is_object() && config_.contains(key)) key_ = key;
    }
    if (key_.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  str("[bench] ", (directory / "config.json").string(),
                      " has neither num_hidden_layers nor n_layer; expected a language model"));
    }
    fs::create_directories(copy_);
  }
  ~LayeredConfig() {
    std::error_code ignored;
    fs::remove_all(copy_, ignored);
  }
  LayeredConfig(const LayeredConfig&) = delete;
  LayeredConfig& operator=(const LayeredConfig&) = delete;

  [[nodiscard]] int64_t own_layers() const {
    return json_get<int64_t>(config_, key_, "config.json");
  }
  // The folder, with that many layers.
  const fs::path& with_layers(int64_t layers) {
    config_[key_] = layers;
    write_json(copy_ / "config.json", config_);
    return copy_;
  }

 private:
  Json config_;
  fs::path copy_;
  std::string key_;
};

std::vector<spec::MeshAxis> axes_for(const cost::Profile& profile, int64_t devices) {
  if (profile.axes.empty()) return {{"tp", devices}};
  std::vector<spec::MeshAxis> axes = profile.axes;
  int64_t inner = 1;
  for (size_t i = 1; i < axes.size(); ++i) inner *= axes[i].size;
  if (devices <= axes.back().size || axes.size() == 1) return {{axes.back().name, devices}};
  axes.front().size = std::max<int64_t>(1, devices / inner);
  return axes;
}

ScalingPoint measure(const fs::path& directory, cost::Profile profile, int64_t devices) {
  profile.axes = axes_for(profile, devices);
  ScalingPoint point;
  point.seconds = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    const importer::ImportedModel model =
        importer::import_model(directory, {.weight_dtype = std::nullopt});
    const planner::PlanResult result =
        planner::make_plan({.graph = model.graph,
                            .mesh = spec::Mesh(profile.axes),
                            .profile = profile,
                            .dtype = std::string(to_string(model.info.weight_dtype))});
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (const auto* infeasible = std::get_if<planner::Infeasible>(&result))
      throw Error(ErrorCode::kInfeasible, infeasible->reason);
    const auto& plan = std::get<plan::Plan>(result);
    point.seconds = std::min(point.seconds, seconds);
    point.devices = plan.ranks() * plan.replicas;
    point.mesh = plan.mesh.to_string();
    point.layers = model.info.layers;
    point.nodes = static_cast<int64_t>(model.graph.nodes().size());
    point.gap = plan.gap;
  }
  return point;
}

}  // namespace

void bench_scaling(const ScalingBenchOptions& options,
                   const std::function<void(const ScalingPoint&)>& on_point) {
  const cost::Profile profile = cost::load_profile(options.devices);
  if (!profile.is_uniform()) {
    throw Error(ErrorCode::kUnsupported,
                str("[bench] ", options.devices.string(),
                    " describes unlike devices; expected alike ones, which can be multiplied"));
  }
  LayeredConfig config(options.directory);
  const int64_t own_layers = config.own_layers();
  const int64_t own_devices = profile.axes.empty() ? 8 : spec::Mesh(profile.axes).size();
  for (int64_t layers = 1; layers <= options.most_layers; layers *= 2) {
    ScalingPoint point = measure(config.with_layers(layers), profile, own_devices);
    point.sweep = "layers";
    on_point(point);
  }
  for (int64_t devices = 2; devices <= options.most_devices; devices *= 2) {
    ScalingPoint point = measure(config.with_layers(own_layers), profile, devices);
    point.sweep = "devices";
    on_point(point);
  }
}

}  // namespace partita
