// SPDX-License-Identifier: Apache-2.0
// The public make_model() and convert_model(): what is written, and where it comes from.
#include "partita/make_model.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "api/gguf_tokenizer.h"
#include "api/make_model/byte_tokenizer.h"
#include "api/make_model/random_tensors.h"
#include "api/make_model/write_tensors.h"
#include "formats/checkpoint.h"
#include "formats/gguf/writer.h"
#include "formats/safetensors_writer.h"
#include "importer/gguf/export.h"
#include "models/family.h"
#include "runtime/weight_loader.h"
#include "support/error.h"
#include "support/json.h"

namespace partita {
namespace {

namespace fs = std::filesystem;
using api::OutputTensor;
using formats::HfConfig;
using formats::TensorDeclaration;

// A model before it is written: everything but the values.
struct SourceModel {
  HfConfig config;
  importer::TensorShapes tensors;
  std::string tokenizer_json;  // empty when there is none
  std::string tokenizer_what;
};

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, str("[make-model] ", problem));
}

DType dtype_of(const MakeModelOptions& options) {
  const bool is_gguf = options.format == "gguf";
  if (!is_gguf && options.format != "hf") {
    refuse(str("format \"", options.format, "\"; expected hf or gguf"));
  }
  const auto dtype = parse_dtype(options.dtype);
  const bool is_float = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
  if (is_float || (dtype && is_gguf && is_block_type(*dtype))) return *dtype;
  refuse(str("dtype \"", options.dtype, "\" in format ", options.format, "; expected ",
             is_gguf ? "f32, f16, bf16, q8_0 or q4_0" : "f32, f16 or bf16"));
}

void require_absent(const fs::path& out) {
  std::error_code ignored;
  if (fs::exists(out, ignored)) refuse(str(out.string(), " exists; name a new one or remove it"));
}

std::vector<TensorDeclaration> declarations(const std::vector<OutputTensor>& tensors) {
  std::vector<TensorDeclaration> declared;
  for (const OutputTensor& tensor : tensors) {
    declared.push_back({tensor.name, tensor.dtype, tensor.shape});
  }
  return declared;
}

void check_blocks(const std::vector<OutputTensor>& tensors) {
  for (const OutputTensor& tensor : tensors) {
    const int64_t block = block_elements(tensor.dtype);
    if (tensor.shape.back() % block == 0) continue;
    refuse(str("tensor ", tensor.name, " has rows of ", tensor.shape.back(), "; ",
               to_string(tensor.dtype), " needs multiples of ", block,
               "; choose other sizes or another dtype"));
  }
}

// Numbers of the key general.file_type.
uint32_t file_type_of(DType dtype) {
  switch (dtype) {
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ8_0:
      return 7;
    case DType::kBF16:
      return 32;
    default:
      return 0;
  }
}

// Special tokens that config.json names and the tokenizer does not add by itself.
void add_special_tokens(const HfConfig& config, text::GgufVocabulary& vocabulary) {
  const auto first = [&](const char* key) -> std::optional<int64_t> {
    const std::vector<int32_t> ids = config.token_ids(key);
    return ids.empty() ? std::nullopt : std::optional<int64_t>(ids.front());
  };
  if (!vocabulary.bos) vocabulary.bos = first("bos_token_id");
  if (!vocabulary.eos) vocabulary.eos = first("eos_token_id");
}

text::GgufVocabulary vocabulary_of(const SourceModel& model) {
  text::GgufVocabulary vocabulary;
  vocabulary.model = "none";
  if (!model.tokenizer_json.empty()) {
    vocabulary = text::gguf_vocabulary_of(model.tokenizer_json, model.config.size({"vocab_size"}),
                                          model.tokenizer_what);
  }
  add_special_tokens(model.config, vocabulary);
  return vocabulary;
}

