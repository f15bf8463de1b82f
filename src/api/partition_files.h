// SPDX-License-Identifier: Apache-2.0
// A partitioned model on disk: one checkpoint part and one program per rank, and what is needed to
// cut it again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "api/partition_manifest.h"
#include "api/rank_runner.h"
#include "formats/checkpoint.h"
#include "importer/importer.h"
#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::api {

// Files of a partition: partita.json (format version, plan, groups, pieces of every weight, model
// info), model.graph (the uncut program over the parts), rank-<i>.safetensors and rank-<i>.graph,
// and copies of config.json, generation_config.json and tokenizer files of the model (of a GGUF
// file tokenizer.gguf, its metadata without tensors). The same inputs give the same bytes.

// Told the bytes of weights written so far and in all.
using PartitionProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

// Writes all of them into `out_dir`, which must be empty or absent. Streams: never more than one
// weight in memory. Throws kInvalidArgument when the folder is not empty, kSystem when it cannot be
// written, and what reading weights and `on_progress` throw; then the folder is empty or absent
// again.
void write_partition(const importer::ImportedModel& model,
                     const plan::Plan& plan,
                     const formats::Checkpoint& checkpoint,
                     const std::filesystem::path& out_dir,
                     const PartitionProgress& on_progress = {});

// Whether `directory` holds a partition.
[[nodiscard]] bool is_partition(const std::filesystem::path& directory);

// What is in a partition beside the model.
struct Partition {
  plan::Plan plan;  // the one it was cut by, for the graph of the model
  PartitionManifest manifest;
};

// A partition as a model: its graph reads the parts, so any plan can be made for it, at any rank
// count.
struct PartitionedModel {
  importer::ImportedModel model;
  Partition partition;
};

// Throws kNotFound, kInvalidFile naming file and rule. Reads no weights.
[[nodiscard]] PartitionedModel load_partition(const std::filesystem::path& directory);

// The checkpoint that the graph of load_partition() reads.
[[nodiscard]] formats::Checkpoint open_partition(const std::filesystem::path& directory,
                                                 const PartitionManifest& manifest);

// The part of one rank as it was written, and the checkpoint it reads: of the weights in the folder
// its own only. `model` and `partition` are from load_partition(). Throws kNotFound and
// kInvalidFile, the latter also when program or manifest are not what the plan gives.
[[nodiscard]] RankPart load_rank_part(const importer::ImportedModel& model,
                                      const Partition& partition,
                                      int rank);
[[nodiscard]] formats::Checkpoint open_rank_part(const std::filesystem::path& directory, int rank);

}  // namespace partita::api
