// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/relaxation.h"

#include <algorithm>
#include <cmath>

namespace partita::planner {

Relaxation::Relaxation(const Network& network, int64_t max_entries) : shift_(price_shift(network)) {
  elimination_.emplace(network, Elimination::Options{shift_, max_entries});
  if (elimination_->fits()) return;
  elimination_.reset();
  messages_.emplace(network, shift_);
}

Cost Relaxation::bound(const Network& network, const RowPrices& prices, int sweeps) {
  prices.price_nodes(network, shift_, node_prices_);
  limit_price_ = prices.limit_price(network);
  Price least = 0;
  if (elimination_) {
    least = elimination_->minimum(node_prices_);
  } else {
    messages_->set_prices(node_prices_);
    for (int i = 0; i < sweeps; ++i) least = messages_->sweep();
  }
  return cost_of(least, network.constant);
}

void Relaxation::choose(std::vector<int>& choice) const {
  if (elimination_) {
    elimination_->choose(node_prices_, choice);
  } else {
    messages_->choose(choice);
  }
}

void Relaxation::marginals(const Network& network, std::vector<std::vector<Cost>>& result) {
  result.resize(network.nodes.size());
  if (elimination_) {
    elimination_->marginals(node_prices_, result);
  } else {
    messages_->marginals(result);
  }
  for (const int node : network.living_nodes()) {
    for (Price& price : result[static_cast<size_t>(node)]) {
      price = cost_of(price, network.constant);
    }
  }
}

int64_t Relaxation::work(int sweeps) const {
  return elimination_ ? elimination_->work() : messages_->work() * sweeps;
}

double Relaxation::unit() const { return std::ldexp(1.0, shift_ + RowPrices::kFractionBits); }

// Rounded up: costs are integers.
Cost Relaxation::cost_of(Price price, Cost constant) const {
  if (price >= kDearest / 2) return kForbidden;
  const Price relaxed = price - limit_price_;
  const Cost rounded = -((-relaxed) >> shift_);
  return constant + rounded;
}

}  // namespace partita::planner