int64_t write_gguf(const SourceModel& model,
                   const api::LoadRows& load,
                   const MakeModelOptions& options,
                   const fs::path& out) {
  const DType dtype = dtype_of(options);
  importer::GgufExport exported = importer::export_to_gguf(model.config, model.tensors);
  exported.metadata["general.name"] = formats::GgufValue::text(out.stem().string());
  exported.metadata["general.file_type"] = formats::GgufValue::u32(file_type_of(dtype));
  api::add_gguf_vocabulary(vocabulary_of(model), exported.metadata);
  std::vector<OutputTensor> tensors;
  for (importer::GgufTensor& tensor : exported.tensors) {
    const DType own = tensor.shape.size() > 1 ? dtype : DType::kF32;
    tensors.push_back({tensor.name, own, std::move(tensor.shape), std::move(tensor.source)});
  }
  check_blocks(tensors);
  std::vector<TensorDeclaration> declared;
  for (const importer::GgufConstant& constant : exported.constants) {
    declared.push_back(
        {constant.name, DType::kF32, {static_cast<int64_t>(constant.values.size())}});
  }
  for (TensorDeclaration& tensor : declarations(tensors)) declared.push_back(std::move(tensor));
  formats::GgufWriter writer(out, exported.metadata, declared);
  for (const importer::GgufConstant& constant : exported.constants) {
    writer.append(std::as_bytes(std::span(constant.values)));
  }
  api::write_tensors(
      tensors, load, [&](std::span<const std::byte> bytes) { writer.append(bytes); },
      options.on_progress);
  writer.finish();
  return api::bytes_of(tensors);
}

void write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw Error(ErrorCode::kSystem, str("[make-model] cannot write ", path.string()));
}

