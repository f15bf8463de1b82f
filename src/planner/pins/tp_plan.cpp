// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/tp_plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "support/error.h"

namespace partita::planner {
namespace {

using Weight = ModuleRule::Weight;
using Output = ModuleRule::Output;

constexpr std::string_view kTensorPlan = "base_model_tp_plan";
constexpr std::string_view kStagePlan = "base_model_pp_plan";

struct Style {
  std::string_view name;
  ModuleRule rule;
};

constexpr ModuleRule kColumns = {Weight::kCut, -2, true, Output::kFree, false};
constexpr ModuleRule kGatheredColumns = {Weight::kCut, -2, true, Output::kWhole, false};
constexpr ModuleRule kRows = {Weight::kCut, -1, false, Output::kWhole, true};
constexpr ModuleRule kLocalRows = {Weight::kCut, -1, false, Output::kFree, false};
constexpr ModuleRule kEmbeddingRows = {Weight::kCut, 0, true, Output::kWhole, true};
constexpr ModuleRule kEmbeddingColumns = {Weight::kCut, 1, true, Output::kWhole, true};
constexpr ModuleRule kByExpert = {Weight::kCut, 0, true, Output::kFree, false};
constexpr ModuleRule kWhole = {Weight::kWhole, 0, false, Output::kFree, false};
constexpr ModuleRule kReduced = {Weight::kFree, 0, true, Output::kWhole, false};
constexpr ModuleRule kNothing = {};

// Old and new names, sorted. Fused tensors (packed_*) are separate weights of the graph, each cut
// in the same place; "local" only says how the parts are held there. Sequences are never split
// here, so sequence_parallel leaves the module whole.
constexpr std::array<Style, 29> kStyles = {{
    {"all_reduce", kReduced},
    {"colwise", kColumns},
    {"colwise_gather_output", kGatheredColumns},
    {"colwise_rep", kGatheredColumns},
    {"embedding_colwise", kEmbeddingColumns},
    {"embedding_rowwise", kEmbeddingRows},
    {"ep_dispatch_experts", kReduced},
    {"ep_router", kWhole},
    {"gather", kReduced},
    {"grouped_gemm", kByExpert},
    {"isolated", kWhole},
    {"local", kWhole},
    {"local_colwise", kColumns},
    {"local_packed_colwise", kColumns},
    {"local_packed_rowwise", kLocalRows},
    {"local_params", kNothing},
    {"local_rowwise", kLocalRows},
    {"mla_kv_a_proj", kWhole},
    {"moe_identity_expert", kNothing},
    {"moe_tp_experts", kReduced},
    {"packed_colwise", kColumns},
    {"packed_rowwise", kLocalRows},
    {"replicate", kWhole},
    {"replicated", kWhole},
    {"replicated_with_grad_allreduce", kWhole},
    {"rowwise", kRows},
    {"rowwise_rep", kRows},
    {"rowwise_split_input", kRows},
    {"sequence_parallel", kWhole},
}};

[[noreturn]] void refuse(std::string_view what, const std::string& rule) {
  throw Error(ErrorCode::kInvalidFile, str("[tp_plan] ", what, ": ", rule));
}

std::vector<TpPlanEntry> entries_of(const Json& json, std::string_view what) {
  if (!json.is_object()) {
    refuse(what, str(json.dump().substr(0, 80), "; expected an object of module path -> style"));
  }
  std::vector<TpPlanEntry> entries;
  for (const auto& [path, style] : json.items()) {
    if (!style.is_string()) {
      refuse(what, str("entry \"", path, "\" is ", style.dump().substr(0, 80),
                       "; expected the name of a style"));
    }
    entries.push_back({path, style.get<std::string>()});
    if (find_style(entries.back().style) != nullptr) continue;
    std::string known;
    for (const std::string& name : style_names()) known += " " + name;
    refuse(what, str("entry \"", path, "\": style \"", entries.back().style,
                     "\" is not known; known are", known));
  }
  return entries;
}

bool is_list_of_names(const Json& json) {
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [](const Json& name) { return name.is_string(); });
}

std::vector<std::string> stages_of(const Json& json, std::string_view what) {
  if (!json.is_object()) refuse(what, str(kStagePlan, " is no object"));
  std::vector<std::string> stages;
  for (const auto& [path, names] : json.items()) {
    const bool is_pair = names.is_array() && names.size() == 2 && is_list_of_names(names[0]) &&
                         is_list_of_names(names[1]);
    if (!is_pair) {
      refuse(what, str(kStagePlan, " entry \"", path, "\" is ", names.dump().substr(0, 80),
                       "; expected [[names of inputs], [names of outputs]]"));
    }
    stages.push_back(path);
  }
  return stages;
}

class Importer {
 public:
  Importer(const ir::Graph& graph, const TpPlan& plan)
      : graph_(graph), plan_(plan), modules_(graph), pins_(graph, modules_) {
    for (const TpPlanEntry& entry : plan.entries) by_path_[entry.path] = &entry;
  }

