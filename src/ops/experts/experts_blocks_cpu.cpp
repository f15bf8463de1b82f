// SPDX-License-Identifier: Apache-2.0
// The plain reference of experts for weights that are stored in blocks.
#include "ops/experts/experts_blocks.h"

#include <algorithm>
#include <vector>

#include "ops/activations.h"
#include "ops/cpu_kernel.h"
#include "ops/weight_rows.h"

namespace partita::ops {
namespace {

enum Input : size_t { kTokens, kRouting, kGate, kUp, kDown };

double dot(const float* x, const float* w, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(w[i]);
  return sum;
}

// x[t,k], r[t,a], gate[e,f,k], up[e,f,k], down[e,d,f]; y[t,d]. Expert 0 has column e_begin of r.
template <typename Function>
class BlocksExperts final : public BoundKernel {
 public:
  explicit BlocksExperts(int64_t e_begin) : e_begin_(e_begin) {}

  void run(Views inputs, Views outputs) override {
    const int64_t width = outputs[0].shape[1];
    const TensorView& routing = inputs[kRouting];
    auto* y = outputs[0].as<float>();
    for (int64_t token = 0; token < routing.shape[0]; ++token, y += width) {
      std::fill_n(y, width, 0.0F);
      for (int64_t expert = 0; expert < inputs[kGate].shape[0]; ++expert) {
        const float share = routing.as<const float>()[token * routing.shape[1] + e_begin_ + expert];
        if (share != 0) add_expert(inputs, token, expert, share, y);
      }
    }
  }

 private:
  void add_expert(Views inputs, int64_t token, int64_t expert, float share, float* y) {
    const int64_t inner = inputs[kGate].shape[1];
    const int64_t k = inputs[kGate].shape[2];
    const int64_t width = inputs[kDown].shape[1];
    const float* x = inputs[kTokens].as<const float>() + token * k;
    h_.resize(static_cast<size_t>(inner));
    for (int64_t i = 0; i < inner; ++i) {
      const double gated = dot(x, rows_.row(inputs[kGate], expert * inner + i), k);
      const double straight = dot(x, rows_.row(inputs[kUp], expert * inner + i), k);
      h_[static_cast<size_t>(i)] =
          static_cast<float>(static_cast<double>(Function{}(static_cast<float>(gated))) * straight);
    }
    for (int64_t i = 0; i < width; ++i) {
      const double sum = dot(h_.data(), rows_.row(inputs[kDown], expert * width + i), inner);
      y[i] += static_cast<float>(share * sum);
    }
  }

  int64_t e_begin_;
  WeightRows rows_;
  std::vector<float> h_;
};

}  // namespace

std::unique_ptr<BoundKernel> bind_blocks_experts(const BindArgs& args) {
  for (const size_t weight : {kGate, kUp, kDown}) {
    if (!is_block_type(args.inputs[weight].dtype)) return nullptr;
  }
  for (const size_t input : {kTokens, kRouting}) {
    if (args.inputs[input].dtype != DType::kF32) return nullptr;
  }
  std::unique_ptr<BoundKernel> kernel;
  visit_activation(args.node.attributes.text_or("activation", "silu"),
                   [&]<typename Function>(Function) {
                     kernel = std::make_unique<BlocksExperts<Function>>(
                         args.node.attributes.integer_or("e_begin", 0));
                   });
  return kernel;
}

}  // namespace partita::ops
