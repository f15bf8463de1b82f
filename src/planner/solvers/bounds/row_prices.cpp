// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/row_prices.h"

#include <algorithm>
#include <cmath>

namespace partita::planner {
namespace {

Cost largest_real(const std::vector<Cost>& costs) {
  Cost largest = 0;
  for (const Cost cost : costs) {
    if (cost < kForbidden) largest = std::max(largest, cost);
  }
  return largest;
}

}  // namespace

int price_shift(const Network& network) {
  Cost sum = 1;
  for (const int index : network.living_nodes()) sum += largest_real(network.node(index).cost);
  for (const Network::Edge& edge : network.edges) {
    if (edge.is_alive) sum += largest_real(edge.cost);
  }
  int shift = 0;
  while (sum << (shift + 1) < kDearest / 64) ++shift;
  return shift;
}

void RowPrices::set_price(int row, double price) {
  // Together the prices stay below 2^62.
  const double most = std::ldexp(1.0, 62) / static_cast<double>(price_.size());
  price_[static_cast<size_t>(row)] = static_cast<int64_t>(std::clamp(price, 0.0, most));
}

bool RowPrices::is_zero() const {
  return std::all_of(price_.begin(), price_.end(), [](int64_t price) { return price == 0; });
}

void RowPrices::price_nodes(const Network& network, int shift, PriceTable& result) const {
  std::vector<int64_t> before(price_.size() + 1, 0);
  for (size_t row = 0; row < price_.size(); ++row) before[row + 1] = before[row] + price_[row];
  const std::vector<int> living = network.living_nodes();
  // Lower prices than right keep the bound a bound, and all of them together stay summable.
  const auto choices = std::count_if(
      living.begin(), living.end(), [&](int index) { return !network.node(index).usages.empty(); });
  const __int128 most = kDearest / 4 / static_cast<int64_t>(choices + 1);
  result.resize(network.nodes.size());
  for (const int index : living) {
    const Network::Node& node = network.node(index);
    std::vector<Price>& prices = result[static_cast<size_t>(index)];
    prices.resize(node.cost.size());
    for (size_t i = 0; i < prices.size(); ++i) {
      __int128 memory = 0;
      for (const RowUsage& usage : node.usages) {
        const int64_t price =
            before[static_cast<size_t>(usage.end)] - before[static_cast<size_t>(usage.begin)];
        memory += static_cast<__int128>(price) * usage.bytes[i];
      }
      memory = std::min(memory >> kFractionBits, most);
      const bool is_forbidden = node.cost[i] >= kForbidden;
      prices[i] = is_forbidden ? kDearest : (node.cost[i] << shift) + static_cast<Price>(memory);
    }
  }
}

Price RowPrices::limit_price(const Network& network) const {
  __int128 sum = 0;
  for (size_t row = 0; row < price_.size(); ++row) {
    sum += static_cast<__int128>(price_[row]) * network.limits[row];
  }
  sum = (sum >> kFractionBits) + 1;
  return static_cast<Price>(std::min(sum, static_cast<__int128>(kDearest)));
}

std::vector<int64_t> row_bytes(const Network& network, const std::vector<int>& choice) {
  std::vector<int64_t> bytes(network.limits.size() + 1, 0);
  for (size_t i = 0; i < network.nodes.size(); ++i) {
    if (!network.nodes[i].is_alive) continue;
    for (const RowUsage& usage : network.nodes[i].usages) {
      const int64_t used = usage.bytes[static_cast<size_t>(choice[i])];
      bytes[static_cast<size_t>(usage.begin)] += used;
      bytes[static_cast<size_t>(usage.end)] -= used;
    }
  }
  for (size_t row = 1; row < bytes.size(); ++row) bytes[row] += bytes[row - 1];
  bytes.pop_back();
  return bytes;
}

Cost network_cost(const Network& network, const std::vector<int>& choice) {
  Cost sum = network.constant;
  for (size_t i = 0; i < network.nodes.size(); ++i) {
    const Network::Node& node = network.nodes[i];
    if (node.is_alive) sum = add_costs(sum, node.cost[static_cast<size_t>(choice[i])]);
  }
  for (const Network::Edge& edge : network.edges) {
    if (!edge.is_alive) continue;
    sum =
        add_costs(sum, network.edge_cost(edge, edge.first, choice[static_cast<size_t>(edge.first)],
                                         choice[static_cast<size_t>(edge.second)]));
  }
  return sum;
}

bool fits_rows(const Network& network, const std::vector<int>& choice) {
  const std::vector<int64_t> bytes = row_bytes(network, choice);
  for (size_t row = 0; row < bytes.size(); ++row) {
    if (bytes[row] > network.limits[row]) return false;
  }
  return true;
}

}  // namespace partita::planner
