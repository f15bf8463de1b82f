// SPDX-License-Identifier: Apache-2.0
// One step of one attention call: sizes, and where tokens and cache rows are. Layouts:
//   k_cache [kv_heads, blocks, head_dim, block_size]  v_cache [kv_heads, blocks, block_size,
//   head_dim]
// A KV head is outermost, so that a thread (or a rank) that owns it reads long runs of memory. Keys
// are stored by element: one load gives an element of as many keys as a register has lanes.
#pragma once

#include <cstdint>

#include "device/cpu/instructions.h"
#include "ops/attention/inputs.h"
#include "ops/cpu_kernel.h"
#include "ops/rope/rotation.h"

namespace partita::ops::attention {

// Attributes of the node; `scale` defaults to 1 / sqrt(head_dim).
struct Settings {
  float scale;
  int64_t group;
  int64_t h_phase;
  bool near_f32;  // see ops/products.h
};

// How queries and keys are rotated that come as rope would take them.
struct StepRotation {
  const Rotation* rotation = nullptr;  // null: they come rotated, or are not
  const float* angles = nullptr;       // of every token: [tokens, rotation->angle_floats()]
  float* keys =
      nullptr;  // each thread's memory to rotate keys in: [threads, kRotatedKeys, head_dim]

  static constexpr int64_t kRotatedKeys = 16;

  [[nodiscard]] float* keys_of(int64_t thread, int64_t head_dim) const {
    return keys == nullptr ? nullptr : keys + thread * kRotatedKeys * head_dim;
  }
  [[nodiscard]] const float* of(int64_t token) const {
    return angles + token * rotation->angle_floats();
  }
};

// Borrows the views of one run(). Thread-compatible.
struct Step {
  Step(Views views, const TensorView& output, const Settings& node_settings)
      : inputs(views),
        settings(node_settings),
        out(output.as<float>()),
        tokens(inputs[kQuery].shape[0]),
        heads(inputs[kQuery].shape[1]),
        head_dim(inputs[kQuery].shape[2]),
        kv_heads(inputs[kKey].shape[1]),
        block_count(inputs[kKeyCache].shape[1]),
        block_size(inputs[kKeyCache].shape[3]),
        sequences(inputs[kBlockTables].shape[0]),
        blocks_per_sequence(inputs[kBlockTables].shape[1]) {}

  [[nodiscard]] int64_t position(int64_t token) const {
    return inputs[kPositions].as<const int32_t>()[token];
  }
  [[nodiscard]] int64_t sequence(int64_t token) const {
    return inputs[kSequenceIds].as<const int32_t>()[token];
  }
  // Blocks of the sequence of `token`.
  [[nodiscard]] const int32_t* table(int64_t token) const {
    return inputs[kBlockTables].as<const int32_t>() + sequence(token) * blocks_per_sequence;
  }
  // The KV head of query head `head` of this piece.
  [[nodiscard]] int64_t kv_head(int64_t head) const {
    return (head + settings.h_phase) / settings.group;
  }

  // Cache block that holds `position` of the sequence of `token`; CHECKs that there is one.
  [[nodiscard]] int64_t block(int64_t token, int64_t position) const {
    const int64_t id = sequence(token);
    const int64_t column = position / block_size;
    CHECK(position >= 0 && id >= 0 && id < sequences && column < blocks_per_sequence,
          "attention: position ", position, " of sequence ", id, " has no block table entry");
    const int64_t index = table(token)[column];
    CHECK(index >= 0 && index < block_count, "attention: position ", position, " of sequence ", id,
          " is in block ", index, " of ", block_count);
    return index;
  }

  // First element of a block of a KV head, in either cache.
  [[nodiscard]] int64_t offset(int64_t kv_head, int64_t block) const {
    return (kv_head * block_count + block) * block_size * head_dim;
  }

  [[nodiscard]] const float* query(int64_t token, int64_t head) const {
    return inputs[kQuery].as<const float>() + (token * heads + head) * head_dim;
  }
  [[nodiscard]] float* output(int64_t token, int64_t head) const {
    return out + (token * heads + head) * head_dim;
  }

  Views inputs;
  Settings settings;
  StepRotation rotation;
  // See BlockKernels.
  void (*to_f16)(const float* from, int64_t count, Float16* to) = nullptr;
  float* out;
  int64_t tokens, heads, head_dim, kv_heads, block_count, block_size, sequences,
      blocks_per_sequence;
};

// Writes k and v of every token into their slots of the caches, rounded to the caches' type; on the
// team where there is enough to write.
void append(const Step& step);

// The attributes of a bound node.
[[nodiscard]] Settings settings_of(const BindArgs& args);

// Attention by blocks of tokens and tiles of keys, with instructions of a usable level. The types
// of the call must be those of the reference.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_blocked(const BindArgs& args,
                                                        device::Instructions level);

}  // namespace partita::ops::attention
