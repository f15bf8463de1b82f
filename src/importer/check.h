// SPDX-License-Identifier: Apache-2.0
// Verifies a checkpoint without running it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "formats/checkpoint.h"
#include "importer/importer.h"

namespace partita::importer {

struct CheckReport {
  std::string family;
  int64_t files = 0;
  int64_t weights = 0;              // weights of the graph
  int64_t tensors = 0;              // tensors of the checkpoint
  int64_t tensor_bytes = 0;         // of all tensors
  int64_t scanned_bytes = 0;        // of the tensors that weights use
  std::vector<std::string> errors;  // what would fail or give wrong text: file, tensor, rule
  std::vector<std::string> notes;   // tensors that no weight uses, tensors that the index forgets

  [[nodiscard]] bool ok() const { return errors.empty(); }
};

// Called with the bytes scanned so far and in all.
using CheckProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

// Imports DIR, opens its checkpoint, compares every weight's shape with what the config needs, and
// looks for NaN and infinity in every tensor that a weight uses (read in chunks). Problems of
// config.json and of file headers are thrown as import_model() and Checkpoint::open() do;
// everything later is collected in the report.
[[nodiscard]] CheckReport check_model(const std::filesystem::path& directory,
                                      const CheckProgress& progress = {});

// The same of a graph and its checkpoint, but for the family; every tensor is scanned when
// `scans_all`, else those that weights use.
[[nodiscard]] CheckReport check_weights(const ir::Graph& graph,
                                        const formats::Checkpoint& checkpoint,
                                        bool scans_all = false,
                                        const CheckProgress& progress = {});

// The shape part alone: one message per weight of the graph that the checkpoint cannot give. Reads
// no tensor.
[[nodiscard]] std::vector<std::string> weight_errors(const ir::Graph& graph,
                                                     const formats::Checkpoint& checkpoint);

// Throws kInvalidFile with the first of weight_errors() and their number; for use before ranks are
// started.
void require_weights(const ir::Graph& graph, const formats::Checkpoint& checkpoint);

}  // namespace partita::importer
