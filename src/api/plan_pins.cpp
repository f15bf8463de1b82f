// SPDX-License-Identifier: Apache-2.0
#include "api/plan_pins.h"

#include <cstdlib>

#include "api/autotp_config.h"
#include "api/model_impl.h"
#include "formats/hf_config.h"
#include "planner/mesh_parts.h"
#include "planner/pins/autotp.h"
#include "planner/pins/autotp_items.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::api {
namespace {

constexpr char kConfig[] = "config";
constexpr char kBuiltIn[] = "built-in";

void append(std::vector<planner::Pin> more, std::vector<planner::Pin>& pins) {
  for (planner::Pin& pin : more) pins.push_back(std::move(pin));
}

// The environment over the file over nothing.
std::optional<planner::ItemList> items_of(const char* name,
                                          const std::optional<planner::ItemList>& in_file) {
  const char* text = std::getenv(name);
  if (text == nullptr) return in_file;
  const std::string source = std::string(name) + " (environment)";
  return planner::ItemList{planner::parse_items(text, source), source};
}

// Families are named like the model type they are built for; only config.json tells aliases apart.
std::string model_type_of(const Model& model) {
  std::error_code ignored;
  if (!std::filesystem::exists(model.directory() / "config.json", ignored)) return model.family();
  return formats::HfConfig::read(model.directory()).model_type();
}

void add_autotp(const Model& model, const PlanOptions& options, PlanPins& result) {
  AutoTpConfig config;
  if (options.autotp != kBuiltIn) config = load_autotp_config(options.autotp);
  planner::AutoTpImport import =
      planner::import_autotp({.graph = model.impl().imported.graph,
                              .model_type = model_type_of(model),
                              .all_reduce = items_of(planner::kAllReduceItems, config.all_reduce),
                              .keep = items_of(planner::kKeepItems, config.keep),
                              .policies = std::move(config.policies),
                              .partition = std::move(config.partition)});
  for (const std::string& warning : import.warnings) result.notes += warning + "\n";
  append(std::move(import.pins), result.pins);
}

}  // namespace

planner::TpPlan read_tp_plan(const Model& model, const std::string& tp_plan) {
  if (tp_plan != kConfig) {
    return planner::tp_plan_from_json(read_json(tp_plan), tp_plan);
  }
  const std::filesystem::path file = model.directory() / "config.json";
  const Json json = read_json(file);
  if (!json.is_object() || !json.contains("base_model_tp_plan")) {
    throw Error(ErrorCode::kNotFound, str("[tp_plan] ", file.string(),
                                          " has no base_model_tp_plan; give the plan as a "
                                          "JSON file of module path -> style"));
  }
  return planner::tp_plan_from_json(json, file.string());
}

PlanPins plan_pins(const Model& model, const PlanOptions& options) {
  PlanPins result;
  for (const std::string& text : options.pins) {
    result.pins.push_back(planner::parse_pin(text, "--pin"));
  }
  if (!options.pins_file.empty()) append(planner::load_pins(options.pins_file), result.pins);
  if (!options.tp_plan.empty()) {
    planner::TpPlanImport import =
        planner::import_tp_plan(model.impl().imported.graph, read_tp_plan(model, options.tp_plan),
                                planner::Unlisted::kFree);
    result.notes += planner::report_of(import);
    append(std::move(import.pins), result.pins);
  }
  if (!options.autotp.empty()) add_autotp(model, options, result);
  return result;
}

PlanOptions with_autotp_size(const PlanOptions& options) {
  if (options.autotp.empty() || options.autotp == kBuiltIn) return options;
  const int64_t size = load_autotp_config(options.autotp).size;
  if (size == 0) return options;
  PlanOptions result = options;
  if (options.mesh.empty() && options.ranks == 0) {
    result.mesh = str("tp=", size);
    return result;
  }
  const int64_t given = options.mesh.empty()
                            ? options.ranks
                            : planner::parts_of(spec::Mesh::parse(options.mesh)).stages[0].size();
  if (given == size) return result;
  throw Error(ErrorCode::kInvalidArgument,
              str("[autotp] ", options.autotp, " has autotp_size ", size, "; the options ask for ",
                  given, " tensor ranks"));
}

}  // namespace partita::api
