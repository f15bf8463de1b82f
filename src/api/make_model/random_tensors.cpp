// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers, eight of 16 bits per block.
#include "api/make_model/random_tensors.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "ir/weight_copy.h"
#include "support/philox.h"

namespace partita::api {
namespace {

constexpr int64_t kPerBlock = 8;

// Of a name; the constants are those of 64-bit FNV-1a.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// Values are center + spread * u with u uniform in [-1, 1].
struct Distribution {
  float center = 0;
  float spread = 0;
};

Distribution distribution_of(const std::string& name, const std::vector<int64_t>& shape) {
  if (shape.size() > 1) return {0, std::sqrt(3.0F / static_cast<float>(shape.back()))};
  return name.ends_with(".bias") ? Distribution{0, 0.02F} : Distribution{1, 0.1F};
}

// Eight uniform values in [-1, 1].
std::array<float, kPerBlock> block_of(uint64_t key, uint64_t number) {
  const auto words =
      philox4x32({static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32), 0, 0},
                 {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)});
  std::array<float, kPerBlock> values{};
  for (size_t i = 0; i < words.size(); ++i) {
    values[2 * i] = static_cast<float>(words[i] & 0xffffU) * (2 / 65535.0F) - 1;
    values[2 * i + 1] = static_cast<float>(words[i] >> 16) * (2 / 65535.0F) - 1;
  }
  return values;
}

}  // namespace

void RandomTensors::fill(const std::string& tensor, int64_t first, std::span<float> to) const {
  const Distribution distribution = distribution_of(tensor, shapes_.at(tensor));
  const uint64_t key = hash_of(tensor) ^ (seed_ * 0x9E3779B97F4A7C15U);
  const auto count = static_cast<int64_t>(to.size());
  for (int64_t done = 0; done < count;) {
    const int64_t element = first + done;
    const auto values = block_of(key, static_cast<uint64_t>(element / kPerBlock));
    const int64_t begin = element % kPerBlock;
    const int64_t end = std::min(kPerBlock, begin + count - done);
    for (int64_t i = begin; i < end; ++i) {
      to[static_cast<size_t>(done++)] =
          distribution.center + distribution.spread * values[static_cast<size_t>(i)];
    }
  }
}

void RandomTensors::load(const ir::WeightSource& source, float* to) const {
  const auto type = [this](const std::string& name) {
    ir::TensorType found{DType::kF32, {}};
    for (const int64_t size : shapes_.at(name)) found.dims.emplace_back(size);
    return found;
  };
  for (const ir::WeightCopy& copy : ir::plan_copies(source, type)) {
    std::vector<float> run;
    const auto walk = [&](const auto& self, size_t depth, int64_t from, int64_t at) -> void {
      if (depth == copy.dims.size()) return fill(copy.tensor, from, {to + at, 1});
      const ir::CopyDim& dim = copy.dims[depth];
      if (depth + 1 == copy.dims.size() && dim.tensor_stride == 1) {
        run.resize(static_cast<size_t>(dim.count));
        fill(copy.tensor, from, run);
        for (int64_t i = 0; i < dim.count; ++i)
          to[at + i * dim.dst_stride] = run[static_cast<size_t>(i)];
        return;
      }
      for (int64_t i = 0; i < dim.count; ++i) {
        self(self, depth + 1, from + i * dim.tensor_stride, at + i * dim.dst_stride);
      }
    };
    walk(walk, 0, copy.tensor_start, copy.dst_start);
  }
}

}  // namespace partita::api
