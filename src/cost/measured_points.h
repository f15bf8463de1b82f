// SPDX-License-Identifier: Apache-2.0
// Reading measured points: what noise cannot be, and what lies between them.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace partita::cost {

// The times of `points`, whose sizes ascend, none above a later one: a smaller job takes no longer
// than a larger one, and other work on the machine only ever adds.
template <typename Point, typename Projection>
std::vector<double> non_falling(const std::vector<Point>& points, Projection time_of) {
  std::vector<double> times;
  for (const Point& point : points) times.push_back(std::invoke(time_of, point));
  for (size_t i = times.size(); i-- > 1;) times[i - 1] = std::min(times[i - 1], times[i]);
  return times;
}

// The y at `x` of the line through (x0, y0) and (x1, y1) on paper with two logarithmic scales; all
// positive, x0 < x1.
inline double log_interpolated(double x, double x0, double y0, double x1, double y1) {
  const double share = std::log(x / x0) / std::log(x1 / x0);
  return y0 * std::pow(y1 / y0, share);
}

}  // namespace partita::cost
