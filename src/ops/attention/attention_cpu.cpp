// SPDX-License-Identifier: Apache-2.0
// attention on the CPU: blocked with each level of instructions, and a plain reference in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention/attention_step_cpu.h"
#include "ops/attention/block_kernels.h"
#include "ops/products.h"
#include "ops/rope/rope_attributes.h"

namespace partita::ops {
namespace attention {
namespace {

// softmax(scale * q K^T) V of one token and head, in double, position by position.
template <typename Cache>
void reference_attend(const Step& step, int64_t token, int64_t head) {
  const int64_t length = step.position(token) + 1;
  std::vector<double> weights(static_cast<size_t>(length));
  std::vector<double> sums(static_cast<size_t>(step.head_dim), 0.0);
  const auto block_offset = [&](int64_t position) {
    return step.offset(step.kv_head(head), step.block(token, position));
  };
  double highest = -std::numeric_limits<double>::infinity();
  for (int64_t position = 0; position < length; ++position) {
    const Cache* key = step.inputs[kKeyCache].as<const Cache>() + block_offset(position) +
                       position % step.block_size;
    double score = 0;
    for (int64_t e = 0; e < step.head_dim; ++e) {
      score += static_cast<double>(step.query(token, head)[e]) * to_float(key[e * step.block_size]);
    }
    weights[static_cast<size_t>(position)] = score * step.settings.scale;
    highest = std::max(highest, weights[static_cast<size_t>(position)]);
  }
  double total = 0;
  for (double& weight : weights) total += weight = std::exp(weight - highest);
  for (int64_t position = 0; position < length; ++position) {
    const Cache* value = step.inputs[kValueCache].as<const Cache>() + block_offset(position) +
                         position % step.block_size * step.head_dim;
    for (int64_t e = 0; e < step.head_dim; ++e) {
      sums[static_cast<size_t>(e)] +=
          weights[static_cast<size_t>(position)] / total * to_float(value[e]);
    }
  }
  std::ranges::copy(sums, step.output(token, head));
}

template <typename Cache>
void reference_attention(const Settings& settings, Views inputs, Views outputs) {
  Step step(inputs, outputs[0], settings);
  step.to_f16 = kBlockKernelsPortable.to_f16;
  append(step);
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
  const DType cache = args.inputs[kKeyCache].dtype;
  return cache == args.inputs[kValueCache].dtype && args.outputs[0].dtype == DType::kF32 &&
         (cache == DType::kF32 || cache == DType::kBF16 || cache == DType::kF16);
}

std::unique_ptr<BoundKernel> bind_level(const BindArgs& args, device::Instructions level) {
  return accepts(args) ? bind_blocked(args, level) : nullptr;
}

// Rotates queries and keys as rope does, then attends.
class RotatedAttention final : public BoundKernel {
 public:
  RotatedAttention(const BindArgs& args, std::unique_ptr<BoundKernel> attention)
      : attention_(std::move(attention)) {
    ir::Node node = args.node;
    node.op = "rope";
    for (const size_t input : {kQuery, kKey}) {
      const std::array types = {args.inputs[input], args.inputs[kPositions]};
      rope_[input] = bind_cpu_kernel({.node = node,
                                      .inputs = types,
                                      .outputs = {types.data(), 1},
                                      .weights = {},
                                      .release_weight = {},
                                      .max_sizes = args.max_sizes,
                                      .groups = nullptr},
                                     "reference");
    }
  }

  void run(Views inputs, Views outputs) override {
    std::vector<TensorView> rotated(inputs.begin(), inputs.end());
    for (const size_t input : {kQuery, kKey}) {
      const std::array read = {inputs[input], inputs[kPositions]};
      rows_[input].resize(static_cast<size_t>(inputs[input].elements()));
      rotated[input].data = rows_[input].data();
      rope_[input]->run(read, {&rotated[input], 1});
    }
    attention_->run(rotated, outputs);
  }

 private:
  std::unique_ptr<BoundKernel> attention_;
  std::array<std::unique_ptr<BoundKernel>, 2> rope_;  // of queries and keys
  std::array<std::vector<float>, 2> rows_;
};

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[kKeyCache].dtype, [&]<typename Cache>(Cache) {
    kernel = make_kernel([settings = settings_of(args)](Views inputs, Views outputs) {
      reference_attention<Cache>(settings, inputs, outputs);
    });
  });
  if (!has_rope(args.node.attributes)) return kernel;
  return std::make_unique<RotatedAttention>(args, std::move(kernel));
}

constexpr auto kKernels = leveled_kernels<bind_level>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"attention", kKernels}}};

}  // namespace

Settings settings_of(const BindArgs& args) {
  const ir::Attributes& attributes = args.node.attributes;
  const int64_t heads = args.inputs[kQuery].dims[1].size;
  const int64_t kv_heads = args.inputs[kKey].dims[1].size;
  const auto head_dim = static_cast<double>(args.inputs[kQuery].dims[2].size);
  Settings settings;
  settings.scale = static_cast<float>(attributes.number_or("scale", 1.0 / std::sqrt(head_dim)));
  settings.group = attributes.integer_or("group", kv_heads > 0 ? heads / kv_heads : 1);
  settings.h_phase = attributes.integer_or("h_phase", 0);
  settings.near_f32 = are_near_f32(attributes);
  return settings;
}

}  // namespace attention

std::span<const KernelList> attention_cpu_kernels() { return attention::kLists; }

}  // namespace partita::ops
