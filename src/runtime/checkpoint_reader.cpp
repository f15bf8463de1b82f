// SPDX-License-Identifier: Apache-2.0
// Binds a checkpoint to the weight loader.
#include "runtime/checkpoint_reader.h"

#include "runtime/weight_loader.h"

namespace partita::runtime {

WeightReader read_from(const formats::Checkpoint& checkpoint) {
  return [&checkpoint](const ir::Value& weight, std::byte* to) {
    load_weight(checkpoint, weight.source, weight.type, to);
  };
}

}  // namespace partita::runtime
