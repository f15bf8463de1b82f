// SPDX-License-Identifier: Apache-2.0
// Writes and reads folders of parts.
#include "api/partition_files.h"

#include <array>
#include <functional>
#include <map>
#include <utility>

#include "api/load_tokenizer.h"
#include "api/partition_manifest.h"
#include "api/rebuilt_weight.h"
#include "api/step_binding.h"
#include "formats/gguf/file.h"
#include "formats/safetensors_writer.h"
#include "ir/with_weights.h"
#include "ops/op.h"
#include "runtime/checkpoint_reader.h"
#include "support/error.h"
#include "support/json.h"
#include "support/text_file.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;

// Files that belong to the model but not to its weights.
constexpr std::array kCopiedFiles = {"config.json", "generation_config.json", "tokenizer.json",
                                     "tokenizer_config.json"};

// True when it was not there before.
bool make_empty_folder(const fs::path& folder) {
  std::error_code error;
  const bool is_new = fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder)) {
    throw Error(ErrorCode::kSystem,
                str("[partition] cannot create ", folder.string(), ": ", error.message()));
  }
  if (!fs::is_empty(folder, error)) {
    throw Error(ErrorCode::kInvalidArgument, str("[partition] ", folder.string(),
                                                 " is not empty; expected a new or empty folder"));
  }
  return is_new;
}

// Empties the folder of an attempt that failed, so that the next one is not refused.
void remove_parts(const fs::path& folder, bool also_itself) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    fs::remove_all(entry.path(), ignored);
  }
  if (also_itself) fs::remove(folder, ignored);
}

void copy_model_files(const fs::path& from, const fs::path& to) {
  for (const char* name : kCopiedFiles) {
    std::error_code error;
    if (!fs::exists(from / name, error)) continue;
    fs::copy_file(from / name, to / name, error);
    if (error)
      throw Error(ErrorCode::kSystem, str("[partition] cannot copy ", name, ": ", error.message()));
  }
  if (const auto gguf = formats::find_gguf(from)) write_tokenizer_gguf(*gguf, to);
}

// The same graph with other weight sources.
template <typename NewSource>
ir::Graph with_sources(const ir::Graph& graph, const NewSource& source_of) {
  return ir::with_weights(graph, [&](const ir::Value& weight) {
    return ir::NewWeight{weight.type, source_of(weight)};
  });
}

int64_t weight_bytes(const ir::Graph& program) {
  int64_t bytes = 0;
  for (const ir::Value& value : program.values()) {
    if (value.kind == ir::ValueKind::kWeight) bytes += value.type.bytes();
  }
  return bytes;
}

// `on_bytes` is told of every weight that is written.
void write_rank(const ir::Graph& program,
                const formats::Checkpoint& checkpoint,
                const fs::path& path,
                const std::function<void(int64_t)>& on_bytes) {
  std::vector<formats::TensorDeclaration> tensors;
  for (const ir::Value& value : program.values()) {
    if (value.kind == ir::ValueKind::kWeight) {
      tensors.push_back({value.name, value.type.dtype, value.type.shape()});
    }
  }
  formats::SafetensorsWriter writer(path, tensors, {{"format", "pt"}});
  const runtime::WeightReader read_weight = runtime::read_from(checkpoint);
  for (const ir::Value& value : program.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(value.type.bytes()));
    read_weight(value, bytes.data());
    writer.append(bytes);
    on_bytes(value.type.bytes());
  }
  writer.finish();
}

// Weights of a part have their own names in its file.
ir::Graph over_own_file(const ir::Graph& program) {
  return with_sources(
      program, [](const ir::Value& weight) { return ir::WeightSource::from_tensor(weight.name); });
}

std::string stem_of(int rank) { return fs::path(part_name(rank)).stem().string(); }

// Pieces of every weight, from the ranks of the first stage that holds it: those lie on one grid.
std::map<std::string, std::vector<StoredPiece>> stored_pieces(const PartitionManifest& manifest) {
  std::map<std::string, std::vector<StoredPiece>> pieces;
  std::map<std::string, int> stages;
  for (size_t rank = 0; rank < manifest.ranks.size(); ++rank) {
    const RankEntry& entry = manifest.ranks[rank];
    for (const partition::WeightPiece& weight : entry.weights) {
      const int stage = stages.emplace(weight.name, entry.stage).first->second;
      if (stage != entry.stage) continue;
      pieces[weight.name].push_back(
          {str(stem_of(static_cast<int>(rank)), "/", weight.name), weight.ranges});
    }
  }
  return pieces;
}

// The uncut program over the parts. A weight that no rank holds is one that no node reads.
ir::Graph graph_over_parts(const ir::Graph& graph, const PartitionManifest& manifest) {
  const auto pieces = stored_pieces(manifest);
  return with_sources(graph, [&](const ir::Value& weight) {
    const auto found = pieces.find(weight.name);
    if (found == pieces.end()) return ir::WeightSource::from_tensor("unused/" + weight.name);
    auto source = rebuilt_weight(weight.type.shape(), found->second);
    CHECK(source, "the ranks do not hold all of the weight ", weight.name);
    return std::move(*source);
  });
}

PartitionManifest make_manifest(const importer::ImportedModel& model, const plan::Plan& plan) {
  PartitionManifest manifest;
  manifest.info = model.info;
  manifest.max_sizes = max_sizes_of(plan);
  for (partition::Group& group : partition::groups_of(model.graph, plan)) {
    manifest.groups.push_back(std::move(group.name));
  }
  return manifest;
}

