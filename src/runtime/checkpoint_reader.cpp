// SPDX-License-Identifier: Apache-2.0
// Binds a checkpoint to the weight loader.
#include "runtime/checkpoint_reader.h"

#include <memory>

#include "runtime/load_scratch.h"
#include "runtime/weight_loader.h"

namespace partita::runtime {

WeightReader read_from(const formats::Checkpoint& checkpoint) {
  const auto pool = std::make_shared<LoadScratchPool>();  // of all copies of the reader
  return [&checkpoint, pool](const ir::Value& weight, std::byte* to) {
    pool->with_scratch([&](LoadScratch& scratch) {
      load_weight(checkpoint, weight.source, weight.type, to, scratch);
    });
  };
}

}  // namespace partita::runtime
