// SPDX-License-Identifier: Apache-2.0
// The public Model: config, graph and tokenizer of a checkpoint directory.
#include "partita/model.h"

#include <algorithm>

#include "api/load_tokenizer.h"
#include "api/model_impl.h"
#include "api/partition_files.h"
#include "importer/check.h"
#include "ops/products.h"
#include "passes/near_f32_products.h"
#include "passes/pipeline.h"
#include "passes/quantize_weights.h"
#include "passes/with_cache_dtype.h"
#include "support/error.h"

namespace partita {
namespace {

// What LoadOptions::dtype asks for; nothing = as stored.
std::optional<DType> requested_dtype(const std::string& name) {
  if (name == "auto") return std::nullopt;
  const auto dtype = parse_dtype(name == "q8" || name == "q4" ? name + "_0" : name);
  if (dtype == DType::kF32 || dtype == DType::kBF16 || (dtype && is_block_type(*dtype))) {
    return dtype;
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[model] weights \"", name, "\"; expected auto, f32, bf16, q8 or q4"));
}

bool is_near_f32(const ir::Graph& graph) {
  return std::ranges::any_of(graph.nodes(), [](const ir::Node& node) {
    return ops::has_products(node.op) && ops::are_near_f32(node.attributes);
  });
}

void check_products(const std::string& name) {
  if (name == "auto" || name == "fast" || name == "near-f32") return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[model] products \"", name, "\"; expected auto, fast or near-f32"));
}

// What LoadOptions::kv_cache asks for; nothing = as the weights are.
std::optional<DType> requested_cache(const std::string& name) {
  if (name == "auto") return std::nullopt;
  if (name == "f32") return DType::kF32;
  if (name == "bf16") return DType::kBF16;
  if (name == "f16") return DType::kF16;
  throw Error(ErrorCode::kInvalidArgument,
              str("[model] KV cache \"", name, "\"; expected auto, f32, bf16 or f16"));
}

// Weights, products and caches of a partition are fixed by its program.
void load_parts(const LoadOptions& options, Model::Impl& impl) {
  const std::filesystem::path directory = impl.imported.directory;
  api::PartitionedModel parts = api::load_partition(directory);
  const importer::ImportedModel& model = parts.model;
  const std::optional<DType> wanted = requested_dtype(options.dtype);
  if (wanted && *wanted != model.info.weight_dtype) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[model] ", directory.string(), " was partitioned with ",
                    to_string(model.info.weight_dtype),
                    " weights; run it with --weights auto, or partition the checkpoint again"));
  }
  const char* const products = is_near_f32(model.graph) ? "near-f32" : "fast";
  if (options.products != "auto" && options.products != products) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[model] ", directory.string(), " was partitioned with ", products,
                    " products; run it with --products auto, or partition the checkpoint again"));
  }
  const std::string cache = plan::cache_dtype_of(model.graph);
  if (options.kv_cache != "auto" && options.kv_cache != cache) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[model] ", directory.string(), " was partitioned for a KV cache of ", cache,
                    "; run it with --kv-cache auto, or partition the checkpoint again"));
  }
  impl.imported = std::move(parts.model);
  impl.partition = std::move(parts.partition);
}

// Stores the large weights in blocks and says which ones cannot be.
void quantize(DType dtype, Model::Impl& impl) {
  const DType stored = impl.imported.info.weight_dtype;
  if (stored == dtype) return;
  if (is_block_type(stored)) {
    throw Error(ErrorCode::kUnsupported,
                str("[model] ", impl.imported.directory.string(), " holds ", to_string(stored),
                    " weights; to quantise them again would lose twice; use --weights auto"));
  }
  passes::QuantizedGraph result = passes::quantize_weights(impl.imported.graph, dtype);
  if (result.quantized == 0) {
    throw Error(
        ErrorCode::kUnsupported,
        str("[model] ", impl.imported.directory.string(), ": no weight can be ", to_string(dtype),
            ": ", block_elements(dtype), " divides the rows of none; use --weights bf16"));
  }
  if (!result.kept.empty()) {
    impl.notes += str("note: ", result.kept.size(), " of ",
                      result.quantized + static_cast<int64_t>(result.kept.size()),
                      " matrices stay bf16, because ", block_elements(dtype),
                      " does not divide their rows: ", result.kept.front(),
                      result.kept.size() > 1 ? ", ..." : "", "\n");
  }
  impl.imported.graph = std::move(result.graph);
  impl.imported.info.weight_dtype = dtype;
}