// A folder that gets its name when it is complete, and goes away otherwise.
class NewFolder {
 public:
  explicit NewFolder(fs::path path)
      : path_(std::move(path)), temporary_(path_.string() + str(".", getpid(), ".tmp")) {
    std::error_code error;
    if (!fs::create_directory(temporary_, error)) {
      throw Error(ErrorCode::kSystem, str("[make-model] cannot create ", temporary_.string(), ": ",
                                          error ? error.message() : "it exists"));
    }
  }
  ~NewFolder() {
    std::error_code ignored;
    fs::remove_all(temporary_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  [[nodiscard]] const fs::path& path() const { return temporary_; }

  void finish() {
    std::error_code error;
    fs::rename(temporary_, path_, error);
    if (error) {
      throw Error(ErrorCode::kSystem,
                  str("[make-model] cannot rename to ", path_.string(), ": ", error.message()));
    }
  }

 private:
  fs::path path_;
  fs::path temporary_;
};

int64_t write_hugging_face(const SourceModel& model,
                           const Json& config,
                           const api::LoadRows& load,
                           const MakeModelOptions& options,
                           const fs::path& out) {
  std::vector<OutputTensor> tensors;
  for (const auto& [name, shape] : model.tensors) {
    tensors.push_back({name, dtype_of(options), shape, ir::WeightSource::from_tensor(name)});
  }
  NewFolder folder(out);
  formats::SafetensorsWriter writer(folder.path() / "model.safetensors", declarations(tensors),
                                    {{"format", "pt"}});
  api::write_tensors(
      tensors, load, [&](std::span<const std::byte> bytes) { writer.append(bytes); },
      options.on_progress);
  writer.finish();
  write_text(folder.path() / "tokenizer.json", model.tokenizer_json);
  write_json(folder.path() / "tokenizer_config.json",
             {{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"bos_token", "<|endoftext|>"},
              {"eos_token", "<|endoftext|>"},
              {"clean_up_tokenization_spaces", false}});
  write_json(folder.path() / "config.json", config);
  folder.finish();
  return api::bytes_of(tensors);
}

std::string known_families() {
  std::string names;
  for (const std::string& name : makeable_families()) names += str(names.empty() ? "" : ", ", name);
  return names;
}

const models::Family& makeable_family(const std::string& name) {
  for (const models::Family* family : models::all_families()) {
    if (family->name == name && family->config_of != nullptr) return *family;
  }
  refuse(str("family \"", name, "\"; expected one of ", known_families()));
}

models::Shape checked_shape(const ModelShape& shape) {
  models::Shape result{.hidden = shape.hidden,
                       .layers = shape.layers,
                       .heads = shape.heads,
                       .kv_heads = shape.kv_heads == 0 ? shape.heads : shape.kv_heads,
                       .head_dim = shape.head_dim,
                       .feed_forward = shape.feed_forward,
                       .vocab_size = shape.vocab_size,
                       .max_positions = shape.max_positions,
                       .tied = shape.tied};
  const auto check = [](const char* name, int64_t value, int64_t least) {
    constexpr int64_t kMost = int64_t{1} << 24;  // far above any model; products stay below 2^63
    if (value < least || value > kMost) {
      refuse(str(name, " is ", value, "; expected ", least, " .. ", kMost));
    }
  };
  check("hidden", result.hidden, 1);
  check("layers", result.layers, 1);
  check("heads", result.heads, 1);
  check("kv-heads", result.kv_heads, 1);
  check("vocab", result.vocab_size, api::kLeastByteVocabulary);
  check("context", result.max_positions, 1);
  if (result.feed_forward == 0) result.feed_forward = 4 * result.hidden;
  if (result.head_dim == 0) result.head_dim = result.hidden / result.heads;
  check("ffn", result.feed_forward, 1);
  check("head-dim", result.head_dim, 1);
  return result;
}

importer::TensorShapes tensors_of(const models::Family& family,
                                  const HfConfig& config,
                                  const models::BuildOptions& options) {
  return importer::tensor_shapes(family.build(config, options).graph);
}

}  // namespace

std::vector<std::string> makeable_families() {
  std::vector<std::string> names;
  for (const models::Family* family : models::all_families()) {
    if (family->config_of != nullptr) names.emplace_back(family->name);
  }
  return names;
}

int64_t make_model(const std::string& family_name,
                   const ModelShape& shape,
                   const MakeModelOptions& options,
                   const fs::path& out) {
  (void)dtype_of(options);
  require_absent(out);
  const models::Family& family = makeable_family(family_name);
  Json config = family.config_of(checked_shape(shape));
  config["torch_dtype"] = options.dtype == "f32"   ? "float32"
                          : options.dtype == "f16" ? "float16"
                                                   : "bfloat16";
  config["bos_token_id"] = config["eos_token_id"] = shape.vocab_size - 1;
  const HfConfig parsed(parse_json(config.dump(), "the shape"), "the shape");
  const SourceModel model{parsed, tensors_of(family, parsed, {}),
                          api::byte_tokenizer_json(shape.vocab_size), "the tokenizer"};
  const api::RandomTensors random(model.tensors, options.seed);
  const auto load = [&](const ir::WeightSource& source, const std::vector<int64_t>&, float* to) {
    random.load(source, to);
  };
  return options.format == "gguf" ? write_gguf(model, load, options, out)
                                  : write_hugging_face(model, config, load, options, out);
}

int64_t convert_model(const fs::path& from, const MakeModelOptions& options, const fs::path& out) {
  (void)dtype_of(options);
  if (options.format != "gguf") refuse("a checkpoint is written as gguf only; give format gguf");
  require_absent(out);
  const formats::Checkpoint checkpoint = formats::Checkpoint::open(from);
  const HfConfig config = HfConfig::read(from);
  const models::Family& family = models::find_family(config);
  SourceModel model{
      config,
      tensors_of(family, config,
                 {.weight_dtype = DType::kF32,
                  .has_tensor = [&](std::string_view name) { return checkpoint.has(name); }}),
      {},
      (from / "tokenizer.json").string()};
  std::error_code ignored;
  if (fs::exists(model.tokenizer_what, ignored)) {
    model.tokenizer_json = read_text(model.tokenizer_what);
  }
  const auto load = [&](const ir::WeightSource& source, const std::vector<int64_t>& shape,
                        float* to) {
    ir::TensorType type{DType::kF32, {}};
    for (const int64_t size : shape) type.dims.emplace_back(size);
    runtime::load_weight(checkpoint, source, type, to);
  };
  return write_gguf(model, load, options, out);
}

}  // namespace partita
