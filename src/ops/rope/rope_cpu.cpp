// SPDX-License-Identifier: Apache-2.0
// rope on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/rope/rotation.h"

namespace partita::ops {
namespace {

// x[t, h, e], positions[t]: rotates the pair (i, i + half) of every head of token t by positions[t]
// * frequency(i); the elements from rotary_dim on pass through.
class Rope final : public BoundKernel {
 public:
  explicit Rope(const BindArgs& args) {
    const int64_t head_dim = args.inputs[0].dims[2].size;
    frequencies_ = rope_frequencies(args.node.attributes, head_dim);
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
  RopeRows(const BindArgs& args, device::Instructions level)
      : rotation_(args.node.attributes, args.inputs[0].dims[2].size, level), scratch_(args) {
    static_cast<void>(angles(team_size()));
  }

  void run(Views inputs, Views outputs) override {
    const int64_t heads = inputs[0].shape[1];
    const int64_t token_floats = heads * inputs[0].shape[2];
    const Split tokens = {.items = inputs[0].shape[0],
                          .bytes_per_item = 2 * token_floats * int64_t{sizeof(float)},
                          .least_bytes = 256 << 10};
    const int64_t ranges = ranges_of(tokens, team_size());
    float* memory = angles(ranges);
    parallel_for(ranges, [&](int64_t index) {
      float* own = memory + index * rotation_.angle_floats();
      const Range range = split_range(tokens, index, ranges);
      for (int64_t token = range.begin; token < range.end; ++token) {
        rotation_.make_angles(integer_at(inputs[1], token), own);
        rotation_.rotate(inputs[0].as<const float>() + token * token_floats, heads, own,
                         outputs[0].as<float>() + token * token_floats);
      }
    });
  }

 private:
  // Those of one token for each of `ranges` threads.
  float* angles(int64_t ranges) {
    return reinterpret_cast<float*>(scratch_->reserve(
        Scratch::kInput, ranges * rotation_.angle_floats() * int64_t{sizeof(float)}));
  }

  Rotation rotation_;
  ScratchHandle scratch_;
};

bool is_f32(const BindArgs& args) {
  return args.inputs[0].dtype == DType::kF32 && args.outputs[0].dtype == DType::kF32;
}

std::unique_ptr<BoundKernel> bind_rows(const BindArgs& args, device::Instructions level) {
  return is_f32(args) ? std::make_unique<RopeRows>(args, level) : nullptr;
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