  TpPlanImport run(Unlisted unlisted) {
    for (const ModuleParameter& parameter : modules_.parameters()) add_parameter(parameter);
    for (const auto& [instance, weights] : instances_) {
      const TpPlanEntry& entry = plan_.entries[instance.first];
      pins_.add_output(weights, *find_style(entry.style), source_of(entry));
    }
    add_tied_head();
    if (unlisted == Unlisted::kWhole) add_unlisted();
    TpPlanImport result;
    result.pins = pins_.take();
    add_stages(result.pins);
    for (const TpPlanEntry& entry : plan_.entries) {
      if (!used_.contains(&entry)) result.unused.push_back(entry.path);
    }
    result.unsharded.assign(unsharded_.begin(), unsharded_.end());
    return result;
  }

 private:
  static RuleSource source_of(const TpPlanEntry& entry) {
    return {str("tp_plan: ", entry.path), PinLevel::kTpPlan};
  }

  [[nodiscard]] const TpPlanEntry* find(std::string_view path) const {
    const auto found = by_path_.find(path);
    return found == by_path_.end() ? nullptr : found->second;
  }

  // The entry of a tensor: under its own name, else under that of its module.
  [[nodiscard]] const TpPlanEntry* entry_of(const ModuleParameter& parameter) const {
    for (const std::string& name : parameter.names) {
      if (const TpPlanEntry* entry = find(name)) return entry;
    }
    for (const std::string& name : parameter.names) {
      if (const TpPlanEntry* entry = find(parent_of(name))) return entry;
    }
    return nullptr;
  }

  void add_parameter(const ModuleParameter& parameter) {
    note_instances(parameter);
    const TpPlanEntry* entry = entry_of(parameter);
    if (entry == nullptr) {
      for (const ir::ValueId weight : parameter.weights) {
        if (graph_.value(weight).type.dims.size() > 1) {
          unsharded_.insert(without_numbers(parameter.tensor));
        }
      }
      return;
    }
    used_.insert(entry);
    listed_.insert(parameter.weights.begin(), parameter.weights.end());
    pins_.add_parameter(parameter, *find_style(entry->style), source_of(*entry));
  }

  // Modules above the tensor that have an entry: their results may be whole.
  void note_instances(const ModuleParameter& parameter) {
    for (const std::string& name : parameter.names) {
      for (std::string_view path = name; !path.empty(); path = parent_of(path)) {
        const TpPlanEntry* entry = find(path);
        if (entry == nullptr) continue;
        used_.insert(entry);
        const auto index = static_cast<size_t>(entry - plan_.entries.data());
        auto& weights = instances_[{index, instance_of(parameter.tensor, path)}];
        weights.insert(weights.end(), parameter.weights.begin(), parameter.weights.end());
      }
    }
  }

  // The numbers of the module that `path` names: those of its layers, not of experts below it.
  static std::string instance_of(std::string_view tensor, std::string_view path) {
    auto count = std::count(path.begin(), path.end(), '*');
    std::string numbers;
    while (count > 0 && !tensor.empty()) {
      const size_t dot = tensor.find('.');
      const std::string_view part = tensor.substr(0, dot);
      if (without_numbers(part) == "*") {
        numbers += str(part, ".");
        --count;
      }
      tensor = dot == std::string_view::npos ? std::string_view() : tensor.substr(dot + 1);
    }
    return numbers;
  }

