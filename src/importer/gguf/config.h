// SPDX-License-Identifier: Apache-2.0
// The metadata of a GGUF file as the config.json that the model families read.
#pragma once

#include "formats/checkpoint.h"
#include "formats/gguf/metadata.h"
#include "importer/gguf/architecture.h"
#include "support/json.h"

namespace partita::importer {

// The architecture that general.architecture names. Throws kInvalidFile (missing), kUnsupported
// (not known; lists the known ones).
[[nodiscard]] const GgufArchitecture& gguf_architecture(const formats::GgufMetadata& metadata);

// Sizes, rotary positions, special tokens; the number of tokens, biases, an own head and the
// factors of rotary positions are seen from the tensors (only the factors are read). Throws
// kInvalidFile naming file, key, value and what was expected; kUnsupported for keys of the
// architecture that are not known, because they may change what the model computes.
[[nodiscard]] Json config_of_gguf(const formats::GgufMetadata& metadata,
                                  const formats::Checkpoint& checkpoint);

}  // namespace partita::importer
