// SPDX-License-Identifier: Apache-2.0
// Weights from a checkpoint, as the executor asks for them.
#pragma once

#include "formats/checkpoint.h"
#include "runtime/loader.h"

namespace partita::runtime {

// Evaluates each weight's source expression over `checkpoint`, which must outlive the reader; reads
// only the bytes of the piece. Thread-safe: each call under way has scratch memory of some MiB.
[[nodiscard]] WeightReader read_from(const formats::Checkpoint& checkpoint);

}  // namespace partita::runtime
