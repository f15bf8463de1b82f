// SPDX-License-Identifier: Apache-2.0
// attention on the CPU: over the blocks of the cache in f32, and a plain reference in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kKeyCache,
  kValueCache,
  kPositions,
  kSequenceIds,
  kBlockTables
};

// Attributes of the node; `scale` defaults to 1 / sqrt(head_dim).
struct Settings {
  float scale;
  int64_t group;
  int64_t h_phase;
};

// One step of one call: sizes, and where tokens and cache rows are.
struct Step {
  Step(Views views, const TensorView& output, const Settings& node_settings)
      : inputs(views),
        settings(node_settings),
        out(output.as<float>()),
        tokens(inputs[kQuery].shape[0]),
        heads(inputs[kQuery].shape[1]),
        head_dim(inputs[kQuery].shape[2]),
        kv_heads(inputs[kKey].shape[1]),
        block_count(inputs[kKeyCache].shape[0]),
        block_size(inputs[kKeyCache].shape[1]),
        sequences(inputs[kBlockTables].shape[0]),
        blocks_per_sequence(inputs[kBlockTables].shape[1]) {}

  int64_t position(int64_t token) const { return inputs[kPositions].as<const int32_t>()[token]; }

  // The KV head of query head `head` of this piece.
  int64_t kv_head(int64_t head) const { return (head + settings.h_phase) / settings.group; }

  // Cache block that holds `position` of the sequence of `token`.
  int64_t block(int64_t token, int64_t position) const {
    const int64_t sequence = inputs[kSequenceIds].as<const int32_t>()[token];
    const int64_t column = position / block_size;
    CHECK(position >= 0 && sequence >= 0 && sequence < sequences && column < blocks_per_sequence,
          "attention: position ", position, " of sequence ", sequence, " has no block table entry");
    const int64_t index =
        inputs[kBlockTables].as<const int32_t>()[sequence * blocks_per_sequence + column];
    CHECK(index >= 0 && index < block_count, "attention: position ", position, " of sequence ",
          sequence, " is in block ", index, " of ", block_count);
    return index;
  }

  // Element offset of row `row` of `block` for a KV head in either cache.
  int64_t offset(int64_t block, int64_t row, int64_t kv_head) const {
    return ((block * block_size + row) * kv_heads + kv_head) * head_dim;
  }

  const float* query(int64_t token, int64_t head) const {
    return inputs[kQuery].as<const float>() + (token * heads + head) * head_dim;
  }
  float* output(int64_t token, int64_t head) const {
    return out + (token * heads + head) * head_dim;
  }

  Views inputs;
  Settings settings;
  float* out;
  int64_t tokens, heads, head_dim, kv_heads, block_count, block_size, sequences,
      blocks_per_sequence;
};

void store(float* to, const float* from, int64_t count) { std::copy_n(from, count, to); }
void store(BFloat16* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = BFloat16::from_float(from[i]);
}
void store(Float16* to, const float* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = Float16::from_float(from[i]);
}

// Writes k and v of every token into their slots of the caches.
template <typename Cache>
void append(const Step& step) {
  const int64_t row_elements = step.kv_heads * step.head_dim;
  for (int64_t token = 0; token < step.tokens; ++token) {
    const int64_t position = step.position(token);
    const int64_t slot = step.offset(step.block(token, position), position % step.block_size, 0);
    const int64_t from = token * row_elements;
    store(step.inputs[kKeyCache].as<Cache>() + slot, step.inputs[kKey].as<const float>() + from,
          row_elements);
    store(step.inputs[kValueCache].as<Cache>() + slot, step.inputs[kValue].as<const float>() + from,
          row_elements);
  }
}

// Sum of a * b in f32. Independent partial sums let the compiler use vector registers without
// changing the order of a sum by itself.
template <typename Cache>
float dot(const float* a, const Cache* b, int64_t count) {
  constexpr int64_t kLanes = 16;
  std::array<float, kLanes> sums = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[static_cast<size_t>(lane)] += a[i + lane] * to_float(b[i + lane]);
    }
  }
  float sum = 0;
  for (; i < count; ++i) sum += a[i] * to_float(b[i]);
  for (const float lane_sum : sums) sum += lane_sum;
  return sum;
}

// Two passes per token and head: scores of all positions in block order, then their softmax times
// the values.
template <typename Cache>
class PagedAttention final : public BoundKernel {
 public:
  PagedAttention(const Settings& settings, int64_t most_positions) : settings_(settings) {
    scores_.reserve(static_cast<size_t>(most_positions));
  }

  void run(Views inputs, Views outputs) override {
    const Step step(inputs, outputs[0], settings_);
    append<Cache>(step);
    scores_.resize(static_cast<size_t>(step.blocks_per_sequence * step.block_size));
    for (int64_t token = 0; token < step.tokens; ++token) {
      for (int64_t head = 0; head < step.heads; ++head) attend(step, token, head);
    }
  }

 private:
  void attend(const Step& step, int64_t token, int64_t head) {
    const float highest = fill_scores(step, token, head);
    const int64_t length = step.position(token) + 1;
    float sum = 0;
    for (int64_t i = 0; i < length; ++i) {
      float& score = scores_[static_cast<size_t>(i)];
      score = std::exp(score - highest);
      sum += score;
    }
    add_values(step, token, head);
    float* out = step.output(token, head);
    for (int64_t e = 0; e < step.head_dim; ++e) out[e] /= sum;
  }