void write_parts(const importer::ImportedModel& model,
                 const plan::Plan& plan,
                 const formats::Checkpoint& checkpoint,
                 const fs::path& out_dir,
                 const PartitionProgress& on_progress) {
  PartitionManifest manifest = make_manifest(model, plan);
  std::vector<partition::RankProgram> programs;
  int64_t done_bytes = 0;
  int64_t total_bytes = 0;
  for (int rank = 0; rank < static_cast<int>(plan.ranks()); ++rank) {
    programs.push_back(partition::partition_rank(model.graph, plan, rank));
    total_bytes += weight_bytes(programs.back().graph);
  }
  const auto on_bytes = [&](int64_t bytes) {
    done_bytes += bytes;
    if (on_progress) on_progress(done_bytes, total_bytes);
  };
  for (int rank = 0; rank < static_cast<int>(plan.ranks()); ++rank) {
    partition::RankProgram& program = programs[static_cast<size_t>(rank)];
    write_rank(program.graph, checkpoint, out_dir / part_name(rank), on_bytes);
    write_text(out_dir / program_name(rank), ir::print_graph(over_own_file(program.graph)));
    manifest.ranks.push_back({program.stage, program.has_logits, std::move(program.weights)});
  }
  const ir::Graph whole = graph_over_parts(model.graph, manifest);
  write_text(out_dir / kModelGraphName, ir::print_graph(whole));
  plan::Plan own_plan = plan;
  own_plan.graph_hash = ir::hash_of(whole);
  Json json = to_json(manifest);
  json["plan"] = plan::to_json(own_plan, whole);
  copy_model_files(model.directory, out_dir);
  write_json(out_dir / kManifestName, json);  // last: a folder with it is complete
}

[[noreturn]] void contradicts_plan(const fs::path& file, const std::string& what) {
  throw Error(ErrorCode::kInvalidFile,
              str("[partition] ", file.string(), ": ", what, " is not what the plan in ",
                  kManifestName, " gives; cut the model again"));
}

// Kernels trust these numbers, so that they may not be others than those the parts were cut with.
void check_manifest(const PartitionedModel& model, const fs::path& file) {
  const auto& [plan, manifest] = model.partition;
  const PartitionManifest expected = make_manifest(model.model, plan);
  if (manifest.max_sizes != expected.max_sizes) contradicts_plan(file, "max_sizes");
  if (manifest.groups != expected.groups) contradicts_plan(file, "groups");
  const auto ranks = static_cast<int64_t>(manifest.ranks.size());
  if (ranks != plan.ranks()) contradicts_plan(file, str("the number of ranks, ", ranks, ","));
}

// The program in the file of a rank, which is the one that its plan gives.
partition::RankProgram read_program(const importer::ImportedModel& model,
                                    const Partition& partition,
                                    int rank) {
  const fs::path file = model.directory / program_name(rank);
  partition::RankProgram program = partition::partition_rank(model.graph, partition.plan, rank);
  const ir::Graph expected = over_own_file(program.graph);
  program.graph = ir::parse_graph(read_text(file));
  if (ir::hash_of(program.graph) != ir::hash_of(expected)) contradicts_plan(file, "the program");
  const RankEntry& entry = partition.manifest.ranks[static_cast<size_t>(rank)];
  const bool is_same = entry.stage == program.stage && entry.has_logits == program.has_logits &&
                       entry.weights == program.weights;
  if (!is_same) {
    contradicts_plan(model.directory / kManifestName, str("what is said of rank ", rank));
  }
  return program;
}

}  // namespace

void write_partition(const importer::ImportedModel& model,
                     const plan::Plan& plan,
                     const formats::Checkpoint& checkpoint,
                     const fs::path& out_dir,
                     const PartitionProgress& on_progress) {
  (void)limits_of(model.graph, plan);  // refuses what no rank could run
  const bool is_new = make_empty_folder(out_dir);
  try {
    write_parts(model, plan, checkpoint, out_dir, on_progress);
  } catch (...) {
    remove_parts(out_dir, is_new);
    throw;
  }
}

bool is_partition(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory / kManifestName, ignored);
}

PartitionedModel load_partition(const fs::path& directory) {
  const std::string what = (directory / kManifestName).string();
  const Json json = read_json(what);
  PartitionManifest manifest = manifest_from_json(json, what);
  PartitionedModel result{
      {ir::parse_graph(read_text(directory / kModelGraphName)), manifest.info, directory},
      {{}, std::move(manifest)}};
  if (!json.contains("plan")) {
    throw Error(ErrorCode::kInvalidFile,
                str("[partition] ", what, ": the key \"plan\" is missing; cut the model again"));
  }
  ops::verify_types(result.model.graph);
  plan::Plan& plan = result.partition.plan;
  plan = plan::plan_from_json(json["plan"], result.model.graph, what);
  plan::validate(plan, result.model.graph);
  check_manifest(result, what);
  return result;
}

formats::Checkpoint open_partition(const fs::path& directory, const PartitionManifest& manifest) {
  std::vector<std::string> files;
  for (size_t rank = 0; rank < manifest.ranks.size(); ++rank)
    files.push_back(part_name(static_cast<int>(rank)));
  return formats::Checkpoint::open_parts(directory, files);
}

RankPart load_rank_part(const importer::ImportedModel& model,
                        const Partition& partition,
                        int rank) {
  const PartitionManifest& manifest = partition.manifest;
  if (rank < 0 || rank >= static_cast<int>(manifest.ranks.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[partition] ", model.directory.string(), " has no rank ", rank,
                    "; expected 0 .. ", manifest.ranks.size() - 1));
  }
  return {.rank = rank,
          .program = read_program(model, partition, rank),
          .groups = manifest.groups,
          .max_sizes = manifest.max_sizes,
          .all_reduce = all_reduce_options(partition.plan)};
}

formats::Checkpoint open_rank_part(const fs::path& directory, int rank) {
  return formats::Checkpoint::open_file(directory / part_name(rank));
}

}  // namespace partita::api
