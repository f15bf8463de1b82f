// SPDX-License-Identifier: Apache-2.0
// rope on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

// Scales one frequency as Llama 3.1 does: long waves are stretched by `factor`, short ones kept,
// those between blended.
float llama3_frequency(float frequency, const ir::Attributes& attributes) {
  const auto factor = static_cast<float>(attributes.number("factor"));
  const auto low = static_cast<float>(attributes.number("low_freq_factor"));
  const auto high = static_cast<float>(attributes.number("high_freq_factor"));
  const auto length = static_cast<float>(attributes.number("original_max_position"));
  const float wave = 2 * std::numbers::pi_v<float> / frequency;
  if (wave < length / high) return frequency;
  if (wave > length / low) return frequency / factor;
  const float blend = (length / wave - low) / (high - low);
  return (1 - blend) * frequency / factor + blend * frequency;
}

// Radians per position of each rotated pair, in f32 as the checkpoints were trained:
// theta^(-2i / rotary_dim), then the scaling of rope_type.
std::vector<float> frequencies(const ir::Attributes& attributes, int64_t rotary_dim) {
  const auto theta = static_cast<float>(attributes.number("theta"));
  const std::string type = attributes.text_or("rope_type", "default");
  std::vector<float> result;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    float frequency =
        1.0F / std::pow(theta, static_cast<float>(i) / static_cast<float>(rotary_dim));
    if (type == "linear") frequency /= static_cast<float>(attributes.number("factor"));
    if (type == "llama3") frequency = llama3_frequency(frequency, attributes);
    result.push_back(frequency);
  }
  return result;
}

// x[t, h, e], positions[t]: rotates the pair (i, i + half) of every head of token t by positions[t]
// * frequency(i); the elements from rotary_dim on pass through.
class Rope final : public BoundKernel {
 public:
  explicit Rope(const BindArgs& args) {
    const int64_t head_dim = args.inputs[0].dims[2].size;
    const int64_t rotary_dim = args.node.attributes.integer_or("rotary_dim", head_dim);
    frequencies_ = frequencies(args.node.attributes, rotary_dim);
    cos_.resize(frequencies_.size());
    sin_.resize(frequencies_.size());
  }

  void run(Views inputs, Views outputs) override {
    const std::vector<int64_t>& shape = inputs[0].shape;
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    for (int64_t token = 0; token < shape[0]; ++token) {
      set_angles(static_cast<float>(integer_at(inputs[1], token)));
      for (int64_t head = 0; head < shape[1]; ++head, x += shape[2], y += shape[2]) {
        rotate(x, y, shape[2]);
      }
    }
  }

 private:
  void set_angles(float position) {
    for (size_t i = 0; i < frequencies_.size(); ++i) {
      const float angle = position * frequencies_[i];
      cos_[i] = std::cos(angle);
      sin_[i] = std::sin(angle);
    }
  }

  void rotate(const float* x, float* y, int64_t head_dim) const {
    const size_t half = frequencies_.size();
    for (size_t i = 0; i < half; ++i) {
      y[i] = x[i] * cos_[i] - x[i + half] * sin_[i];
      y[i + half] = x[i + half] * cos_[i] + x[i] * sin_[i];
    }
    std::copy(x + 2 * half, x + head_dim, y + 2 * half);
  }

  std::vector<float> frequencies_;
  std::vector<float> cos_;  // of the current token
  std::vector<float> sin_;
};

// The same on vectors, with tokens shared among threads.
class RopeRows final : public BoundKernel {
 public:
  RopeRows(const BindArgs& args, const RowKernels& kernels) : kernels_(kernels), scratch_(args) {
    const int64_t head_dim = args.inputs[0].dims[2].size;
    frequencies_ =
        frequencies(args.node.attributes, args.node.attributes.integer_or("rotary_dim", head_dim));
    static_cast<void>(angles(team_size()));
  }

  void run(Views inputs, Views outputs) override {
    const int64_t heads = inputs[0].shape[1];
    const int64_t head_dim = inputs[0].shape[2];
    const Split tokens = {.items = inputs[0].shape[0],
                          .bytes_per_item = 2 * heads * head_dim * int64_t{sizeof(float)},
                          .least_bytes = 256 << 10};
    const int64_t ranges = ranges_of(tokens, team_size());
    float* memory = angles(ranges);
    const auto half = static_cast<int64_t>(frequencies_.size());
    parallel_for(ranges, [&](int64_t index) {
      float* cosine = memory + index * 2 * half;
      const Range range = split_range(tokens, index, ranges);
      for (int64_t token = range.begin; token < range.end; ++token) {
        const auto position = static_cast<float>(integer_at(inputs[1], token));
        kernels_.angles(position, frequencies_.data(), half, cosine, cosine + half);
        const int64_t first = token * heads * head_dim;
        kernels_.rotate({.from = inputs[0].as<const float>() + first,
                         .to = outputs[0].as<float>() + first,
                         .heads = heads,
                         .head_dim = head_dim,
                         .half = half,
                         .cosine = cosine,
                         .sine = cosine + half});
      }
    });
  }

 private:
  // Cosines and sines of one token for each of `ranges` threads.
  float* angles(int64_t ranges) {
    const auto floats = static_cast<int64_t>(2 * frequencies_.size()) * ranges;
    return reinterpret_cast<float*>(
        scratch_->reserve(Scratch::kInput, floats * int64_t{sizeof(float)}));
  }

  const RowKernels& kernels_;
  ScratchHandle scratch_;
  std::vector<float> frequencies_;
};

bool is_f32(const BindArgs& args) {
  return args.inputs[0].dtype == DType::kF32 && args.outputs[0].dtype == DType::kF32;
}

std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  return is_f32(args) ? std::make_unique<RopeRows>(args, row_kernels(level)) : nullptr;
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!is_f32(args)) return nullptr;
  return std::make_unique<Rope>(args);
}

constexpr auto kKernels = leveled_kernels<bind_rows>(bind_reference);
constexpr std::array<KernelList, 1> kLists = {{{"rope", kKernels}}};

}  // namespace

std::span<const KernelList> rope_cpu_kernels() { return kLists; }

}  // namespace partita::ops
