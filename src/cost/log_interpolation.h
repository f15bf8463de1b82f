// SPDX-License-Identifier: Apache-2.0
// A straight line on paper with two logarithmic scales.
#pragma once

#include <cmath>

namespace partita::cost {

// The y at `x` of the line through (x0, y0) and (x1, y1); all positive, x0 < x1. Exact at both
// ends' order: within [y0, y1] for x within [x0, x1].
inline double log_interpolated(double x, double x0, double y0, double x1, double y1) {
  const double share = std::log(x / x0) / std::log(x1 / x0);
  return y0 * std::pow(y1 / y0, share);
}

}  // namespace partita::cost
