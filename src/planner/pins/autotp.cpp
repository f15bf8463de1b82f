// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/autotp.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "planner/pins/autotp_items.h"
#include "planner/pins/module_rules.h"
#include "planner/pins/name_pattern.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Weight = ModuleRule::Weight;
using Output = ModuleRule::Output;

constexpr ModuleRule kRows = {Weight::kCut, -1, false, Output::kWhole, true};
constexpr ModuleRule kColumns = {Weight::kCut, -2, true, Output::kFree, false};
constexpr ModuleRule kGatheredColumns = {Weight::kCut, -2, true, Output::kWhole, false};
constexpr ModuleRule kWhole = {Weight::kWhole, 0, false, Output::kFree, false};
constexpr std::array<std::string_view, 2> kNorms = {"layer_norm", "rms_norm"};
constexpr size_t kNearestNames = 5;

// A linear layer of the checkpoint; a fused one makes several nodes.
struct LinearModule {
  std::string path;                // "model.layers.3.self_attn.o_proj"
  std::vector<size_t> parameters;  // weight and bias
  std::vector<ir::NodeId> nodes;   // linear nodes
  bool is_before_norm = false;
};

// Whole components only: "mlp.gate" is not in "mlp.gate_proj".
bool holds(const std::string& path, const std::string& item) {
  return str(".", path, ".").find(str(".", item, ".")) != std::string::npos;
}

bool ends_as(std::string_view path, std::string_view name) {
  return path == name || path.ends_with(str(".", name));
}

class Importer {
 public:
  explicit Importer(const AutoTpRequest& request)
      : request_(request),
        graph_(request.graph),
        modules_(request.graph),
        pins_(request.graph, modules_) {
    find_linear_modules();
    check_items(request.all_reduce);
    check_items(request.keep);
    check_policies();
  }

  AutoTpImport run() {
    if (request_.partition) partition_others();
    for (const LinearModule& module : linears_) decide(module);
    check_patterns_used();
    return {pins_.take(), std::move(warnings_)};
  }

 private:
  void find_linear_modules() {
    std::map<std::string, size_t> index;
    for (size_t i = 0; i < modules_.parameters().size(); ++i) {
      const ModuleParameter& parameter = modules_.parameters()[i];
      const std::string path(parent_of(parameter.tensor));
      for (const ir::ValueId weight : parameter.weights) {
        for (const ir::NodeId reader : modules_.readers(weight)) {
          const ir::Node& node = graph_.node(reader);
          if (node.op != "linear" || node.layer < 0 || node.inputs[1] != weight) continue;
          const auto [found, is_new] = index.try_emplace(path, linears_.size());
          if (is_new) linears_.push_back({path, {}, {}, false});
          linears_[found->second].nodes.push_back(reader);
        }
      }
    }
    for (size_t i = 0; i < modules_.parameters().size(); ++i) {
      const auto found = index.find(std::string(parent_of(modules_.parameters()[i].tensor)));
      if (found != index.end()) linears_[found->second].parameters.push_back(i);
    }
    for (LinearModule& module : linears_)
      module.is_before_norm = is_before_norm(module.nodes.back());
  }

  // Whether the next linear layer or norm that runs is a norm of as many channels that the layer's
  // output goes into by additions only, and the layer adds to a stream: before the norm or right
  // behind it. A norm of queries or keys belongs to no stream.
  [[nodiscard]] bool is_before_norm(ir::NodeId linear) const {
    const auto count = static_cast<ir::NodeId>(graph_.nodes().size());
    std::set<ir::ValueId> sums = {graph_.node(linear).outputs.front()};
    const auto width = graph_.value(*sums.begin()).type.dims.back();
    bool is_in_stream = false;
    for (ir::NodeId id = linear + 1; id < count; ++id) {
      const ir::Node& node = graph_.node(id);
      const bool reads_sum = std::any_of(node.inputs.begin(), node.inputs.end(),
                                         [&](ir::ValueId value) { return sums.contains(value); });
      if (node.op == "linear") return false;
      if (std::find(kNorms.begin(), kNorms.end(), node.op) != kNorms.end()) {
        return reads_sum && graph_.value(node.inputs.front()).type.dims.back() == width &&
               (is_in_stream || is_added(node.outputs.front()));
      }
      // The rows of the logits are picked before the last norm.
      if ((node.op != "add" && node.op != "take_rows") || !reads_sum) continue;
      is_in_stream = is_in_stream || (node.op == "add" && adds_results(node));
      sums.insert(node.outputs.front());
    }
    return false;
  }

