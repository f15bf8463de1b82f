// SPDX-License-Identifier: Apache-2.0
// The public Model: config, graph and tokenizer of a checkpoint directory.
#include "partita/model.h"

#include "api/model_impl.h"
#include "api/partition_files.h"
#include "importer/check.h"
#include "passes/pipeline.h"
#include "support/error.h"

namespace partita {
namespace {

std::optional<DType> requested_dtype(const std::string& name) {
  if (name == "auto") return std::nullopt;
  const auto dtype = parse_dtype(name);
  if (dtype == DType::kF32 || dtype == DType::kBF16) return dtype;
  throw Error(ErrorCode::kInvalidArgument,
              str("[model] dtype \"", name, "\"; expected auto, f32 or bf16"));
}

// The weight type of a partition is fixed by its program.
importer::ImportedModel load_parts(const std::filesystem::path& directory,
                                   const LoadOptions& options) {
  importer::ImportedModel model = api::load_partition(directory).model;
  const std::optional<DType> wanted = requested_dtype(options.dtype);
  if (wanted && *wanted != model.info.weight_dtype) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[model] ", directory.string(), " was partitioned with ",
                    to_string(model.info.weight_dtype),
                    " weights; run it with --dtype auto, or partition the checkpoint again"));
  }
  return model;
}

}  // namespace

formats::Checkpoint Model::Impl::open_checkpoint() const {
  return is_partition ? api::open_partition(imported.directory)
                      : formats::Checkpoint::open(imported.directory);
}

const text::Tokenizer& Model::Impl::require_tokenizer() const {
  if (tokenizer) return *tokenizer;
  throw Error(ErrorCode::kNotFound,
              str("[model] ", (imported.directory / "tokenizer.json").string(),
                  " does not exist; copy it from the model's repository"));
}

Model Model::load(const std::filesystem::path& directory, const LoadOptions& options) {
  auto impl = std::make_shared<Impl>();
  impl->is_partition = api::is_partition(directory);
  impl->imported =
      impl->is_partition
          ? load_parts(directory, options)
          : importer::import_model(directory, {.weight_dtype = requested_dtype(options.dtype)});
  // Every rank loads the model for itself and gets the same graph: passes are deterministic.
  if (!impl->is_partition) {
    impl->imported.graph = passes::run_standard_pipeline(impl->imported.graph).graph;
  }
  impl->imported.directory = directory;
  impl->dtype = to_string(impl->imported.info.weight_dtype);
  std::error_code ignored;
  if (std::filesystem::exists(directory / "tokenizer.json", ignored)) {
    impl->tokenizer = text::Tokenizer::load(directory / "tokenizer.json");
  }
  return Model(std::move(impl));
}

const std::string& Model::family() const { return impl_->imported.info.family; }
const std::string& Model::dtype() const { return impl_->dtype; }
int64_t Model::vocab_size() const { return impl_->imported.info.vocab_size; }
int64_t Model::layers() const { return impl_->imported.info.layers; }
int64_t Model::max_positions() const { return impl_->imported.info.max_positions; }
const std::filesystem::path& Model::directory() const { return impl_->imported.directory; }

int64_t Model::weight_bytes() const {
  int64_t bytes = 0;
  for (const ir::Value& value : impl_->imported.graph.values()) {
    if (value.kind == ir::ValueKind::kWeight) bytes += value.type.bytes();
  }
  return bytes;
}

std::vector<int32_t> Model::encode(std::string_view text) const {
  return impl_->require_tokenizer().encode(text);
}

std::string Model::decode(std::span<const int32_t> tokens) const {
  return impl_->require_tokenizer().decode(tokens, /*skip_special_tokens=*/true);
}

std::string Model::dump_graph() const { return ir::print_graph(impl_->imported.graph); }

CheckReport check_checkpoint(const std::filesystem::path& directory) {
  const importer::CheckReport found = importer::check_model(directory);
  CheckReport report{.tensors = found.tensors,
                     .bytes = found.tensor_bytes,
                     .errors = found.errors,
                     .notes = found.notes};
  return report;
}

}  // namespace partita
