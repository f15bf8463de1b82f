// SPDX-License-Identifier: Apache-2.0
// Checks of checkpoints.
#include "importer/check.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ir/weight_type.h"
#include "support/error.h"

namespace partita::importer {
namespace {

constexpr int64_t kChunkBytes = int64_t{4} << 20;  // read at once; large enough for full disk speed

ir::TensorType type_of_place(const formats::TensorPlace& place) {
  ir::TensorType type{place.info->dtype, {}};
  for (const int64_t size : place.info->shape) type.dims.emplace_back(size);
  return type;
}

// "model.norm.weight f32[48] (model.safetensors)" for each tensor of the source.
std::string describe(const ir::WeightSource& source, const formats::Checkpoint& checkpoint) {
  std::string text;
  for (const std::string& name : ir::tensors_of(source)) {
    if (!text.empty()) text += ", ";
    text += name;
    if (!checkpoint.has(name)) continue;
    const formats::TensorPlace place = checkpoint.find(name);
    text += str(" ", ir::to_string(type_of_place(place)), " (", place.file->path().string(), ")");
  }
  return text;
}

std::string shape_text(const ir::TensorType& type) {
  const std::string text = ir::to_string(type);
  return text.substr(text.find('['));
}

// Empty when the checkpoint gives the weight.
std::string weight_error(const ir::Value& weight, const formats::Checkpoint& checkpoint) {
  const std::string who =
      str("weight ", weight.name, " from ", describe(weight.source, checkpoint), ": ");
  try {
    const ir::TensorType type = ir::type_of(weight.source, [&](const std::string& name) {
      return type_of_place(checkpoint.find(name));
    });
    if (type.dims == weight.type.dims) return {};
    return who +
           str("gives shape ", shape_text(type), "; the config needs ", shape_text(weight.type));
  } catch (const Error& error) {
    return who + error.what();
  }
}

bool is_float(DType dtype) {
  return dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF32 ||
         dtype == DType::kF64 || is_block_type(dtype);
}

struct NonFinite {
  int64_t nan = 0;
  int64_t infinite = 0;
  int64_t first = -1;  // element number of the first one
};

void count_non_finite(std::span<const float> values, int64_t start, NonFinite& found) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    ++(std::isnan(values[i]) ? found.nan : found.infinite);
    if (found.first < 0) found.first = start + static_cast<int64_t>(i);
  }
}

NonFinite scan(const formats::TensorPlace& place, const std::function<void(int64_t)>& add_bytes) {
  const DType dtype = place.info->dtype;
  const int64_t chunk_bytes = kChunkBytes / block_bytes(dtype) * block_bytes(dtype);
  const auto elements_in = [dtype](int64_t bytes) {
    return bytes / block_bytes(dtype) * block_elements(dtype);
  };
  std::vector<std::byte> raw(static_cast<size_t>(std::min(chunk_bytes, place.info->bytes.size())));
  std::vector<float> values(static_cast<size_t>(elements_in(static_cast<int64_t>(raw.size()))));
  NonFinite found;
  for (int64_t at = 0; at < place.info->bytes.size(); at += chunk_bytes) {
    const int64_t bytes = std::min(chunk_bytes, place.info->bytes.size() - at);
    const int64_t count = elements_in(bytes);
    place.file->read(place.info->bytes.begin + at,
                     std::span(raw).first(static_cast<size_t>(bytes)));
    convert_to_f32(dtype, raw.data(), values.data(), count);
    count_non_finite(std::span(values).first(static_cast<size_t>(count)), elements_in(at), found);
    add_bytes(bytes);
  }
  return found;
}

std::set<std::string> used_tensors(const ir::Graph& graph) {
  std::set<std::string> names;
  for (const ir::Value& value : graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    for (const std::string& name : ir::tensors_of(value.source)) names.insert(name);
  }
  return names;
}

void scan_tensors(const formats::Checkpoint& checkpoint,
                  const std::set<std::string>& names,
                  const CheckProgress& progress,
                  CheckReport& report) {
  std::vector<formats::TensorPlace> places;
  int64_t total = 0;
  for (const std::string& name : names) {
    if (!checkpoint.has(name)) continue;  // a finding of weight_errors() already
    places.push_back(checkpoint.find(name));
    total += places.back().info->bytes.size();
  }
  const auto add_bytes = [&](int64_t bytes) {
    report.scanned_bytes += bytes;
    if (progress) progress(report.scanned_bytes, total);
  };
  for (const formats::TensorPlace& place : places) {
    const std::string who = str(place.file->path().string(), ": tensor ", place.info->name, ": ");
    if (!is_float(place.info->dtype)) {
      report.errors.push_back(who + str("dtype ", to_string(place.info->dtype),
                                        " cannot be a weight; expected f16, bf16, f32 or f64"));
      continue;
    }
    const NonFinite found = scan(place, add_bytes);
    if (found.first < 0) continue;
    report.errors.push_back(who + str(found.nan, " NaN and ", found.infinite,
                                      " infinite values, first at element ", found.first,
                                      "; every weight must be finite"));
  }
}

void note_unused(const formats::Checkpoint& checkpoint,
                 const std::set<std::string>& used,
                 CheckReport& report) {
  for (const std::string& name : checkpoint.names()) {
    if (!used.contains(name)) report.notes.push_back(str("tensor ", name, " is not used"));
  }
  for (const std::string& name : checkpoint.unindexed()) {
    report.notes.push_back(str("tensor ", name, " is in the file but not in the index"));
  }
}

}  // namespace

std::vector<std::string> weight_errors(const ir::Graph& graph,
                                       const formats::Checkpoint& checkpoint) {
  std::vector<std::string> errors;
  for (const ir::Value& value : graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    if (std::string error = weight_error(value, checkpoint); !error.empty()) {
      errors.push_back(std::move(error));
    }
  }
  return errors;
}

void require_weights(const ir::Graph& graph, const formats::Checkpoint& checkpoint) {
  const std::vector<std::string> errors = weight_errors(graph, checkpoint);
  if (errors.empty()) return;
  throw Error(ErrorCode::kInvalidFile,
              str("[importer] ", errors.front(),
                  errors.size() > 1 ? str(" (and ", errors.size() - 1, " more)") : "",
                  "; run partita check for the whole list"));
}

CheckReport check_weights(const ir::Graph& graph,
                          const formats::Checkpoint& checkpoint,
                          bool scans_all,
                          const CheckProgress& progress) {
  CheckReport report;
  report.files = static_cast<int64_t>(checkpoint.files().size());
  std::set<std::string> scanned = used_tensors(graph);
  for (const std::string& name : checkpoint.names()) {
    ++report.tensors;
    report.tensor_bytes += checkpoint.find(name).info->bytes.size();
    if (scans_all) scanned.insert(name);
  }
  for (const ir::Value& value : graph.values()) {
    if (value.kind == ir::ValueKind::kWeight) ++report.weights;
  }
  report.errors = weight_errors(graph, checkpoint);
  note_unused(checkpoint, scanned, report);
  scan_tensors(checkpoint, scanned, progress, report);
  return report;
}

CheckReport check_model(const std::filesystem::path& directory, const CheckProgress& progress) {
  const ImportedModel model = import_model(directory);
  CheckReport report =
      check_weights(model.graph, formats::Checkpoint::open(directory), false, progress);
  report.family = model.info.family;
  return report;
}

}  // namespace partita::importer