void take_activations_as_f32(Model::Impl& impl) {
  passes::NearF32Graph result = passes::near_f32_products(impl.imported.graph);
  if (result.products == 0) {
    impl.notes +=
        "note: near-f32 products change nothing, because no matrix and no cache is bf16\n";
  }
  impl.imported.graph = std::move(result.graph);
}

// Without a wish a cache rounds as much as the products beside it do anyway.
DType cache_dtype(const LoadOptions& options, const Model::Impl& impl) {
  if (const auto requested = requested_cache(options.kv_cache)) return *requested;
  const DType weights = impl.imported.info.weight_dtype;
  if (is_block_type(weights)) return DType::kF16;
  const bool rounds = weights == DType::kBF16 && options.products != "near-f32";
  return rounds ? DType::kBF16 : DType::kF32;
}

// Reads config and names. Every rank does it for itself and gets the same graph: passes are
// deterministic.
void import_checkpoint(const LoadOptions& options, Model::Impl& impl) {
  const std::optional<DType> wanted = requested_dtype(options.dtype);
  const bool is_quantized = wanted && is_block_type(*wanted);
  const std::optional<DType> imported_as = is_quantized ? std::nullopt : wanted;
  const std::filesystem::path directory = impl.imported.directory;
  impl.imported = importer::import_model(directory, {.weight_dtype = imported_as});
  impl.imported.graph = passes::run_standard_pipeline(impl.imported.graph).graph;
  impl.imported.directory = directory;
  if (is_quantized) quantize(*wanted, impl);
  impl.imported.graph = passes::with_cache_dtype(impl.imported.graph, cache_dtype(options, impl));
  if (options.products == "near-f32") take_activations_as_f32(impl);
}

}  // namespace

formats::Checkpoint Model::Impl::open_checkpoint() const {
  return partition ? api::open_partition(imported.directory, partition->manifest)
                   : formats::Checkpoint::open(imported.directory);
}

const text::Tokenizer& Model::Impl::require_tokenizer() const {
  if (tokenizer) return *tokenizer;
  throw Error(ErrorCode::kNotFound,
              str("[model] ", imported.directory.string(),
                  " has no tokenizer; copy tokenizer.json from the model's repository"));
}

std::shared_ptr<Model::Impl> Model::Impl::load(const std::filesystem::path& directory,
                                               const LoadOptions& options) {
  check_products(options.products);
  (void)requested_cache(options.kv_cache);
  auto impl = std::make_shared<Impl>();
  impl->imported.directory = directory;
  if (api::is_partition(directory)) {
    load_parts(options, *impl);
  } else {
    import_checkpoint(options, *impl);
  }
  impl->requested = options;
  impl->kv_cache = plan::cache_dtype_of(impl->imported.graph);
  impl->dtype = to_string(impl->imported.info.weight_dtype);
  return impl;
}

Model Model::load(const std::filesystem::path& directory, const LoadOptions& options) {
  std::shared_ptr<Impl> impl = Impl::load(directory, options);
  impl->tokenizer = api::load_tokenizer(directory);
  return Model(std::move(impl));
}

const std::string& Model::family() const { return impl_->imported.info.family; }
const std::string& Model::dtype() const { return impl_->dtype; }
const std::string& Model::kv_cache() const { return impl_->kv_cache; }
int64_t Model::vocab_size() const { return impl_->imported.info.vocab_size; }
int64_t Model::layers() const { return impl_->imported.info.layers; }
int64_t Model::max_positions() const { return impl_->imported.info.max_positions; }
const std::filesystem::path& Model::directory() const { return impl_->imported.directory; }
const std::string& Model::notes() const { return impl_->notes; }

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

// Of a partition every tensor: each rank runs with its own copy.
CheckReport check_checkpoint(const std::filesystem::path& directory) {
  importer::CheckReport found;
  if (api::is_partition(directory)) {
    const api::PartitionedModel parts = api::load_partition(directory);
    found = importer::check_weights(parts.model.graph,
                                    api::open_partition(directory, parts.partition.manifest),
                                    /*scans_all=*/true);
  } else {
    found = importer::check_model(directory);
  }
  CheckReport report{.tensors = found.tensors,
                     .bytes = found.tensor_bytes,
                     .errors = found.errors,
                     .notes = found.notes};
  return report;
}

}  // namespace partita