  // Two results, as against a result and its bias.
  [[nodiscard]] bool adds_results(const ir::Node& node) const {
    return std::none_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId value) {
      return graph_.value(value).kind == ir::ValueKind::kWeight;
    });
  }

  [[nodiscard]] bool is_added(ir::ValueId value) const {
    return std::any_of(graph_.nodes().begin(), graph_.nodes().end(), [&](const ir::Node& node) {
      return node.op == "add" && adds_results(node) &&
             std::find(node.inputs.begin(), node.inputs.end(), value) != node.inputs.end();
    });
  }

  void decide(const LinearModule& module) {
    if (const LayerSpec* spec = spec_of(module)) {
      apply_spec(*spec, module);
      return;
    }
    for (const InjectionPolicy& policy : request_.policies) {
      for (const std::string& name : policy.names) {
        if (!ends_as(module.path, name)) continue;
        apply(module, kRows,
              {"injection_policy: " + policy.layer_class, PinLevel::kPartitionConfig});
        return;
      }
    }
    decide_by_name(module);
  }

  void decide_by_name(const LinearModule& module) {
    const auto user_source = [](const ItemList& list) {
      return RuleSource{"autotp: " + list.source, PinLevel::kHeuristic};
    };
    if (has_item(module, request_.keep)) {
      apply(module, kWhole, user_source(*request_.keep));
    } else if (has_item(module, request_.all_reduce)) {
      apply(module, kRows, user_source(*request_.all_reduce));
    } else if (const std::string item = item_of(module, built_in_kept_items()); !item.empty()) {
      apply(module, kWhole, built_in("keeps " + item));
    } else if (const std::string row = row_item(module); !row.empty()) {
      apply(module, kRows, built_in(row + " sums"));
    } else if (module.is_before_norm) {
      apply(module, kRows, built_in("linear before norm sums"));
    } else {
      apply(module, kColumns, built_in("columns"));
    }
  }

  static RuleSource built_in(const std::string& what) {
    return {"autotp: " + what, PinLevel::kHeuristic};
  }

  static std::string item_of(const LinearModule& module, const std::vector<std::string>& items) {
    for (const std::string& item : items) {
      if (holds(module.path, item)) return item;
    }
    return {};
  }

  static bool has_item(const LinearModule& module, const std::optional<ItemList>& list) {
    return list && !item_of(module, list->items).empty();
  }

  // A policy says all sums of its layers; the built-in names are not looked at then.
  [[nodiscard]] std::string row_item(const LinearModule& module) const {
    return request_.policies.empty() ? item_of(module, built_in_row_items()) : std::string();
  }

  void apply(const LinearModule& module, const ModuleRule& rule, const RuleSource& source) {
    std::vector<ir::ValueId> weights;
    for (const size_t index : module.parameters) {
      const ModuleParameter& parameter = modules_.parameters()[index];
      pins_.add_parameter(parameter, rule, source);
      weights.insert(weights.end(), parameter.weights.begin(), parameter.weights.end());
    }
    pins_.add_output(weights, rule, source);
  }

  // The first spec of a tensor's patterns; a second one is a warning.
  const LayerSpec* first_spec(const std::string& tensor) {
    const LayerSpec* first = nullptr;
    if (!request_.partition) return first;
    for (const LayerSpec& spec : request_.partition->specs) {
      if (!spec.matches(tensor, request_.model_type)) continue;
      used_.insert(&spec);
      if (first == nullptr) {
        first = &spec;
      } else if (warned_.insert(without_numbers(tensor)).second) {
        warnings_.push_back(str("autotp: ", without_numbers(tensor), " is matched by ",
                                first->source, " and ", spec.source, "; the first counts"));
      }
    }
    return first;
  }

  const LayerSpec* spec_of(const LinearModule& module) {
    const LayerSpec* spec = first_spec(module.path + ".weight");
    if (spec != nullptr || !request_.partition || !request_.partition->strict) return spec;
    throw Error(ErrorCode::kInvalidArgument,
                str("[autotp] strict_mode: no pattern matches the linear layer ", module.path,
                    ".weight; add one, or one of partition_type skip"));
  }

  // Tensors that patterns name outside of linear layers: embeddings, heads, experts.
  void partition_others() {
    std::set<std::string> linears;
    for (const LinearModule& module : linears_) linears.insert(module.path);
    for (const ModuleParameter& parameter : modules_.parameters()) {
      if (linears.contains(std::string(parent_of(parameter.tensor)))) continue;
      const LayerSpec* spec = first_spec(parameter.tensor);
      if (spec == nullptr) continue;
      const RuleSource source = {spec->source, PinLevel::kPartitionConfig};
      const ModuleRule rule = rule_of(*spec, parameter);
      pins_.add_parameter(parameter, rule, source);
      pins_.add_output(parameter.weights, rule, source);
    }
  }

  void apply_spec(const LayerSpec& spec, const LinearModule& module) {
    const RuleSource source = {spec.source, PinLevel::kPartitionConfig};
    for (const size_t index : module.parameters) {
      const ModuleParameter& parameter = modules_.parameters()[index];
      if (parameter.tensor.ends_with(".weight")) check_elements(spec, parameter);
    }
    apply(module, rule_of(spec, modules_.parameters()[module.parameters.front()]), source);
  }

  // Fused parts are weights of their own in the graph, each cut in the same place; so only the kind
  // of cut counts, but for tensors of three dims, whose dim is said.
  [[nodiscard]] ModuleRule rule_of(const LayerSpec& spec, const ModuleParameter& parameter) const {
    ModuleRule rule = kWhole;
    if (spec.type == PartitionType::kRow) rule = kRows;
    if (spec.type == PartitionType::kColumn) {
      rule = spec.gathers_output ? kGatheredColumns : kColumns;
    }
    const int rank = modules_.rank_of(parameter.weights.front(), parameter.tensor).value_or(2);
    if (spec.partition_dim && rank == static_cast<int>(spec.shape.size()) && rank > 2) {
      rule.dim = *spec.partition_dim;
    }
    return rule;
  }

  // Only where the weights tell how large the tensor is.
  void check_elements(const LayerSpec& spec, const ModuleParameter& parameter) const {
    int64_t elements = 0;
    for (const ir::ValueId weight : parameter.weights) {
      int64_t product = 1;
      for (const int64_t size : graph_.value(weight).type.shape()) product *= size;
      elements += product;
    }
    check_shape(spec, parameter.tensor, elements);
  }

  [[nodiscard]] std::string nearest_linears(const std::string& item) const {
    std::vector<std::string> paths;
    for (const LinearModule& module : linears_) paths.push_back(module.path);
    const std::string text = nearest_text("model.layers.0." + item, paths, kNearestNames);
    return text.empty() ? "none" : text;
  }

  void check_items(const std::optional<ItemList>& list) const {
    if (!list) return;
    for (const std::string& item : list->items) {
      const bool is_used = std::any_of(linears_.begin(), linears_.end(), [&](const auto& module) {
        return holds(module.path, item);
      });
      if (is_used) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  str("[autotp] ", list->source, ": no linear layer of ", graph_.name(), " has \"",
                      item, "\" in its path; there are ", nearest_linears(item)));
    }
  }

  void check_policies() const {
    for (const InjectionPolicy& policy : request_.policies) {
      for (const std::string& name : policy.names) {
        const bool is_used = std::any_of(linears_.begin(), linears_.end(), [&](const auto& module) {
          return ends_as(module.path, name);
        });
        if (is_used) continue;
        throw Error(
            ErrorCode::kInvalidArgument,
            str("[autotp] injection_policy ", policy.layer_class, ": no linear layer of ",
                graph_.name(), " is called \"", name, "\"; there are ", nearest_linears(name)));
      }
    }
  }

  // Those of a preset may be for other versions of a family.
  void check_patterns_used() const {
    if (!request_.partition) return;
    for (const LayerSpec& spec : request_.partition->specs) {
      const bool is_for_others =
          !spec.model_types.empty() && std::find(spec.model_types.begin(), spec.model_types.end(),
                                                 request_.model_type) == spec.model_types.end();
      if (used_.contains(&spec) || is_for_others || spec.is_default) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  str("[autotp] ", spec.source, ": no tensor of ", graph_.name(), " matches \"",
                      spec.patterns.front(), "\""));
    }
  }

  const AutoTpRequest& request_;
  const ir::Graph& graph_;
  CheckpointModules modules_;
  ModulePins pins_;
  std::vector<LinearModule> linears_;
  std::set<const LayerSpec*> used_;
  std::set<std::string> warned_;
  std::vector<std::string> warnings_;
};

}  // namespace

AutoTpImport import_autotp(const AutoTpRequest& request) { return Importer(request).run(); }

}  // namespace partita::planner
