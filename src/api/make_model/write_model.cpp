// SPDX-License-Identifier: Apache-2.0
// Puts config, tokenizer and tensors into files.
#include "api/make_model/write_model.h"

#include <unistd.h>

#include "api/gguf_tokenizer.h"
#include "formats/gguf/writer.h"
#include "formats/safetensors_writer.h"
#include "importer/gguf/export.h"
#include "support/error.h"
#include "support/text_file.h"
#include "support/units.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;
using formats::HfConfig;
using formats::TensorDeclaration;

[[noreturn]] void refuse(const std::string& problem) {
  throw Error(ErrorCode::kInvalidArgument, str("[make-model] ", problem));
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

// A disk that fills up after an hour of writing is seen before the first byte.
void require_space(const fs::path& out, int64_t bytes) {
  std::error_code failure;
  const fs::path folder = fs::absolute(out, failure).parent_path();
  const fs::space_info space = fs::space(folder, failure);
  if (failure) return;  // the writer says what is wrong with the folder
  if (static_cast<uint64_t>(bytes) <= space.available) return;
  throw Error(ErrorCode::kSystem,
              str("[make-model] ", out.string(), " needs ", format_bytes(bytes), ", and ",
                  folder.string(), " has ", format_bytes(static_cast<int64_t>(space.available)),
                  " free; make room or choose another place or smaller sizes"));
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

}  // namespace

DType matrix_dtype(const MakeModelOptions& options) {
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

int64_t write_gguf(const SourceModel& model,
                   const LoadRows& load,
                   const MakeModelOptions& options,
                   const fs::path& out) {
  const DType dtype = matrix_dtype(options);
  importer::GgufExport exported = importer::export_to_gguf(model.config, model.tensors);
  exported.metadata["general.name"] = formats::GgufValue::text(out.stem().string());
  exported.metadata["general.file_type"] = formats::GgufValue::u32(file_type_of(dtype));
  add_gguf_vocabulary(vocabulary_of(model), exported.metadata);
  std::vector<OutputTensor> tensors;
  for (importer::GgufTensor& tensor : exported.tensors) {
    const bool is_f32 = tensor.shape.size() < 2 || (tensor.stays_plain && is_block_type(dtype));
    const DType own = is_f32 ? DType::kF32 : dtype;
    tensors.push_back({tensor.name, own, std::move(tensor.shape), std::move(tensor.source)});
  }
  check_blocks(tensors);
  require_space(out, bytes_of(tensors));
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
  write_tensors(
      tensors, load, [&](std::span<const std::byte> bytes) { writer.append(bytes); },
      options.on_progress);
  writer.finish();
  return bytes_of(tensors);
}

int64_t write_hugging_face(const SourceModel& model,
                           const Json& config,
                           const LoadRows& load,
                           const MakeModelOptions& options,
                           const fs::path& out) {
  std::vector<OutputTensor> tensors;
  for (const auto& [name, shape] : model.tensors) {
    tensors.push_back({name, matrix_dtype(options), shape, ir::WeightSource::from_tensor(name)});
  }
  require_space(out, bytes_of(tensors));
  NewFolder folder(out);
  formats::SafetensorsWriter writer(folder.path() / "model.safetensors", declarations(tensors),
                                    {{"format", "pt"}});
  write_tensors(
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
  return bytes_of(tensors);
}

}  // namespace partita::api
