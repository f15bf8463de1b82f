// SPDX-License-Identifier: Apache-2.0
// Builds the parts that decoder families share: step inputs, linear layers, attention over the
// paged cache, the head.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/hf_config.h"
#include "models/family.h"

namespace partita::models {

// A linear layer NAME: weight [out, in] and perhaps bias [out].
struct LinearWeights {
  ir::WeightSource weight;
  std::optional<ir::WeightSource> bias;
  int64_t in = 0;
  int64_t out = 0;
};

struct AttentionHeads {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

// Appends to one graph. Nodes get the layer set last; a node NAME has its weights as NAME.weight
// and NAME.bias. Owned by one thread.
class DecoderBuilder {
 public:
  DecoderBuilder(std::string graph_name, const BuildOptions& options);

  // Layer of the nodes that follow; -1 for what lies outside the layers.
  void set_layer(int64_t layer) { layer_ = static_cast<int32_t>(layer); }
  // "layers.3.mlp" for "mlp" in layer 3.
  [[nodiscard]] std::string local(std::string_view name) const;

  [[nodiscard]] ir::ValueId token_ids() const { return token_ids_; }
  [[nodiscard]] ir::ValueId positions() const { return positions_; }

  // A matrix in the weight dtype, and a vector in f32.
  ir::ValueId matrix(const std::string& name, std::vector<ir::Dim> shape, ir::WeightSource source);
  ir::ValueId vector(const std::string& name, int64_t size, ir::WeightSource source);

  ir::ValueId op(std::string_view op,
                 const std::string& name,
                 std::vector<ir::ValueId> inputs,
                 ir::Attributes attributes = {});
  // x [.., in] -> [.., out]; a bias is an add of its own, called NAME.biased.
  ir::ValueId linear(const std::string& name, ir::ValueId x, const LinearWeights& weights);
  // [t, heads * head_dim] -> [t, heads, head_dim].
  ir::ValueId split_heads(const std::string& name, ir::ValueId x, int64_t head_dim);
  // q, k, v [t, heads or kv_heads, head_dim] -> [t, heads * head_dim]. Adds the caches of the
  // layer.
  ir::ValueId attention(const std::vector<ir::ValueId>& qkv,
                        const AttentionHeads& heads,
                        double scale);
  // The rows of x [t, d] whose logits are asked for, [r, d].
  ir::ValueId logit_rows(ir::ValueId x);
  // The node "logits" = rows * head^T is the output; takes the graph out of the builder.
  ir::Graph finish(ir::ValueId rows, ir::ValueId head);

 private:
  ir::Graph graph_;
  BuildOptions options_;
  int32_t layer_ = -1;
  ir::ValueId token_ids_;
  ir::ValueId positions_;
  ir::ValueId sequence_ids_;
  ir::ValueId block_tables_;
  ir::ValueId logit_rows_;
};

// Operator of a Hugging Face activation name. Throws kUnsupported naming file and known names.
[[nodiscard]] std::string_view activation_op(const formats::HfConfig& config,
                                             const std::string& activation);

// Refuses options that change the mathematics: each key must be absent, null, false or 0. Throws
// kUnsupported.
void refuse_options(const formats::HfConfig& config,
                    std::string_view family,
                    std::initializer_list<std::string_view> keys);

// Refuses `layer_types` other than full_attention. Throws kUnsupported.
void require_full_attention(const formats::HfConfig& config);

// num_hidden_layers or n_layer; bounded, because a graph is built of it.
[[nodiscard]] int64_t layers_of(const formats::HfConfig& config);

// value / divisor; throws kInvalidFile naming both keys when it leaves a rest.
[[nodiscard]] int64_t exact_quotient(const formats::HfConfig& config,
                                     formats::HfConfig::Names value,
                                     formats::HfConfig::Names divisor);

}  // namespace partita::models