  float fill_scores(const Step& step, int64_t token, int64_t head) {
    const auto* cache = step.inputs[kKeyCache].as<const Cache>();
    const float* query = step.query(token, head);
    const int64_t row_stride = step.kv_heads * step.head_dim;
    const int64_t length = step.position(token) + 1;
    float highest = -std::numeric_limits<float>::infinity();
    for (int64_t begin = 0; begin < length; begin += step.block_size) {
      const Cache* key = cache + step.offset(step.block(token, begin), 0, step.kv_head(head));
      const int64_t end = std::min(length, begin + step.block_size);
      for (int64_t i = begin; i < end; ++i, key += row_stride) {
        const float score = dot(query, key, step.head_dim) * settings_.scale;
        scores_[static_cast<size_t>(i)] = score;
        highest = std::max(highest, score);
      }
    }
    return highest;
  }

  void add_values(const Step& step, int64_t token, int64_t head) {
    const auto* cache = step.inputs[kValueCache].as<const Cache>();
    float* out = step.output(token, head);
    const int64_t row_stride = step.kv_heads * step.head_dim;
    const int64_t length = step.position(token) + 1;
    std::fill_n(out, step.head_dim, 0.0F);
    for (int64_t begin = 0; begin < length; begin += step.block_size) {
      const Cache* value = cache + step.offset(step.block(token, begin), 0, step.kv_head(head));
      const int64_t end = std::min(length, begin + step.block_size);
      for (int64_t i = begin; i < end; ++i, value += row_stride) {
        const float weight = scores_[static_cast<size_t>(i)];
        for (int64_t e = 0; e < step.head_dim; ++e) out[e] += weight * to_float(value[e]);
      }
    }
  }

  Settings settings_;
  std::vector<float> scores_;  // of one token and head
};

// softmax(scale * q K^T) V of one token and head, in double, position by position.
template <typename Cache>
void reference_attend(const Step& step, int64_t token, int64_t head) {
  const int64_t length = step.position(token) + 1;
  std::vector<double> weights(static_cast<size_t>(length));
  std::vector<double> sums(static_cast<size_t>(step.head_dim), 0.0);
  const auto cache_row = [&](size_t cache, int64_t position) {
    return step.inputs[cache].as<const Cache>() +
           step.offset(step.block(token, position), position % step.block_size, step.kv_head(head));
  };
  double highest = -std::numeric_limits<double>::infinity();
  for (int64_t position = 0; position < length; ++position) {
    const Cache* key = cache_row(kKeyCache, position);
    double score = 0;
    for (int64_t e = 0; e < step.head_dim; ++e) {
      score += static_cast<double>(step.query(token, head)[e]) * to_float(key[e]);
    }
    weights[static_cast<size_t>(position)] = score * step.settings.scale;
    highest = std::max(highest, weights[static_cast<size_t>(position)]);
  }
  double total = 0;
  for (double& weight : weights) total += weight = std::exp(weight - highest);
  for (int64_t position = 0; position < length; ++position) {
    const Cache* value = cache_row(kValueCache, position);
    for (int64_t e = 0; e < step.head_dim; ++e) {
      sums[static_cast<size_t>(e)] +=
          weights[static_cast<size_t>(position)] / total * to_float(value[e]);
    }
  }
  std::ranges::copy(sums, step.output(token, head));
}

template <typename Cache>
void reference_attention(const Settings& settings, Views inputs, Views outputs) {
  const Step step(inputs, outputs[0], settings);
  append<Cache>(step);
  for (int64_t token = 0; token < step.tokens; ++token) {
    for (int64_t head = 0; head < step.heads; ++head) reference_attend<Cache>(step, token, head);
  }
}

bool accepts(const BindArgs& args) {
  for (const size_t input : {kQuery, kKey, kValue}) {
    if (args.inputs[input].dtype != DType::kF32) return false;
  }
  for (const size_t input : {kPositions, kSequenceIds, kBlockTables}) {
    if (args.inputs[input].dtype != DType::kI32) return false;
  }
  return args.inputs[kKeyCache].dtype == args.inputs[kValueCache].dtype &&
         args.outputs[0].dtype == DType::kF32;
}

Settings settings_of(const BindArgs& args) {
  const ir::Attributes& attributes = args.node.attributes;
  const int64_t heads = args.inputs[kQuery].dims[1].size;
  const int64_t kv_heads = args.inputs[kKey].dims[1].size;
  const auto head_dim = static_cast<double>(args.inputs[kQuery].dims[2].size);
  Settings settings;
  settings.scale = static_cast<float>(attributes.number_or("scale", 1.0 / std::sqrt(head_dim)));
  settings.group = attributes.integer_or("group", kv_heads > 0 ? heads / kv_heads : 1);
  settings.h_phase = attributes.integer_or("h_phase", 0);
  return settings;
}

int64_t most_positions(const BindArgs& args) {
  return args.inputs[kBlockTables].shape(args.max_sizes)[1] *
         args.inputs[kKeyCache].shape(args.max_sizes)[1];
}

std::unique_ptr<BoundKernel> bind_paged(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[kKeyCache].dtype, [&]<typename Cache>(Cache) {
    kernel = std::make_unique<PagedAttention<Cache>>(settings_of(args), most_positions(args));
  });
  return kernel;
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[kKeyCache].dtype, [&]<typename Cache>(Cache) {
    kernel = make_kernel([settings = settings_of(args)](Views inputs, Views outputs) {
      reference_attention<Cache>(settings, inputs, outputs);
    });
  });
  return kernel;
}

constexpr std::array<Kernel, 2> kKernels = {{{"paged", bind_paged}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"attention", kKernels}}};

}  // namespace

std::span<const KernelList> attention_cpu_kernels() { return kLists; }

}  // namespace partita::ops
