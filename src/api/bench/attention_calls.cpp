// SPDX-License-Identifier: Apache-2.0
#include "api/bench/attention_calls.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "ops/cpu_kernel.h"
#include "support/error.h"
#include "support/integers.h"

namespace partita::api {
namespace {

constexpr int64_t kBlockSize = 16;  // as by default in models

// Values in [-1, 1) that differ from each other; the same on every machine.
std::vector<float> values_of(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) / static_cast<float>(1U << 23) - 1;
  }
  return values;
}

device::Buffer cache_of(DType dtype, int64_t elements) {
  constexpr int64_t kPattern = 1 << 16;
  const std::vector<float> values = values_of(kPattern);
  device::Buffer cache = device::make_cpu_device()->allocate(bytes_of(dtype, elements));
  for (int64_t at = 0; at < elements; at += kPattern) {
    convert_from_f32(values.data(), dtype, cache.data() + bytes_of(dtype, at),
                     std::min(kPattern, elements - at));
  }
  return cache;
}

ops::TensorView view_of(std::vector<int32_t>& data, std::vector<int64_t> shape) {
  return {data.data(), DType::kI32, std::move(shape)};
}

}  // namespace

AttentionCalls::AttentionCalls(const AttentionShape& shape, int64_t sequences, int64_t most_tokens)
    : shape_(shape), blocks_(ceil_div(shape.positions, kBlockSize)), sequences_(sequences) {
  CHECK(shape.positions >= most_tokens && most_tokens >= 1, "tokens are the last of the positions");
  make_inputs(sequences, most_tokens);
  bind(most_tokens);
}

void AttentionCalls::make_inputs(int64_t sequences, int64_t most_tokens) {
  const int64_t row = kBenchKvHeads * shape_.head_dim;
  q_ = values_of(most_tokens * row * shape_.group);
  kv_ = values_of(most_tokens * row);
  out_.resize(q_.size());
  const int64_t elements = sequences * blocks_ * kBlockSize * row;
  k_cache_ = cache_of(shape_.cache, elements);
  v_cache_ = cache_of(shape_.cache, elements);
  positions_.resize(static_cast<size_t>(most_tokens));
  sequence_ids_.resize(positions_.size());
  tables_.resize(static_cast<size_t>(sequences * blocks_));
  std::iota(tables_.begin(), tables_.end(), 0);
  if (shape_.shuffles_blocks) std::shuffle(tables_.begin(), tables_.end(), std::mt19937(1));
}

void AttentionCalls::bind(int64_t most_tokens) {
  const int64_t e = shape_.head_dim;
  const int64_t heads = kBenchKvHeads * shape_.group;
  const int64_t pool = sequences_ * blocks_;
  ir::Node node;
  node.op = node.name = "attention";
  node.attributes.set("group", shape_.group);
  const ir::TensorType ints{DType::kI32, {"t"}};
  const ir::TensorType kv{DType::kF32, {"t", kBenchKvHeads, e}};
  const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", heads, e}},
                                              kv,
                                              kv,
                                              {shape_.cache, {kBenchKvHeads, pool, e, kBlockSize}},
                                              {shape_.cache, {kBenchKvHeads, pool, kBlockSize, e}},
                                              ints,
                                              ints,
                                              {DType::kI32, {sequences_, blocks_}}};
  const std::vector<ir::TensorType> outputs = {inputs[0]};
  const std::vector<const ops::TensorView*> weights(inputs.size(), nullptr);
  const ir::SymbolSizes sizes = {{"t", most_tokens}};
  kernel_ = ops::bind_cpu_kernel({node, inputs, outputs, weights, {}, sizes, nullptr, &scratch_});
  views_ = {{q_.data(), DType::kF32, {0, heads, e}},
            {kv_.data(), DType::kF32, {0, kBenchKvHeads, e}},
            {kv_.data(), DType::kF32, {0, kBenchKvHeads, e}},
            {k_cache_.data(), shape_.cache, {kBenchKvHeads, pool, e, kBlockSize}},
            {v_cache_.data(), shape_.cache, {kBenchKvHeads, pool, kBlockSize, e}},
            view_of(positions_, {0}),
            view_of(sequence_ids_, {0}),
            view_of(tables_, {sequences_, blocks_})};
  result_[0] = {out_.data(), DType::kF32, {0, heads, e}};
}

double AttentionCalls::bytes() const {
  const int64_t elements = 2 * shape_.positions * kBenchKvHeads * shape_.head_dim;
  return static_cast<double>(bytes_of(shape_.cache, elements));
}

double AttentionCalls::operations(int64_t tokens) const {
  const auto last = static_cast<double>(shape_.positions);
  const auto count = static_cast<double>(tokens);
  const double seen = count * (last - (count - 1) / 2);  // of all tokens together
  return 4 * seen * static_cast<double>(kBenchKvHeads * shape_.group * shape_.head_dim);
}

void AttentionCalls::run(int64_t tokens) {
  for (const size_t input : {0, 1, 2, 5, 6}) views_[input].shape[0] = tokens;
  result_[0].shape[0] = tokens;
  std::iota(positions_.begin(), positions_.end(), static_cast<int32_t>(shape_.positions - tokens));
  std::fill(sequence_ids_.begin(), sequence_ids_.end(), static_cast<int32_t>(next_));
  kernel_->run(views_, result_);
  next_ = (next_ + 1) % sequences_;
}

}  // namespace partita::api
