// SPDX-License-Identifier: Apache-2.0
// Calls of attention on a paged cache that comes from memory, for measuring them by themselves.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "device/device.h"
#include "ops/kernel.h"

namespace partita::api {

struct AttentionShape {
  DType cache = DType::kF32;
  int64_t group = 4;  // query heads per KV head, of which there are 8
  int64_t head_dim = 128;
  int64_t positions = 0;  // of a sequence, at least 1
  bool shuffles_blocks = false;
};
inline constexpr int64_t kBenchKvHeads = 8;

// A cache of several sequences of so many positions each, in blocks of 16 that lie behind each
// other or in no order. Sequences take turns, so that no cache of the processor holds what is read
// next. Used by one thread.
class AttentionCalls {
 public:
  AttentionCalls(const AttentionShape& shape, int64_t sequences, int64_t most_tokens);

  // Keys and values of one sequence.
  [[nodiscard]] double bytes() const;
  // Multiply-adds of run(tokens), two each: keys times queries, weights times values.
  [[nodiscard]] double operations(int64_t tokens) const;
  // The last `tokens` of the next sequence attend to all before them, and are put into the cache.
  void run(int64_t tokens);

 private:
  void make_inputs(int64_t sequences, int64_t most_tokens);
  void bind(int64_t most_tokens);

  AttentionShape shape_;
  int64_t blocks_ = 0;  // of one sequence
  int64_t sequences_ = 0;
  int64_t next_ = 0;
  std::vector<float> q_, kv_, out_;
  device::Buffer k_cache_, v_cache_;
  std::vector<int32_t> positions_, sequence_ids_, tables_;
  std::vector<ops::TensorView> views_;
  std::array<ops::TensorView, 1> result_;
  ops::Scratch scratch_;
  std::unique_ptr<ops::BoundKernel> kernel_;
};

}  // namespace partita::api
