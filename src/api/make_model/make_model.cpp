// SPDX-License-Identifier: Apache-2.0
// The public make_model() and convert_model(): where the tensors come from.
#include "partita/make_model.h"

#include <algorithm>

#include "api/make_model/byte_tokenizer.h"
#include "api/make_model/random_tensors.h"
#include "api/make_model/write_model.h"
#include "formats/checkpoint.h"
#include "importer/check.h"
#include "ir/weight_type.h"
#include "models/family.h"
#include "models/rope_decoder.h"
#include "runtime/weight_loader.h"
#include "support/error.h"

namespace partita {
namespace {

namespace fs = std::filesystem;
using formats::HfConfig;

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, str("[make-model] ", problem));
}

void require_absent(const fs::path& out) {
  std::error_code ignored;
  if (fs::exists(out, ignored)) refuse(str(out.string(), " exists; name a new one or remove it"));
}

// Those that make_model() knows, or of these the ones with experts.
std::string known_families(bool with_experts = false) {
  std::string names;
  for (const models::Family* family : models::all_families()) {
    if (family->config_of == nullptr || (with_experts && !family->has_experts)) continue;
    names += str(names.empty() ? "" : ", ", family->name);
  }
  return names;
}

const models::Family& makeable_family(const std::string& name) {
  for (const models::Family* family : models::all_families()) {
    if (family->name == name && family->config_of != nullptr) return *family;
  }
  refuse(str("family \"", name, "\"; expected one of ", known_families()));
}

models::Shape checked_shape(const ModelShape& shape, bool has_experts) {
  models::Shape result{.hidden = shape.hidden,
                       .layers = shape.layers,
                       .heads = shape.heads,
                       .kv_heads = shape.kv_heads == 0 ? shape.heads : shape.kv_heads,
                       .head_dim = shape.head_dim,
                       .feed_forward = shape.feed_forward,
                       .vocab_size = shape.vocab_size,
                       .max_positions = shape.max_positions,
                       .tied = shape.tied,
                       .experts = shape.experts,
                       .experts_per_token = shape.experts_per_token};
  const auto check = [](const char* name, int64_t value, int64_t least, const char* other = "") {
    constexpr int64_t kMost = int64_t{1} << 24;  // far above any model; products stay below 2^63
    if (value < least || value > kMost) {
      refuse(str(name, " is ", value, "; expected ", least, " .. ", kMost, other));
    }
  };
  check("hidden", result.hidden, 1);
  check("layers", result.layers, 1);
  check("heads", result.heads, 1);
  check("kv-heads", result.kv_heads, 1, ", or 0 = as heads");
  check("vocab", result.vocab_size, api::kLeastByteVocabulary);
  check("context", result.max_positions, 1);
  if (result.feed_forward == 0) result.feed_forward = 4 * result.hidden;
  if (result.head_dim == 0) result.head_dim = result.hidden / result.heads;
  check("ffn", result.feed_forward, 1, ", or 0 = 4 * hidden");
  check("head-dim", result.head_dim, 1, ", or 0 = hidden / heads");
  if (!has_experts) {
    if (shape.experts == 0 && shape.experts_per_token == 0) return result;
    refuse(str("family \"", shape.family, "\" has no experts; leave experts out, or take one of ",
               known_families(true)));
  }
  if (result.experts == 0) result.experts = 8;
  if (result.experts_per_token == 0)
    result.experts_per_token = std::min<int64_t>(2, result.experts);
  check("experts", result.experts, 1, ", or 0 = 8");
  if (result.experts > models::kMaxExperts) {
    refuse(str("experts is ", result.experts, "; expected at most ", models::kMaxExperts));
  }
  if (result.experts_per_token < 1 || result.experts_per_token > result.experts) {
    refuse(str("experts-per-token is ", result.experts_per_token, "; expected 1 .. the ",
               result.experts, " experts"));
  }
  return result;
}

// The tensors of `checkpoint` that the model uses; one that is missing or of another shape throws.
importer::TensorShapes used_tensors(const models::Family& family,
                                    const HfConfig& config,
                                    const formats::Checkpoint& checkpoint) {
  models::BuildOptions options;
  options.has_tensor = [&](std::string_view name) { return checkpoint.has(name); };
  const ir::Graph graph = family.build(config, options).graph;
  importer::require_weights(graph, checkpoint);
  importer::TensorShapes shapes;
  for (const ir::Value& value : graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    for (const std::string& name : ir::tensors_of(value.source)) {
      shapes[name] = checkpoint.find(name).info->shape;
    }
  }
  return shapes;
}

}  // namespace

std::vector<std::string> makeable_families() {
  std::vector<std::string> names;
  for (const models::Family* family : models::all_families()) {
    if (family->config_of != nullptr) names.emplace_back(family->name);
  }
  return names;
}

int64_t make_model(const ModelShape& shape, const MakeModelOptions& options, const fs::path& out) {
  (void)api::matrix_dtype(options);
  require_absent(out);
  const models::Family& family = makeable_family(shape.family);
  Json config = family.config_of(checked_shape(shape, family.has_experts));
  config["torch_dtype"] = options.dtype == "f32"   ? "float32"
                          : options.dtype == "f16" ? "float16"
                                                   : "bfloat16";
  config["bos_token_id"] = config["eos_token_id"] = shape.vocab_size - 1;
  const HfConfig parsed(parse_json(config.dump(), "the shape"), "the shape");
  const api::SourceModel model{parsed, importer::tensor_shapes(family.build(parsed, {}).graph),
                               api::byte_tokenizer_json(shape.vocab_size), "the tokenizer"};
  const api::RandomTensors random(model.tensors, options.seed);
  const auto load = [&](const ir::WeightSource& source, const std::vector<int64_t>&, float* to) {
    random.load(source, to);
  };
  return options.format == "gguf" ? api::write_gguf(model, load, options, out)
                                  : api::write_hugging_face(model, config, load, options, out);
}

int64_t convert_model(const fs::path& from, const MakeModelOptions& options, const fs::path& out) {
  (void)api::matrix_dtype(options);
  if (options.format != "gguf") refuse("a checkpoint is written as gguf only; give format gguf");
  require_absent(out);
  const HfConfig config = HfConfig::read(from);
  const formats::Checkpoint checkpoint = formats::Checkpoint::open(from);
  const models::Family& family = models::find_family(config);
  api::SourceModel model{
      config, used_tensors(family, config, checkpoint), {}, (from / "tokenizer.json").string()};
  std::error_code ignored;
  if (fs::exists(model.tokenizer_what, ignored)) {
    model.tokenizer_json = read_text(model.tokenizer_what);
  }
  runtime::LoadScratch scratch;
  const auto load = [&](const ir::WeightSource& source, const std::vector<int64_t>& shape,
                        float* to) {
    ir::TensorType type{DType::kF32, {}};
    for (const int64_t size : shape) type.dims.emplace_back(size);
    runtime::load_weight(checkpoint, source, type, to, scratch);
  };
  return api::write_gguf(model, load, options, out);
}

}  // namespace partita
