// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bounds/elimination.h"

#include <algorithm>
#include <numeric>

#include "planner/solvers/bounds/elimination_order.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr size_t kMaxTermsBeforeClamp = 16;  // 32 times kDearest fit into a Price

void clamp(std::vector<Price>& prices) {
  for (Price& price : prices) price = std::min(price, kDearest);
}

}  // namespace

// All assignments of a bucket's scope, with the offset of every function.
class Elimination::Walk {
 public:
  explicit Walk(const Bucket& bucket)
      : bucket_(bucket), digits_(bucket.scope.size(), 0), offsets_(bucket.functions.size(), 0) {}

  [[nodiscard]] const std::vector<int64_t>& offsets() const { return offsets_; }

  bool advance() {
    for (size_t i = digits_.size(); i-- > 0;) {
      const bool is_last = ++digits_[i] == bucket_.scope_options[i];
      const int64_t steps = is_last ? 1 - bucket_.scope_options[i] : 1;
      for (size_t j = 0; j < offsets_.size(); ++j) {
        offsets_[j] += steps * bucket_.functions[j].strides[i];
      }
      if (!is_last) return true;
      digits_[i] = 0;
    }
    return false;
  }

 private:
  const Bucket& bucket_;
  std::vector<int> digits_;
  std::vector<int64_t> offsets_;
};

Elimination::Elimination(const Network& network, Options options)
    : position_(network.nodes.size(), -1) {
  order_nodes(network, options);
  if (fits_) connect(network, options.shift);
}

void Elimination::order_nodes(const Network& network, Options options) {
  EliminationOrder order(network);
  std::vector<int> scope;
  int64_t entries = 0;
  while (const auto node = order.next(scope)) {
    add_bucket(network, *node, scope);
    entries += buckets_.back().scope_size;
    // The joint tables are never stored, but computed; they are at most so many times larger.
    fits_ = entries <= options.max_entries && work_ <= 16 * options.max_entries;
    if (!fits_) return;
  }
}

void Elimination::add_bucket(const Network& network, int node, std::vector<int> scope) {
  position_[static_cast<size_t>(node)] = static_cast<int>(buckets_.size());
  Bucket bucket;
  bucket.node = node;
  bucket.options = network.node(node).options();
  bucket.scope = std::move(scope);
  for (const int other : bucket.scope) {
    // Saturates far above every limit.
    bucket.scope_size =
        std::min(bucket.scope_size * network.node(other).options(), int64_t{1} << 40);
  }
  work_ += bucket.scope_size * bucket.options;
  buckets_.push_back(std::move(bucket));
}

void Elimination::connect(const Network& network, int shift) {
  for (Bucket& bucket : buckets_) {
    std::sort(bucket.scope.begin(), bucket.scope.end(), [this](int a, int b) {
      return position_[static_cast<size_t>(a)] > position_[static_cast<size_t>(b)];
    });
    for (const int node : bucket.scope)
      bucket.scope_options.push_back(network.node(node).options());
  }
  for (const Network::Edge& edge : network.edges) {
    if (edge.is_alive) add_edge_function(network, edge, shift);
  }
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (!buckets_[i].scope.empty()) add_message_function(i);
  }
  messages_.resize(buckets_.size());
  for (size_t i = 0; i < buckets_.size(); ++i) {
    messages_[i].resize(static_cast<size_t>(buckets_[i].scope_size));
  }
}

void Elimination::add_edge_function(const Network& network, const Network::Edge& edge, int shift) {
  const bool first_goes_first =
      position_[static_cast<size_t>(edge.first)] < position_[static_cast<size_t>(edge.second)];
  const int own = first_goes_first ? edge.first : edge.second;
  const int other = first_goes_first ? edge.second : edge.first;
  Bucket& bucket = buckets_[static_cast<size_t>(position_[static_cast<size_t>(own)])];
  std::vector<Price> table;
  table.reserve(edge.cost.size());
  for (int i = 0; i < network.node(other).options(); ++i) {
    for (int option = 0; option < bucket.options; ++option) {
      const Cost cost = network.edge_cost(edge, own, option, i);
      table.push_back(cost >= kForbidden ? kDearest : cost << shift);
    }
  }
  Function function = {false, static_cast<int>(edge_tables_.size()),
                       std::vector<int64_t>(bucket.scope.size(), 0)};
  const auto found = std::find(bucket.scope.begin(), bucket.scope.end(), other);
  function.strides[static_cast<size_t>(found - bucket.scope.begin())] = bucket.options;
  edge_tables_.push_back(std::move(table));
  bucket.functions.push_back(std::move(function));
}

