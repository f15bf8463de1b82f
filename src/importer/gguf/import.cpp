// SPDX-License-Identifier: Apache-2.0
// Puts the tensors of a GGUF file into the place of those that a family asks for.
#include "importer/gguf/import.h"

#include <algorithm>
#include <set>
#include <span>

#include "importer/gguf/config.h"
#include "ir/weight_type.h"
#include "ir/with_weights.h"
#include "support/error.h"

namespace partita::importer {
namespace {

const formats::GgufMetadata& metadata_of(const formats::Checkpoint& checkpoint) {
  CHECK(checkpoint.gguf() != nullptr, checkpoint.path().string(), " is no GGUF file");
  return *checkpoint.gguf();
}

// The three matrices of an expert must have one type; where a file has several, they become f32.
ir::Graph with_alike_experts(const ir::Graph& graph) {
  std::set<std::string> widened;
  for (const ir::Node& node : graph.nodes()) {
    if (node.op != "experts") continue;
    const auto weights = std::span(node.inputs).last(3);
    const DType first = graph.value(weights.front()).type.dtype;
    const bool are_alike = std::ranges::all_of(
        weights, [&](ir::ValueId weight) { return graph.value(weight).type.dtype == first; });
    if (are_alike) continue;
    for (const ir::ValueId weight : weights) widened.insert(graph.value(weight).name);
  }
  return ir::with_weights(graph, [&](const ir::Value& weight) {
    ir::TensorType type = weight.type;
    if (widened.contains(weight.name)) type.dtype = DType::kF32;
    return ir::NewWeight{std::move(type), weight.source};
  });
}

}  // namespace

GgufModel::GgufModel(const formats::Checkpoint& checkpoint)
    : checkpoint_(checkpoint),
      architecture_(gguf_architecture(metadata_of(checkpoint))),
      config_(config_of_gguf(metadata_of(checkpoint), checkpoint), metadata_of(checkpoint).what()) {
  head_dim_ = config_.size_or({"head_dim"}, 1);
}

bool GgufModel::has_tensor(std::string_view hugging_face_name) const {
  const std::string name(hugging_face_name);
  // Families ask for unusual names to learn that they are meant; the file stands for the usual
  // ones.
  if (name.rfind('.') == name.find('.')) return false;
  const auto counterpart = gguf_counterpart(architecture_, name);
  return counterpart && checkpoint_.has(counterpart->name);
}

ir::WeightSource GgufModel::source_of(const std::string& hugging_face_name) const {
  const auto counterpart = gguf_counterpart(architecture_, hugging_face_name);
  if (!counterpart) {
    throw Error(ErrorCode::kUnsupported,
                str("[gguf] ", config_.what(), ": tensor ", hugging_face_name,
                    " of the model has no name in architecture ", architecture_.name));
  }
  if (!checkpoint_.has(counterpart->name)) {
    return ir::WeightSource::from_tensor(counterpart->name);  // reported with its name when read
  }
  return from_gguf(*counterpart, checkpoint_.find(counterpart->name).info->shape, head_dim_);
}

ir::TensorType GgufModel::natural_type(const ir::Value& weight,
                                       const ir::WeightSource& source) const {
  ir::TensorType type = weight.type;
  if (type.dims.size() != 2 && type.dims.size() != 3) return type;  // 3: a matrix per expert
  std::optional<DType> stored;
  for (const std::string& name : ir::tensors_of(source)) {
    if (!checkpoint_.has(name)) return type;
    const DType dtype = checkpoint_.find(name).info->dtype;
    if (stored && *stored != dtype) return type;
    stored = dtype;
  }
  type.dtype = *stored == DType::kF16 ? DType::kF32 : *stored;
  return type;
}

ir::Graph GgufModel::over_file(const ir::Graph& graph, bool natural_types) const {
  return with_alike_experts(ir::with_weights(graph, [&](const ir::Value& weight) {
    const auto replaced = [this](const std::string& name) { return source_of(name); };
    ir::WeightSource source = ir::simplified(ir::with_tensors(weight.source, replaced));
    ir::TensorType type = natural_types ? natural_type(weight, source) : weight.type;
    return ir::NewWeight{std::move(type), std::move(source)};
  }));
}

}  // namespace partita::importer
