// SPDX-License-Identifier: Apache-2.0
// Llama 3 scaling: frequencies below one bound are divided by the factor, above another they stay,
// and between the bounds the divisor is interpolated.
#include "importer/gguf/rope_factors.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace partita::importer {
namespace {

using formats::RopeConfig;

constexpr double kTolerance = 1e-4;  // divisors are computed and stored in f32

double wavelength(double theta, size_t index, size_t count) {
  return 2 * std::numbers::pi *
         std::pow(theta, static_cast<double>(index) / static_cast<double>(count));
}

bool fits(const RopeConfig& rope, const std::vector<double>& factors) {
  const std::vector<double> expected = rope_factors(rope, 2 * static_cast<int64_t>(factors.size()));
  for (size_t i = 0; i < factors.size(); ++i) {
    if (!(std::abs(factors[i] - expected[i]) <= kTolerance * expected[i])) return false;
  }
  return true;
}

RopeConfig published(double theta, double factor, int64_t positions) {
  return {.theta = theta,
          .type = "llama3",
          .factor = factor,
          .low_freq_factor = 1,
          .high_freq_factor = 4,
          .original_max_positions = positions};
}

// Between the bounds the share of the unscaled frequency, (1/f - 1/F) / (1 - 1/F), is a line over
// positions / wavelength: two points of it give both bounds.
std::optional<RopeConfig> fitted(double theta, double factor, const std::vector<double>& factors) {
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < factors.size(); ++i) {
    const double share = (1 / factors[i] - 1 / factor) / (1 - 1 / factor);
    if (share > kTolerance && share < 1 - kTolerance)
      points.emplace_back(1 / wavelength(theta, i, factors.size()), share);
  }
  if (points.size() < 2) return std::nullopt;
  const auto [x0, y0] = points.front();
  const auto [x1, y1] = points.back();
  const double slope = (y1 - y0) / (x1 - x0);
  const double offset = y0 - slope * x0;
  // share = (positions x - low) / (high - low); one of the three is free, low = 1 as published.
  if (!(slope > 0) || !(offset < 0)) return std::nullopt;
  RopeConfig rope = published(theta, factor, 0);
  rope.original_max_positions = std::llround(-slope / offset);
  rope.high_freq_factor = 1 - 1 / offset;
  return rope;
}

}  // namespace

std::vector<double> rope_factors(const RopeConfig& rope, int64_t head_dim) {
  const auto positions = static_cast<double>(rope.original_max_positions);
  const auto count = static_cast<size_t>(head_dim / 2);
  std::vector<double> factors;
  for (size_t i = 0; i < count; ++i) {
    const double turns = positions / wavelength(rope.theta, i, count);
    const double share = std::clamp(
        (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor), 0.0, 1.0);
    factors.push_back(1 / ((1 - share) / rope.factor + share));
  }
  return factors;
}

std::optional<RopeConfig> rope_config_of(const std::vector<double>& factors, double theta) {
  const auto largest = std::max_element(factors.begin(), factors.end());
  if (largest == factors.end() || !std::isfinite(*largest) || *largest <= 1) return std::nullopt;
  for (const int64_t positions : {8192, 4096, 2048}) {
    const RopeConfig rope = published(theta, *largest, positions);
    if (fits(rope, factors)) return rope;
  }
  const auto rope = fitted(theta, *largest, factors);
  return rope && rope->original_max_positions > 0 && fits(*rope, factors) ? rope : std::nullopt;
}

}  // namespace partita::importer
