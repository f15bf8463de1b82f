// SPDX-License-Identifier: Apache-2.0
#include "support/units.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace partita {
namespace {

std::string with_decimals(double value, int decimals, const char* unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f %s", decimals, value, unit);
  return text.data();
}

}  // namespace

std::string format_bytes(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (std::abs(bytes) < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (std::fabs(value) >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return with_decimals(value, 1, kUnits[unit]);
}

std::string format_seconds(double seconds) {
  if (seconds < 1e-6) return with_decimals(seconds * 1e9, 0, "ns");
  if (seconds < 1e-3) return with_decimals(seconds * 1e6, 1, "us");
  if (seconds < 1) return with_decimals(seconds * 1e3, 2, "ms");
  return with_decimals(seconds, 2, "s");
}

}  // namespace partita