// The message goes to the node of its scope that is eliminated next, which varies fastest in it.
void Elimination::add_message_function(size_t index) {
  const Bucket& child = buckets_[index];
  Bucket& parent =
      buckets_[static_cast<size_t>(position_[static_cast<size_t>(child.scope.back())])];
  Function function = {true, static_cast<int>(index), std::vector<int64_t>(parent.scope.size(), 0)};
  int64_t stride = child.scope_options.back();
  for (size_t i = child.scope.size() - 1; i-- > 0;) {
    const auto found = std::find(parent.scope.begin(), parent.scope.end(), child.scope[i]);
    function.strides[static_cast<size_t>(found - parent.scope.begin())] = stride;
    stride *= child.scope_options[i];
  }
  parent.functions.push_back(std::move(function));
}

const Price* Elimination::table_of(const Function& function) const {
  const auto source = static_cast<size_t>(function.source);
  return function.is_message ? messages_[source].data() : edge_tables_[source].data();
}

void Elimination::add_functions(const Bucket& bucket,
                                const std::vector<int64_t>& offsets,
                                std::vector<Price>& sum) const {
  for (size_t i = 0; i < offsets.size(); ++i) {
    const Price* row = table_of(bucket.functions[i]) + offsets[i];
    for (size_t option = 0; option < sum.size(); ++option) sum[option] += row[option];
    if (i % kMaxTermsBeforeClamp == kMaxTermsBeforeClamp - 1) clamp(sum);
  }
}

Price Elimination::minimum(const PriceTable& prices) {
  CHECK(fits_, "the network is too wide for elimination");
  Price total = 0;
  std::vector<Price> sum;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    const std::vector<Price>& own = prices[static_cast<size_t>(bucket.node)];
    Walk walk(bucket);
    Price* message = messages_[i].data();
    do {
      sum = own;
      add_functions(bucket, walk.offsets(), sum);
      *message++ = std::min(kDearest, *std::min_element(sum.begin(), sum.end()));
    } while (walk.advance());
    if (bucket.scope.empty()) total = std::min(kDearest, total + messages_[i].front());
  }
  return total;
}

void Elimination::choose(const PriceTable& prices, std::vector<int>& choice) const {
  choice.assign(position_.size(), 0);
  std::vector<Price> sum;
  std::vector<int64_t> offsets;
  for (size_t i = buckets_.size(); i-- > 0;) {
    const Bucket& bucket = buckets_[i];
    offsets.assign(bucket.functions.size(), 0);
    for (size_t j = 0; j < offsets.size(); ++j) {
      for (size_t k = 0; k < bucket.scope.size(); ++k) {
        offsets[j] += bucket.functions[j].strides[k] * choice[static_cast<size_t>(bucket.scope[k])];
      }
    }
    sum = prices[static_cast<size_t>(bucket.node)];
    add_functions(bucket, offsets, sum);
    choice[static_cast<size_t>(bucket.node)] =
        static_cast<int>(std::min_element(sum.begin(), sum.end()) - sum.begin());
  }
}

// From the roots down: what everything outside of a message's subtree costs at least.
void Elimination::send_outside(size_t index,
                               const PriceTable& prices,
                               std::vector<Price>& marginal) {
  const Bucket& bucket = buckets_[index];
  for (const Function& function : bucket.functions) {
    if (!function.is_message) continue;
    const auto source = static_cast<size_t>(function.source);
    outside_[source].assign(messages_[source].size(), kDearest);
  }
  marginal.assign(static_cast<size_t>(bucket.options), kDearest);
  std::vector<Price> sum;
  Walk walk(bucket);
  const Price* outside = outside_[index].data();
  do {
    sum = prices[static_cast<size_t>(bucket.node)];
    add_functions(bucket, walk.offsets(), sum);
    for (size_t option = 0; option < sum.size(); ++option) {
      sum[option] = std::min(kDearest, sum[option] + *outside);
      marginal[option] = std::min(marginal[option], sum[option]);
    }
    ++outside;
    for (size_t j = 0; j < bucket.functions.size(); ++j) {
      const Function& function = bucket.functions[j];
      if (!function.is_message) continue;
      Price* least = outside_[static_cast<size_t>(function.source)].data() + walk.offsets()[j];
      for (size_t option = 0; option < sum.size(); ++option) {
        least[option] = std::min(least[option], sum[option]);
      }
    }
  } while (walk.advance());
  for (const Function& function : bucket.functions) {
    if (!function.is_message) continue;
    const auto source = static_cast<size_t>(function.source);
    for (size_t i = 0; i < messages_[source].size(); ++i) {
      Price& price = outside_[source][i];
      if (price < kDearest) price -= messages_[source][i];
    }
  }
}

void Elimination::marginals(const PriceTable& prices, PriceTable& result) {
  Price total = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (buckets_[i].scope.empty()) total = std::min(kDearest, total + messages_[i].front());
  }
  outside_.resize(buckets_.size());
  result.resize(position_.size());
  for (size_t i = buckets_.size(); i-- > 0;) {
    if (buckets_[i].scope.empty()) {
      outside_[i] = {total >= kDearest ? kDearest : total - messages_[i].front()};
    }
    send_outside(i, prices, result[static_cast<size_t>(buckets_[i].node)]);
    outside_[i].clear();
  }
}

}  // namespace partita::planner
