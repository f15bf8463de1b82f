// SPDX-License-Identifier: Apache-2.0
#include "api/autotp_config.h"

#include "planner/pins/autotp_items.h"
#include "support/error.h"

namespace partita::api {
namespace {

using plan::KeyedObject;
using planner::kAllReduceItems;
using planner::kAutoTpFile;
using planner::kKeepItems;

constexpr Range kSizes = {1, int64_t{1} << 16};

std::optional<planner::ItemList> items_of(const KeyedObject& root,
                                          const Json& json,
                                          const char* key,
                                          const std::string& file) {
  if (!root.has(key)) return std::nullopt;
  planner::ItemList list;
  list.source = str(key, " (", file, ")");
  list.items = json.at(key).is_string() ? planner::parse_items(root.text(key), list.source)
                                        : root.texts(key);
  return list;
}

void read_policies(const KeyedObject& root, AutoTpConfig& config) {
  if (!root.has("injection_policy")) return;
  for (const auto& [layer_class, names] : root.object("injection_policy").items()) {
    planner::InjectionPolicy policy = {layer_class, {}};
    const std::string place = str("injection_policy.", layer_class);
    if (names.is_string()) {
      policy.names.push_back(names.get<std::string>());
    } else if (names.is_array()) {
      for (const Json& name : names) {
        if (!name.is_string()) root.refuse("injection_policy", place + " holds no names");
        policy.names.push_back(name.get<std::string>());
      }
    }
    if (policy.names.empty()) {
      root.refuse("injection_policy", place + " is empty; expected names of linear layers");
    }
    config.policies.push_back(std::move(policy));
  }
}

std::vector<planner::LayerSpec> preset_of(const KeyedObject& json) {
  if (!json.has("preset_model")) return {};
  const std::string name = json.text("preset_model");
  std::vector<planner::LayerSpec> specs = autotp_preset(name);
  if (!specs.empty()) return specs;
  std::string known;
  for (const std::string& preset : autotp_preset_names()) known += " " + preset;
  json.refuse("preset_model", str("is \"", name, "\"; known are", known));
}

void read_tensor_parallel(const KeyedObject& root, const std::string& file, AutoTpConfig& config) {
  if (!root.has("tensor_parallel")) return;
  const KeyedObject json(root.object("tensor_parallel"), root.place_of("tensor_parallel"),
                         {"autotp_size", "preset_model", "partition_config"}, kAutoTpFile);
  if (json.has("autotp_size")) config.size = json.integer("autotp_size", kSizes);
  std::vector<planner::LayerSpec> preset = preset_of(json);
  if (json.has("partition_config")) {
    config.partition = planner::partition_config_from_json(json.object("partition_config"), file);
  } else if (!preset.empty()) {
    config.partition.emplace();
  }
  if (!config.partition || !config.partition->use_default_specs) return;
  for (planner::LayerSpec& spec : preset) config.partition->specs.push_back(std::move(spec));
}

}  // namespace

AutoTpConfig load_autotp_config(const std::filesystem::path& file) {
  const Json json = read_json(file);
  const std::string name = file.filename().string();
  const KeyedObject root(json, name,
                         {"tensor_parallel", "injection_policy", kAllReduceItems, kKeepItems},
                         kAutoTpFile);
  AutoTpConfig config;
  config.all_reduce = items_of(root, json, kAllReduceItems, name);
  config.keep = items_of(root, json, kKeepItems, name);
  read_policies(root, config);
  read_tensor_parallel(root, name, config);
  return config;
}

}  // namespace partita::api