  // An entry for the head of a model whose head is its embedding table.
  void add_tied_head() {
    const ir::ValueId output = graph_.outputs().empty() ? ir::kNoId : graph_.outputs().front();
    if (output == ir::kNoId || graph_.value(output).producer == ir::kNoId) return;
    const ir::Node& head = graph_.node(graph_.value(output).producer);
    for (const ir::ValueId table : head.inputs) {
      const bool is_tied =
          graph_.value(table).kind == ir::ValueKind::kWeight && modules_.readers(table).size() > 1;
      if (!is_tied) continue;
      for (const TpPlanEntry& entry : plan_.entries) {
        if (used_.contains(&entry) || !is_head(entry.path)) continue;
        used_.insert(&entry);
        if (listed_.contains(table)) continue;
        for (const ModuleParameter& parameter : modules_.parameters()) {
          if (std::find(parameter.weights.begin(), parameter.weights.end(), table) ==
              parameter.weights.end()) {
            continue;
          }
          pins_.add_parameter(parameter, *find_style(entry.style), source_of(entry));
          pins_.add_output({table}, kEmbeddingRows, source_of(entry));
          listed_.insert(table);
          unsharded_.erase(without_numbers(parameter.tensor));
        }
      }
    }
  }

  static bool is_head(std::string_view path) { return path == "lm_head" || path == "embed_out"; }

  void add_unlisted() {
    for (const ModuleParameter& parameter : modules_.parameters()) {
      for (const ir::ValueId weight : parameter.weights) {
        if (listed_.contains(weight)) continue;
        pins_.add_whole(weight, {"tp_plan: not listed", PinLevel::kTpPlan});
      }
    }
  }

  // The first module of the pipeline plan starts, the last one ends; between them the layers are
  // cut anywhere.
  void add_stages(std::vector<Pin>& pins) {
    if (plan_.stages.size() < 2) return;
    add_stage(plan_.stages.front(), "stage 0", pins);
    add_stage(plan_.stages.back(), "stage last", pins);
  }

  void add_stage(const std::string& path, const char* decision, std::vector<Pin>& pins) const {
    for (const ModuleParameter& parameter : modules_.parameters()) {
      const bool is_meant =
          std::any_of(parameter.names.begin(), parameter.names.end(),
                      [&](const std::string& name) { return parent_of(name) == path; });
      if (!is_meant) continue;
      for (const ir::ValueId weight : parameter.weights) {
        const ir::NodeId reader = modules_.readers(weight).front();
        pins.push_back(
            {graph_.node(reader).name, decision, str("pp_plan: ", path), PinLevel::kTpPlan});
      }
    }
  }

  const ir::Graph& graph_;
  const TpPlan& plan_;
  CheckpointModules modules_;
  ModulePins pins_;
  std::map<std::string, const TpPlanEntry*, std::less<>> by_path_;
  std::set<const TpPlanEntry*> used_;
  std::set<ir::ValueId> listed_;
  std::set<std::string> unsharded_;
  // (entry, numbers) -> weights below the module
  std::map<std::pair<size_t, std::string>, std::vector<ir::ValueId>> instances_;
};

}  // namespace

const ModuleRule* find_style(std::string_view style) {
  for (const Style& known : kStyles) {
    if (known.name == style) return &known.rule;
  }
  // One kernel for all of a layer's experts, which are split by expert.
  if (style.starts_with("megamoe_")) return &kByExpert;
  return nullptr;
}

std::vector<std::string> style_names() {
  std::vector<std::string> names;
  for (const Style& style : kStyles) names.emplace_back(style.name);
  return names;
}

TpPlan tp_plan_from_json(const Json& json, std::string_view what) {
  if (!json.is_object()) refuse(what, "expected an object");
  const auto tensor_plan = json.find(std::string(kTensorPlan));
  const auto stage_plan = json.find(std::string(kStagePlan));
  TpPlan plan;
  plan.what = what;
  const bool has_plan = tensor_plan != json.end() || stage_plan != json.end();
  if (tensor_plan != json.end() && !tensor_plan->is_null()) {
    plan.entries = entries_of(*tensor_plan, what);
  }
  if (stage_plan != json.end() && !stage_plan->is_null()) {
    plan.stages = stages_of(*stage_plan, what);
  }
  if (!has_plan) plan.entries = entries_of(json, what);
  return plan;
}

TpPlanImport import_tp_plan(const ir::Graph& graph, const TpPlan& plan, Unlisted unlisted) {
  return Importer(graph, plan).run(unlisted);
}

std::string report_of(const TpPlanImport& import) {
  std::string text;
  for (const std::string& path : import.unused) {
    text += str("tp_plan: rule \"", path, "\" matches no module of the model\n");
  }
  for (const std::string& tensor : import.unsharded) {
    text += str("tp_plan: no rule for ", tensor, "\n");
  }
  return text;
}

}  // namespace partita::planner
