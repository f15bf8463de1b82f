// SPDX-License-Identifier: Apache-2.0
// Feed-forward of experts: router, stacked weights, grouped networks.
#include "models/sparse_feed_forward.h"

#include <algorithm>

#include "support/error.h"

namespace partita::models {
namespace {

using ir::WeightSource;

struct Sources {
  WeightSource router;
  WeightSource gate;
  WeightSource up;
  WeightSource down;
};

// One tensor per expert and matrix, as published checkpoints hold them.
Sources separate_sources(const SparseLayer& layer) {
  const SparseFeedForward& sparse = layer.model.sparse;
  const std::string prefix = str(layer.prefix, sparse.prefix, ".");
  const auto stacked = [&](std::string_view matrix) {
    std::vector<WeightSource> parts;
    for (int64_t expert = 0; expert < sparse.experts; ++expert) {
      parts.push_back(
          WeightSource::from_tensor(str(prefix, "experts.", expert, ".", matrix, ".weight")));
    }
    return WeightSource::stack(std::move(parts));
  };
  return {WeightSource::from_tensor(prefix + "gate.weight"), stacked(sparse.gate),
          stacked(sparse.up), stacked(sparse.down)};
}

// All experts in one tensor, gate rows above up rows.
Sources fused_sources(const SparseLayer& layer) {
  const int64_t wide = layer.model.sparse.feed_forward;
  const std::string prefix = str(layer.prefix, "mlp.");
  const WeightSource both = WeightSource::from_tensor(prefix + "experts.gate_up_proj");
  return {WeightSource::from_tensor(prefix + "gate.weight"), both.slice(1, {0, wide}),
          both.slice(1, {wide, 2 * wide}), WeightSource::from_tensor(prefix + "experts.down_proj")};
}

Sources sources_of(const SparseLayer& layer) {
  const auto& has_tensor = layer.options.has_tensor;
  const bool is_fused = has_tensor && has_tensor(str(layer.prefix, "mlp.experts.gate_up_proj"));
  return is_fused ? fused_sources(layer) : separate_sources(layer);
}

}  // namespace

ir::ValueId add_sparse_feed_forward(DecoderBuilder& builder,
                                    const SparseLayer& layer,
                                    ir::ValueId x) {
  const SparseFeedForward& sparse = layer.model.sparse;
  const int64_t hidden = layer.model.hidden;
  const int64_t wide = sparse.feed_forward;
  const Sources sources = sources_of(layer);
  const ir::ValueId router =
      builder.matrix("mlp.router.weight", {sparse.experts, hidden}, sources.router);
  ir::Attributes routing;
  routing.set("top_k", sparse.top_k);
  routing.set("normalize", int64_t{sparse.normalize ? 1 : 0});
  const ir::ValueId shares = builder.op("router", "mlp.router", {x, router}, std::move(routing));
  const auto matrices = [&](const std::string& name, int64_t rows, int64_t columns,
                            const WeightSource& source) {
    return builder.matrix(str("mlp.experts.", name, ".weight"), {sparse.experts, rows, columns},
                          source);
  };
  const ir::ValueId gate = matrices("gate", wide, hidden, sources.gate);
  const ir::ValueId up = matrices("up", wide, hidden, sources.up);
  const ir::ValueId down = matrices("down", hidden, wide, sources.down);
  ir::Attributes attributes;
  attributes.set("activation", std::string(layer.model.activation));
  attributes.set("top_k", sparse.top_k);
  return builder.op("experts", "mlp.experts", {x, shares, gate, up, down}, std::move(attributes));
}

int64_t experts_of(const formats::HfConfig& config, formats::HfConfig::Names names) {
  const int64_t experts = config.size(names);
  if (experts <= kMaxExperts) return experts;
  throw Error(ErrorCode::kInvalidFile,
              str("[config] ", config.what(), ": \"", *names.begin(), "\" is ", experts,
                  "; expected at most ", kMaxExperts, " experts"));
}

int64_t experts_per_token(const formats::HfConfig& config, int64_t experts) {
  const int64_t top_k = config.size({"num_experts_per_tok"});
  if (top_k <= experts) return top_k;
  throw Error(ErrorCode::kInvalidFile,
              str("[config] ", config.what(), ": \"num_experts_per_tok\" is ", top_k, "; expected ",
                  "at most the ", experts, " experts"));
}

}  // namespace partita::models
