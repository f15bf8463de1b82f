// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Model.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "api/partition_files.h"
#include "formats/checkpoint.h"
#include "importer/importer.h"
#include "partita/model.h"
#include "plan/plan.h"
#include "text/tokenizer.h"

namespace partita {

struct Model::Impl {
  importer::ImportedModel imported;
  std::unique_ptr<const text::Tokenizer> tokenizer;  // null when the directory has none
  std::string dtype;                                 // of most weights
  std::string kv_cache;                              // its element type
  LoadOptions requested;                             // what makes other processes load the same
  std::string notes;                                 // lines
  std::optional<api::Partition> partition;           // when that is what the directory holds

  // All but the tokenizer, which ranks do not need and which takes some MB.
  [[nodiscard]] static std::shared_ptr<Impl> load(const std::filesystem::path& directory,
                                                  const LoadOptions& options);

  // The weights. Throws kNotFound when the directory holds only a config.
  [[nodiscard]] formats::Checkpoint open_checkpoint() const;
  // Throws kNotFound naming the file.
  [[nodiscard]] const text::Tokenizer& require_tokenizer() const;
};

}  // namespace partita
