// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/checkpoint_modules.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "support/error.h"

namespace partita::planner {
namespace {

using ir::WeightSource;

// Rules speak of all experts as one tensor; published checkpoints hold one per expert, under old
// module and matrix names.
struct ExpertName {
  std::string_view tensor;  // behind "experts.*."
  std::string_view rule;    // behind "experts."
};
constexpr std::array<ExpertName, 6> kExpertNames = {{
    {"gate_proj.weight", "gate_up_proj"},
    {"up_proj.weight", "gate_up_proj"},
    {"down_proj.weight", "down_proj"},
    {"w1.weight", "gate_up_proj"},
    {"w3.weight", "gate_up_proj"},
    {"w2.weight", "down_proj"},
}};
constexpr std::string_view kOldExperts = ".block_sparse_moe.";
constexpr std::string_view kNewExperts = ".mlp.";
constexpr std::string_view kOneExpert = ".experts.*.";

void add_unique(std::string name, std::vector<std::string>& names) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

// Adds what `edit` makes of each name so far.
template <typename Edit>
void add_edited(std::vector<std::string>& names, const Edit& edit) {
  const std::vector<std::string> known = names;
  for (const std::string& name : known) {
    if (std::optional<std::string> edited = edit(name)) add_unique(std::move(*edited), names);
  }
}

std::vector<std::string> names_of(std::string_view tensor) {
  std::vector<std::string> names = {without_numbers(tensor)};
  add_edited(names, [](const std::string& name) -> std::optional<std::string> {
    const size_t dot = name.find('.');
    if (dot == std::string::npos || name.find('.', dot + 1) == std::string::npos) return {};
    return name.substr(dot + 1);
  });
  add_edited(names, [](std::string name) -> std::optional<std::string> {
    const size_t at = name.find(kOldExperts);
    if (at == std::string::npos) return {};
    return name.replace(at, kOldExperts.size(), kNewExperts);
  });
  add_edited(names, [](const std::string& name) -> std::optional<std::string> {
    const size_t at = name.find(kOneExpert);
    if (at == std::string::npos) return {};
    const std::string_view matrix = std::string_view(name).substr(at + kOneExpert.size());
    for (const ExpertName& known : kExpertNames) {
      if (known.tensor == matrix) return str(name.substr(0, at), ".experts.", known.rule);
    }
    return {};
  });
  return names;
}

// Where a dim of a tensor lies in what an expression makes of it.
struct Place {
  int rank = 0;  // of the tensor
  int dim = -1;  // in the weight; -1 = hidden
};

// `rank` = dims of what the expression gives; `dim` = of the tensor, negative from the end.
std::optional<Place> place_of(const WeightSource& source,
                              std::string_view tensor,
                              int rank,
                              int dim) {
  if (source.kind == WeightSource::Kind::kTensor) {
    if (source.tensor != tensor) return std::nullopt;
    const int own = dim < 0 ? rank + dim : dim;
    return Place{rank, own >= 0 && own < rank ? own : -1};
  }
  if (source.kind == WeightSource::Kind::kReshape) return std::nullopt;
  const bool keeps_rank = source.kind == WeightSource::Kind::kSlice ||
                          source.kind == WeightSource::Kind::kTranspose ||
                          source.kind == WeightSource::Kind::kConcat;
  // Anything else puts a new dim in front.
  for (const WeightSource& input : source.inputs) {
    std::optional<Place> place = place_of(input, tensor, keeps_rank ? rank : rank - 1, dim);
    if (!place) continue;
    if (place->dim >= 0 && !keeps_rank) ++place->dim;
    if (place->dim >= 0 && source.kind == WeightSource::Kind::kTranspose) {
      const auto& order = source.integers;
      place->dim =
          static_cast<int>(std::find(order.begin(), order.end(), place->dim) - order.begin());
    }
    return place;
  }
  return std::nullopt;
}

std::string spec_text(int rank, int cut) {
  std::string text;
  for (int dim = 0; dim < rank; ++dim) text += str(dim == 0 ? "[_" : ", _", dim == cut ? ":*" : "");
  return text.empty() ? "[]" : text + "]";
}

}  // namespace

std::string without_numbers(std::string_view name) {
  std::string text;
  while (true) {
    const size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    const bool is_number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    text += is_number ? "*" : std::string(part);
    if (dot == std::string_view::npos) return text;
    text += '.';
    name.remove_prefix(dot + 1);
  }
}

std::string_view parent_of(std::string_view name) {
  const size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

CheckpointModules::CheckpointModules(const ir::Graph& graph)
    : graph_(graph), consumers_(graph.consumers()) {
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const ir::Value& value = graph.values()[i];
    if (value.kind == ir::ValueKind::kWeight) {
      add_tensors(value.source, static_cast<ir::ValueId>(i));
    }
  }
}

void CheckpointModules::add_tensors(const WeightSource& source, ir::ValueId weight) {
  for (const WeightSource& input : source.inputs) add_tensors(input, weight);
  if (source.kind != WeightSource::Kind::kTensor) return;
  const auto [found, is_new] = index_.try_emplace(source.tensor, parameters_.size());
  if (is_new) parameters_.push_back({source.tensor, names_of(source.tensor), {}});
  std::vector<ir::ValueId>& weights = parameters_[found->second].weights;
  if (weights.empty() || weights.back() != weight) weights.push_back(weight);
}

std::optional<std::string> CheckpointModules::cut_spec(ir::ValueId weight,
                                                       std::string_view tensor,
                                                       int dim) const {
  const ir::Value& value = graph_.value(weight);
  const auto rank = static_cast<int>(value.type.dims.size());
  const auto place = place_of(value.source, tensor, rank, dim);
  if (!place) return std::nullopt;
  int cut = place->dim;
  if (place->rank == 2) cut = dim < 0 ? rank + dim : dim;
  if (cut < 0 || cut >= rank) return std::nullopt;
  return spec_text(rank, cut);
}

std::optional<int> CheckpointModules::rank_of(ir::ValueId weight, std::string_view tensor) const {
  const ir::Value& value = graph_.value(weight);
  const auto place = place_of(value.source, tensor, static_cast<int>(value.type.dims.size()), 0);
  if (!place) return std::nullopt;
  return place->rank;
}

std::string CheckpointModules::whole_spec(ir::ValueId value) const {
  return spec_text(static_cast<int>(graph_.value(value).type.dims.size()), -1);
}

}  // namespace partita::planner
