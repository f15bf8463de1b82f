// SPDX-License-Identifier: Apache-2.0
// What a model family is: which configs it matches and how it builds the graph.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string_view>

#include "formats/hf_config.h"
#include "ir/graph.h"
#include "support/dtype.h"

namespace partita::models {

struct BuildOptions {
  DType weight_dtype = DType::kF32;  // of matrices; norm weights and biases are f32 always
  int64_t block_size = 16;           // positions per KV cache block
  // Whether the checkpoint holds a tensor of that name; null when there is no checkpoint to look
  // at. For families whose files come under several names; without a checkpoint the usual name is
  // taken.
  std::function<bool(std::string_view)> has_tensor;
};

// The graph of a language model over the flat token layout, with these inputs
//   token_ids, positions, sequence_ids i32[t], block_tables i32[s,m], logit_rows i32[r]
// per layer the states layers.N.k_cache, layers.N.v_cache f32 (with_cache_dtype() of passes gives
// them another type), whose dims attention says, and the output logits f32[r,vocab].
struct BuiltModel {
  ir::Graph graph;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  int64_t layers = 0;
};

// Sizes of a model that is to be made up.
struct Shape {
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  int64_t feed_forward = 0;
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  bool tied = false;
  int64_t experts = 0;  // 0: a dense feed-forward; else `feed_forward` is that of one expert
  int64_t experts_per_token = 0;  // of `experts`
};

// One family. Each file NAME.cpp in this folder without a header of its own defines `const Family&
// NAME_family()`; CMake writes the table from the file names.
struct Family {
  std::string_view name;
  // Values of model_type, and of architectures[0] for configs without model_type.
  std::string_view model_type;
  std::string_view architecture;
  // Throws kInvalidFile (a value is missing or wrong) or kUnsupported (an option that changes the
  // mathematics and that the family does not know).
  BuiltModel (*build)(const formats::HfConfig& config, const BuildOptions& options);
  // config.json of a model of that shape, without special tokens and dtype. Throws kInvalidArgument
  // for shapes that the family cannot have. Null where nobody has asked for made-up models.
  Json (*config_of)(const Shape& shape) = nullptr;
  bool has_experts = false;  // config_of() asks for them
};

// All families, sorted by name (generated table).
[[nodiscard]] std::span<const Family* const> all_families();
// The family of a config. Throws kUnsupported naming the file, its model_type and the known
// families.
[[nodiscard]] const Family& find_family(const formats::HfConfig& config);

}  // namespace partita::models
