// SPDX-License-Identifier: Apache-2.0
// What stands behind the public Model.
#pragma once

#include <memory>

#include "formats/checkpoint.h"
#include "importer/importer.h"
#include "partita/model.h"
#include "text/tokenizer.h"

namespace partita {

struct Model::Impl {
  importer::ImportedModel imported;
  std::unique_ptr<const text::Tokenizer> tokenizer;  // null when the directory has none
  std::string dtype;
  bool is_partition = false;  // written by write_partition()

  // The weights. Throws kNotFound when the directory holds only a config.
  [[nodiscard]] formats::Checkpoint open_checkpoint() const;
  // Throws kNotFound naming the file.
  [[nodiscard]] const text::Tokenizer& require_tokenizer() const;
};

}  // namespace partita
