// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/message_passing.h"

#include <algorithm>

namespace partita::planner {

MessagePassing::MessagePassing(const Network& network, int shift) {
  std::vector<int> position(network.nodes.size(), -1);
  for (const int index : network.living_nodes()) {
    position[static_cast<size_t>(index)] = static_cast<int>(nodes_.size());
    const std::vector<Price> zero(network.node(index).cost.size(), 0);
    nodes_.push_back({index, zero, zero, {}, {}});
  }
  for (const Network::Edge& edge : network.edges) {
    if (!edge.is_alive) continue;
    const int a = position[static_cast<size_t>(edge.first)];
    const int b = position[static_cast<size_t>(edge.second)];
    const int first = nodes_[static_cast<size_t>(std::min(a, b))].index;
    const int second = edge.other(first);
    Edge& copy = edges_.emplace_back(Edge{std::min(a, b), std::max(a, b), {}, {}, {}});
    for (int i = 0; i < network.node(first).options(); ++i) {
      for (int j = 0; j < network.node(second).options(); ++j) {
        const Cost cost = network.edge_cost(edge, first, i, j);
        copy.cost.push_back(cost >= kForbidden ? kDearest : cost << shift);
      }
    }
    copy.from_first.resize(network.node(first).cost.size(), 0);
    copy.from_second.resize(network.node(second).cost.size(), 0);
    const int index = static_cast<int>(edges_.size()) - 1;
    nodes_[static_cast<size_t>(copy.first)].after.push_back(index);
    nodes_[static_cast<size_t>(copy.second)].before.push_back(index);
  }
}

void MessagePassing::set_prices(const PriceTable& prices) {
  for (Node& node : nodes_) {
    const std::vector<Price>& given = prices[static_cast<size_t>(node.index)];
    for (size_t i = 0; i < given.size(); ++i) node.price[i] += given[i] - node.given[i];
    node.given = given;
  }
}

Price MessagePassing::sweep() {
  for (Node& node : nodes_) visit(node, true);
  for (size_t i = nodes_.size(); i-- > 0;) visit(nodes_[i], false);
  return bound_;
}

int64_t MessagePassing::work() const {
  size_t entries = 0;
  for (const Edge& edge : edges_) entries += edge.cost.size();
  return static_cast<int64_t>(4 * entries);
}

void MessagePassing::visit(Node& node, bool is_forward) {
  pull(node);
  const Price least_price = *std::min_element(node.price.begin(), node.price.end());
  bound_ += least_price;
  for (Price& price : node.price) price -= least_price;
  push(node, is_forward ? node.after : node.before);
}

void MessagePassing::least(const Edge& edge, bool of_first, std::vector<Price>& result) const {
  const size_t columns = edge.from_second.size();
  const Price* row = edge.cost.data();
  if (of_first) {
    result.resize(edge.from_first.size());
    for (size_t i = 0; i < result.size(); ++i, row += columns) {
      Price lowest = 2 * kDearest;
      for (size_t j = 0; j < columns; ++j) {
        lowest = std::min(lowest, row[j] + edge.from_second[j]);
      }
      result[i] = lowest + edge.from_first[i];
    }
    return;
  }
  result.assign(columns, 2 * kDearest);
  for (size_t i = 0; i < edge.from_first.size(); ++i, row += columns) {
    const Price from_first = edge.from_first[i];
    for (size_t j = 0; j < columns; ++j) result[j] = std::min(result[j], row[j] + from_first);
  }
  for (size_t j = 0; j < columns; ++j) result[j] += edge.from_second[j];
}

void MessagePassing::pull(Node& node) {
  for (const std::vector<int>* edges : {&node.before, &node.after}) {
    for (const int index : *edges) {
      Edge& edge = edges_[static_cast<size_t>(index)];
      const bool is_first = edges == &node.after;
      least(edge, is_first, buffer_);
      std::vector<Price>& moved = is_first ? edge.from_first : edge.from_second;
      for (size_t i = 0; i < buffer_.size(); ++i) {
        node.price[i] += buffer_[i];
        moved[i] -= buffer_[i];
      }
    }
  }
}

void MessagePassing::push(Node& node, const std::vector<int>& edges) {
  const auto parts = static_cast<Price>(std::max(node.before.size(), node.after.size()));
  buffer_.resize(node.price.size());
  if (edges.empty()) return;
  for (size_t i = 0; i < buffer_.size(); ++i) buffer_[i] = node.price[i] / parts;
  for (const int index : edges) {
    Edge& edge = edges_[static_cast<size_t>(index)];
    std::vector<Price>& moved = &edges == &node.after ? edge.from_first : edge.from_second;
    for (size_t i = 0; i < buffer_.size(); ++i) {
      moved[i] += buffer_[i];
      node.price[i] -= buffer_[i];
    }
  }
}

void MessagePassing::marginals(PriceTable& result) const {
  std::vector<Price> of_edge;
  for (const Node& node : nodes_) {
    std::vector<Price>& sum = result[static_cast<size_t>(node.index)];
    sum = node.price;
    for (Price& price : sum) price += bound_;
    for (const std::vector<int>* edges : {&node.before, &node.after}) {
      for (const int index : *edges) {
        least(edges_[static_cast<size_t>(index)], edges == &node.after, of_edge);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += of_edge[i];
      }
    }
  }
}

void MessagePassing::choose(std::vector<int>& choice) const {
  std::vector<Price> sum;
  for (const Node& node : nodes_) {
    sum = node.price;
    for (const int index : node.before) {
      const Edge& edge = edges_[static_cast<size_t>(index)];
      const int other = nodes_[static_cast<size_t>(edge.first)].index;
      const auto row = static_cast<size_t>(choice[static_cast<size_t>(other)]) * sum.size();
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += edge.cost[row + i] + edge.from_second[i];
    }
    // What later edges cost at least was pulled on the way back.
    choice[static_cast<size_t>(node.index)] =
        static_cast<int>(std::min_element(sum.begin(), sum.end()) - sum.begin());
  }
}

}  // namespace partita::planner
