// SPDX-License-Identifier: Apache-2.0
// Adds a feed-forward of experts to the graph of a decoder.
#pragma once

#include <string_view>

#include "models/decoder_builder.h"
#include "models/rope_decoder.h"

namespace partita::models {

struct SparseLayer {
  const RopeDecoder& model;
  const BuildOptions& options;
  std::string_view prefix;  // of the layer's tensors: "model.layers.3."
};

// x [t, hidden] -> [t, hidden]. The experts' matrices become three stacked weights
// mlp.experts.{gate,up,down}.weight, whichever way the checkpoint holds them.
ir::ValueId add_sparse_feed_forward(DecoderBuilder& builder,
                                    const SparseLayer& layer,
                                    ir::ValueId x);

}  // namespace partita::models
