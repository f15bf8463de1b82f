// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/dual_ascent.h"

#include <algorithm>
#include <cmath>

namespace partita::planner {
namespace {

constexpr double kInertia = 0.7;      // of the direction: steps alternate less
constexpr double kSlower = 0.7;       // pace after a stall
constexpr int kStall = 12;            // steps without a better bound
constexpr double kLeastPace = 1e-4;   // slower than that there is nothing more to win
constexpr double kWorthwhile = 1e-6;  // relative rise that counts as better

}  // namespace

DualAscent::DualAscent(const Network& network, Relaxation& relaxation, RowPrices& prices)
    : network_(network), relaxation_(relaxation), prices_(prices) {
  for (size_t row = 0; row < network.limits.size(); ++row) {
    if (prices.price(static_cast<int>(row)) > 0) active_.push_back(static_cast<int>(row));
  }
  direction_.resize(active_.size(), 0);
}

Cost DualAscent::run(const AscentLimits& limits, const Visit& visit) {
  Cost best = -kForbidden;
  Cost target = limits.target;
  RowPrices best_prices = prices_;
  std::vector<int> choice(network_.nodes.size(), 0);
  int stall = 0;
  for (int i = 0; i < limits.steps && pace_ > kLeastPace; ++i) {
    if (i > 0 && limits.is_over && limits.is_over()) break;
    const Cost bound = relaxation_.bound(network_, prices_, limits.sweeps);
    if (bound >= kForbidden) return kForbidden;
    const auto rise = static_cast<double>(bound - best);
    stall = rise > kWorthwhile * std::abs(static_cast<double>(bound)) ? 0 : stall + 1;
    if (bound > best) {
      best = bound;
      best_prices = prices_;
    }
    if (best >= target) break;
    relaxation_.choose(choice);
    target = std::min(target, visit(choice));
    const std::vector<int64_t> bytes = row_bytes(network_, choice);
    activate(bytes);
    if (active_.empty() && relaxation_.is_exact()) break;
    if (stall > kStall) {
      prices_ = best_prices;
      std::fill(direction_.begin(), direction_.end(), 0.0);
      pace_ *= kSlower;
      stall = 0;
    }
    // Without a known assignment the bound itself is the scale.
    const double scale = 0.1 * std::abs(static_cast<double>(best)) + 1;
    const double missing = target < kForbidden ? static_cast<double>(target - bound) : scale;
    step(bytes, std::max(missing, 1e-2 * scale));
  }
  prices_ = best_prices;
  return best;
}

void DualAscent::activate(const std::vector<int64_t>& bytes) {
  int worst = -1;
  int64_t most = 0;
  for (size_t row = 0; row < bytes.size(); ++row) {
    const int64_t excess = bytes[row] - network_.limits[row];
    if (excess <= most) continue;
    most = excess;
    worst = static_cast<int>(row);
  }
  if (worst < 0 || std::find(active_.begin(), active_.end(), worst) != active_.end()) return;
  active_.push_back(worst);
  direction_.push_back(0);
}

void DualAscent::step(const std::vector<int64_t>& bytes, double missing) {
  double square = 0;
  for (size_t i = 0; i < active_.size(); ++i) {
    const auto row = static_cast<size_t>(active_[i]);
    double& direction = direction_[i];
    direction = kInertia * direction + static_cast<double>(bytes[row] - network_.limits[row]);
    if (prices_.price(active_[i]) <= 0) direction = std::max(direction, 0.0);
    square += direction * direction;
  }
  if (square <= 0) return;
  const double length = pace_ * missing * relaxation_.unit() / square;
  for (size_t i = 0; i < active_.size(); ++i) {
    prices_.set_price(active_[i], prices_.price(active_[i]) + length * direction_[i]);
  }
}

}  // namespace partita::planner
