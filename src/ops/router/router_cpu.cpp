// SPDX-License-Identifier: Apache-2.0
// router on the CPU: logits by ops/weight_product.h, or a plain reference.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/products.h"
#include "ops/weight_product.h"

namespace partita::ops {
namespace {

struct Choice {
  int64_t top_k = 1;
  bool normalize = false;
};

Choice choice_of(const ir::Node& node) {
  return {node.attributes.integer("top_k"), node.attributes.integer_or("normalize", 0) != 0};
}

// The index of the largest logit that has not been taken; the first of equal ones. A NaN is never
// larger, so a row of NaNs chooses its first experts and passes the NaN on.
template <typename Logit>
int64_t next_best(const Logit* logits, const float* taken, int64_t experts) {
  int64_t best = -1;
  for (int64_t expert = 0; expert < experts; ++expert) {
    if (!(taken[expert] < 0)) continue;  // a NaN is taken too
    if (best < 0 || logits[expert] > logits[best]) best = expert;
  }
  return best;
}

// logits[experts] -> weights[experts]: softmax, the best top_k, zeros elsewhere.
template <typename Logit>
void choose(const Logit* logits, float* weights, int64_t experts, Choice choice) {
  double highest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < experts; ++i) highest = std::max<double>(highest, logits[i]);
  double sum = 0;
  for (int64_t i = 0; i < experts; ++i) sum += std::exp(logits[i] - highest);
  std::fill_n(weights, experts, -1.0F);  // not taken
  double kept = 0;
  for (int64_t i = 0; i < choice.top_k; ++i) {
    const int64_t best = next_best(logits, weights, experts);
    const double share = std::exp(logits[best] - highest) / sum;
    weights[best] = static_cast<float>(std::max(share, 0.0));
    kept += share;
  }
  const double scale = choice.normalize ? 1 / kept : 1;
  for (int64_t i = 0; i < experts; ++i) {
    weights[i] = weights[i] < 0 ? 0.0F : static_cast<float>(weights[i] * scale);
  }
}

// x[t, k] f32, w[e, k]; r[t, e] f32. Logits in double; x is rounded to Factor first.
template <typename Weight, typename Factor>
void reference_router(Choice choice, Views inputs, Views outputs, std::vector<double>& logits) {
  const int64_t tokens = inputs[0].shape[0];
  const int64_t k = inputs[0].shape[1];
  const int64_t experts = inputs[1].shape[0];
  const auto* w = inputs[1].as<const Weight>();
  logits.resize(static_cast<size_t>(experts));
  for (int64_t token = 0; token < tokens; ++token) {
    const float* x = inputs[0].as<const float>() + token * k;
    for (int64_t expert = 0; expert < experts; ++expert) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        sum += static_cast<double>(rounded_like<Factor>(x[i])) * to_float(w[expert * k + i]);
      }
      logits[static_cast<size_t>(expert)] = sum;
    }
    choose(logits.data(), outputs[0].as<float>() + token * experts, experts, choice);
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != DType::kF32) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[1].dtype, [&]<typename Weight>(Weight) {
    const auto reference = are_near_f32(args.node.attributes) ? reference_router<Weight, float>
                                                              : reference_router<Weight, Weight>;
    kernel = make_kernel(
        [reference, choice = choice_of(args.node), logits = std::vector<double>()](
            Views inputs, Views outputs) mutable { reference(choice, inputs, outputs, logits); });
  });
  return kernel;
}

class OneDnnRouter final : public BoundKernel {
 public:
  OneDnnRouter(const BindArgs& args, WeightProduct product)
      : product_(std::move(product)), scratch_(args), choice_(choice_of(args.node)) {}

  void run(Views inputs, Views outputs) override {
    const int64_t tokens = inputs[0].shape[0];
    const int64_t k = inputs[0].shape[1];
    const int64_t experts = inputs[1].shape[0];
    for (int64_t begin = 0; begin < tokens; begin += kMostProductRows) {
      const int64_t rows = std::min(kMostProductRows, tokens - begin);
      std::byte* x = scratch_->reserve(Scratch::kInput, product_.input_bytes(rows));
      auto* logits = reinterpret_cast<float*>(
          scratch_->reserve(Scratch::kOutput, rows * experts * size_of(DType::kF32)));
      product_.make_input({.x = inputs[0].as<const float>() + begin * k, .rows = rows}, x);
      product_.run(x, rows, inputs[1].data, logits, *scratch_);
      float* to = outputs[0].as<float>() + begin * experts;
      for (int64_t row = 0; row < rows; ++row) {
        choose(logits + row * experts, to + row * experts, experts, choice_);
      }
    }
  }

 private:
  WeightProduct product_;
  ScratchHandle scratch_;
  Choice choice_;
};

std::unique_ptr<BoundKernel> bind_onednn(const BindArgs& args) {
  if (!is_product_call(args.inputs[0], args.inputs[1])) return nullptr;
  const std::vector<int64_t> w = args.inputs[1].shape();
  if (w[0] == 0 || w[1] == 0) return nullptr;
  WeightProduct product(
      {args.inputs[1].dtype, w[0], w[1], w[0], are_near_f32(args.node.attributes)});
  product.use_plain_weights();  // small: the copy would not pay
  return std::make_unique<OneDnnRouter>(args, std::move(product));
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"onednn", bind_onednn}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"router", kKernels}}};

}  // namespace

std::span<const KernelList> router_cpu_kernels() { return kLists; }

}  // namespace partita::ops
