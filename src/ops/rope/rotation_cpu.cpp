// SPDX-License-Identifier: Apache-2.0
#include "ops/rope/rotation.h"

#include <cmath>
#include <numbers>
#include <string>

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

}  // namespace

std::vector<float> rope_frequencies(const ir::Attributes& attributes, int64_t head_dim) {
  const int64_t rotary_dim = attributes.integer_or("rotary_dim", head_dim);
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

Rotation::Rotation(const ir::Attributes& attributes, int64_t head_dim, device::Instructions level)
    : kernels_(&row_kernels(level)),
      frequencies_(rope_frequencies(attributes, head_dim)),
      head_dim_(head_dim) {}

void Rotation::make_angles(int64_t position, float* angles) const {
  const int64_t half = angle_floats() / 2;
  kernels_->angles(static_cast<float>(position), frequencies_.data(), half, angles, angles + half);
}

void Rotation::rotate(const float* from, int64_t heads, const float* angles, float* to) const {
  const int64_t half = angle_floats() / 2;
  kernels_->rotate({.from = from,
                    .to = to,
                    .heads = heads,
                    .head_dim = head_dim_,
                    .half = half,
                    .cosine = angles,
                    .sine = angles + half});
}

}  // namespace partita::ops
