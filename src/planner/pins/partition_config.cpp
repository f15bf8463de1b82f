// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/partition_config.h"

#include <algorithm>

#include "support/checked_math.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using plan::KeyedObject;

constexpr size_t kMaxPatternLength = 1000;  // std::regex recurses
constexpr int64_t kRest = -1;
constexpr int64_t kMaxSize = int64_t{1} << 50;  // of a tensor; sums of parts stay in range

std::vector<std::string> patterns_of(const KeyedObject& json) {
  std::vector<std::string> patterns = json.texts("patterns");
  if (patterns.empty()) json.refuse("patterns", "is empty; expected regular expressions");
  return patterns;
}

std::regex compiled(const KeyedObject& json, const std::string& pattern) {
  if (pattern.size() > kMaxPatternLength) json.refuse("patterns", "holds one of over 1000 letters");
  try {
    return std::regex(pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    json.refuse("patterns", str("holds \"", pattern, "\", no regular expression: ", error.what()));
  }
}

PartitionType type_of(const KeyedObject& json) {
  const std::string text = json.text("partition_type");
  if (text == "row") return PartitionType::kRow;
  if (text == "column") return PartitionType::kColumn;
  if (text == "skip") return PartitionType::kSkip;
  json.refuse("partition_type", str("is \"", text, "\"; expected row, column or skip"));
}

bool flag_or(const KeyedObject& json, const Json& object, const char* key, bool fallback) {
  if (!json.has(key)) return fallback;
  if (!object.at(key).is_boolean()) json.refuse(key, "must be true or false");
  return object.at(key).get<bool>();
}

bool is_size(const Json& json) { return json.is_number_integer() && json.get<int64_t>() >= 1; }

ShapeDim shape_dim(const KeyedObject& json, const Json& dim) {
  if (dim.is_array()) {
    ShapeDim fused = {{}, true};
    for (const Json& part : dim) {
      if (!is_size(part)) json.refuse("shape", "has fused parts that are no sizes >= 1");
      fused.sizes.push_back(part.get<int64_t>());
    }
    if (fused.sizes.empty()) json.refuse("shape", "has an empty list of fused parts");
    return fused;
  }
  if (dim == kRest || is_size(dim)) return {{dim.get<int64_t>()}, false};
  json.refuse("shape", str("holds ", dim.dump().substr(0, 40),
                           "; expected sizes >= 1, one -1, or one list of fused parts"));
}

void read_shape(const KeyedObject& json, LayerSpec& spec) {
  if (json.has("partition_dim")) {
    spec.partition_dim = static_cast<int>(json.integer("partition_dim", {0, 8}));
  }
  if (!json.has("shape")) return;
  for (const Json& dim : json.array("shape")) spec.shape.push_back(shape_dim(json, dim));
  if (spec.shape.empty()) json.refuse("shape", "is empty");
  const auto rests = std::count_if(spec.shape.begin(), spec.shape.end(), [](const ShapeDim& dim) {
    return !dim.is_fused && dim.sizes[0] == kRest;
  });
  if (rests > 1) json.refuse("shape", "has more than one -1");
  const auto cut = static_cast<size_t>(spec.partition_dim.value_or(0));
  if (cut >= spec.shape.size()) {
    json.refuse("partition_dim", str("is ", cut, "; the shape has ", spec.shape.size(), " dims"));
  }
  for (size_t i = 0; i < spec.shape.size(); ++i) {
    if (spec.shape[i].is_fused && i != cut) {
      json.refuse("shape",
                  str("has fused parts at dim ", i, "; they must be at partition_dim, ", cut));
    }
  }
}

}  // namespace

bool LayerSpec::matches(const std::string& tensor, std::string_view model_type) const {
  const bool is_meant = model_types.empty() || std::find(model_types.begin(), model_types.end(),
                                                         model_type) != model_types.end();
  return is_meant && std::any_of(compiled.begin(), compiled.end(), [&](const std::regex& pattern) {
           return std::regex_search(tensor, pattern, std::regex_constants::match_continuous);
         });
}

LayerSpec layer_spec_from_json(const Json& json, const std::string& place) {
  const KeyedObject keys(json, place,
                         {"patterns", "partition_type", "shape", "partition_dim", "model_types",
                          "gather_output", "grad_allreduce"},
                         kAutoTpFile);
  LayerSpec spec;
  spec.patterns = patterns_of(keys);
  for (const std::string& pattern : spec.patterns) spec.compiled.push_back(compiled(keys, pattern));
  spec.type = type_of(keys);
  read_shape(keys, spec);
  if (keys.has("model_types")) spec.model_types = keys.texts("model_types");
  spec.gathers_output = flag_or(keys, json, "gather_output", false);
  (void)flag_or(keys, json, "grad_allreduce", false);  // training only
  spec.source = "partition_config: " + place;
  return spec;
}

PartitionConfig partition_config_from_json(const Json& json, const std::string& place) {
  const KeyedObject keys(json, place, {"use_default_specs", "strict_mode", "layer_specs"},
                         kAutoTpFile);
  PartitionConfig config;
  config.use_default_specs = flag_or(keys, json, "use_default_specs", true);
  config.strict = flag_or(keys, json, "strict_mode", false);
  if (!keys.has("layer_specs")) return config;
  for (const Json& item : keys.array("layer_specs")) {
    config.specs.push_back(
        layer_spec_from_json(item, str(place, ".layer_specs[", config.specs.size(), "]")));
  }
  return config;
}

void check_shape(const LayerSpec& spec, std::string_view tensor, int64_t elements) {
  if (spec.shape.empty()) return;
  std::vector<int64_t> sizes;
  bool has_rest = false;
  for (const ShapeDim& dim : spec.shape) {
    if (dim.sizes[0] == kRest) {
      has_rest = true;
    } else {
      int64_t size = 0;
      for (const int64_t part : dim.sizes) size += std::min(part, kMaxSize);
      sizes.push_back(size);
    }
  }
  const int64_t product = checked_product(sizes).value_or(kMaxSize);
  if (has_rest ? elements % product == 0 : elements == product) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[autotp] ", spec.source, ": tensor ", tensor, " has ", elements,
                  " elements; the shape given for it ", has_rest ? "makes multiples of " : "makes ",
                  product));
}

}  // namespace partita::planner
