// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/bucket_tree.h"

#include <algorithm>
#include <set>

#include "support/error.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxTableEntries = int64_t{4} << 20;

// Neighbours of the variables that are not eliminated yet, and the next one of least degree.
class Adjacency {
 public:
  explicit Adjacency(const Problem& problem) : neighbours_(problem.variables.size()) {
    for (const Edge& edge : problem.edges) {
      neighbours_[static_cast<size_t>(edge.first)].insert(edge.second);
      neighbours_[static_cast<size_t>(edge.second)].insert(edge.first);
    }
    for (size_t i = 0; i < neighbours_.size(); ++i) {
      queue_.insert({neighbours_[i].size(), static_cast<int>(i)});
    }
  }

  [[nodiscard]] bool is_empty() const { return queue_.empty(); }

  // Removes a variable of least degree and joins its neighbours with each other.
  int eliminate(std::vector<int>& neighbours) {
    const int variable = queue_.begin()->second;
    queue_.erase(queue_.begin());
    const auto& own = neighbours_[static_cast<size_t>(variable)];
    neighbours.assign(own.begin(), own.end());
    for (const int neighbour : neighbours) {
      auto& others = neighbours_[static_cast<size_t>(neighbour)];
      queue_.erase({others.size(), neighbour});
      others.erase(variable);
      for (const int other : neighbours) {
        if (other != neighbour) others.insert(other);
      }
      queue_.insert({others.size(), neighbour});
    }
    return variable;
  }

 private:
  std::vector<std::set<int>> neighbours_;
  std::set<std::pair<size_t, int>> queue_;  // (degree, variable)
};

Key saturated(Key key) { return std::min(key, kForbiddenKey); }

}  // namespace

int64_t Bucket::child_offset(const Child& child, std::span<const int> digits) {
  int64_t offset = 0;
  for (size_t i = 0; i < digits.size(); ++i) offset += digits[i] * child.scope_strides[i];
  return offset;
}

bool Bucket::advance(std::vector<int>& digits) const {
  for (size_t i = digits.size(); i-- > 0;) {
    if (++digits[i] < scope_options[i]) return true;
    digits[i] = 0;
  }
  return false;
}

BucketTree::BucketTree(const Problem& problem)
    : problem_(problem), position_(problem.variables.size(), 0) {
  eliminate_all();
  if (fits_) connect();
}

void BucketTree::eliminate_all() {
  Adjacency adjacency(problem_);
  std::vector<int> neighbours;
  while (!adjacency.is_empty() && fits_) {
    const int variable = adjacency.eliminate(neighbours);
    position_[static_cast<size_t>(variable)] = static_cast<int>(buckets_.size());
    add_bucket(variable, neighbours);
  }
}

void BucketTree::add_bucket(int variable, std::vector<int> neighbours) {
  Bucket bucket;
  bucket.variable = variable;
  bucket.options = static_cast<int>(problem_.variables[static_cast<size_t>(variable)].cost.size());
  bucket.scope = std::move(neighbours);
  for (const int other : bucket.scope) {
    bucket.scope_size *=
        static_cast<int64_t>(problem_.variables[static_cast<size_t>(other)].cost.size());
    fits_ = fits_ && bucket.scope_size * bucket.options <= kMaxTableEntries;
    if (!fits_) return;
  }
  buckets_.push_back(std::move(bucket));
}

// Sorts the scopes by elimination, and gives every edge and message to the bucket that consumes it.
void BucketTree::connect() {
  const auto position = [this](int variable) { return position_[static_cast<size_t>(variable)]; };
  for (Bucket& bucket : buckets_) {
    std::sort(bucket.scope.begin(), bucket.scope.end(),
              [&](int a, int b) { return position(a) < position(b); });
    for (const int other : bucket.scope) {
      bucket.scope_options.push_back(buckets_[static_cast<size_t>(position(other))].options);
    }
  }
  const auto digit_of = [](const Bucket& bucket, int variable) {
    const auto found = std::find(bucket.scope.begin(), bucket.scope.end(), variable);
    return static_cast<int>(found - bucket.scope.begin());
  };
  for (const Edge& edge : problem_.edges) {
    const bool first_goes_first = position(edge.first) < position(edge.second);
    const int own = first_goes_first ? edge.first : edge.second;
    const int other = first_goes_first ? edge.second : edge.first;
    Bucket& bucket = buckets_[static_cast<size_t>(position(own))];
    bucket.edges.push_back({edge.table, digit_of(bucket, other), first_goes_first});
  }
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& child = buckets_[i];
    if (child.scope.empty()) continue;
    Bucket& parent = buckets_[static_cast<size_t>(position(child.scope.front()))];
    Bucket::Child use = {static_cast<int>(i), 0, std::vector<int64_t>(parent.scope.size(), 0)};
    int64_t stride = child.scope_size;
    for (size_t j = 0; j < child.scope.size(); ++j) {
      stride /= child.scope_options[j];
      if (j == 0) use.own_stride = stride;
      if (j > 0) use.scope_strides[static_cast<size_t>(digit_of(parent, child.scope[j]))] = stride;
    }
    parent.children.push_back(std::move(use));
  }
}

void BucketTree::own_values(const Bucket& bucket,
                            std::span<const int> digits,
                            std::vector<Value>& values) const {
  const Variable& variable = problem_.variables[static_cast<size_t>(bucket.variable)];
  values.resize(static_cast<size_t>(bucket.options));
  for (int option = 0; option < bucket.options; ++option) {
    const auto index = static_cast<size_t>(option);
    values[index] = {variable.cost[index], variable.bytes[index]};
    for (const Bucket::EdgeUse& edge : bucket.edges) {
      const EdgeTable& table = problem_.tables[static_cast<size_t>(edge.table)];
      const int other = digits[static_cast<size_t>(edge.scope_position)];
      values[index].cost +=
          edge.variable_is_row ? table.at(option, other) : table.at(other, option);
      values[index].cost = std::min(values[index].cost, kForbidden);
    }
  }
}

Messages BucketTree::upward(Weights weights) const {
  CHECK(fits_, "the problem is too wide for elimination");
  Messages messages;
  messages.table.resize(buckets_.size());
  messages.best.resize(buckets_.size());
  std::vector<Value> own;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const Bucket& bucket = buckets_[i];
    auto& table = messages.table[i];
    auto& best = messages.best[i];
    table.reserve(static_cast<size_t>(bucket.scope_size));
    best.reserve(static_cast<size_t>(bucket.scope_size));
    std::vector<int> digits(bucket.scope.size(), 0);
    std::vector<const Key*> child_rows(bucket.children.size());
    do {
      own_values(bucket, digits, own);
      for (size_t j = 0; j < child_rows.size(); ++j) {
        const Bucket::Child& child = bucket.children[j];
        child_rows[j] = messages.table[static_cast<size_t>(child.bucket)].data() +
                        Bucket::child_offset(child, digits);
      }
      Key least = kForbiddenKey;
      int least_option = 0;
      for (int option = 0; option < bucket.options; ++option) {
        Key key = key_of(own[static_cast<size_t>(option)], weights);
        for (size_t j = 0; j < child_rows.size(); ++j) {
          key = saturated(key + child_rows[j][option * bucket.children[j].own_stride]);
        }
        if (key < least) {
          least = key;
          least_option = option;
        }
      }
      table.push_back(least);
      best.push_back(static_cast<uint16_t>(least_option));
    } while (bucket.advance(digits));
    if (bucket.scope.empty()) messages.total = saturated(messages.total + table.front());
  }
  return messages;
}

std::vector<std::vector<Key>> BucketTree::downward(Weights weights,
                                                   const Messages& messages) const {
  std::vector<std::vector<Key>> outside(buckets_.size());
  for (size_t i = 0; i < buckets_.size(); ++i) {
    outside[i].assign(static_cast<size_t>(buckets_[i].scope_size), kForbiddenKey);
    if (buckets_[i].scope.empty()) outside[i][0] = messages.total - messages.table[i][0];
  }
  std::vector<Value> own;
  for (size_t i = buckets_.size(); i-- > 0;) {
    const Bucket& bucket = buckets_[i];
    std::vector<int> digits(bucket.scope.size(), 0);
    size_t assignment = 0;
    do {
      own_values(bucket, digits, own);
      for (int option = 0; option < bucket.options; ++option) {
        Key key =
            saturated(key_of(own[static_cast<size_t>(option)], weights) + outside[i][assignment]);
        for (const Bucket::Child& child : bucket.children) {
          key = saturated(key +
                          messages.table[static_cast<size_t>(child.bucket)][static_cast<size_t>(
                              Bucket::child_offset(child, digits) + option * child.own_stride)]);
        }
        if (key >= kForbiddenKey) continue;
        for (const Bucket::Child& child : bucket.children) {
          const auto at =
              static_cast<size_t>(Bucket::child_offset(child, digits) + option * child.own_stride);
          const auto of_child = static_cast<size_t>(child.bucket);
          Key& least = outside[of_child][at];
          least = std::min(least, key - messages.table[of_child][at]);
        }
      }
      ++assignment;
    } while (bucket.advance(digits));
  }
  return outside;
}

std::vector<int> BucketTree::choice(const Messages& messages) const {
  std::vector<int> result(problem_.variables.size(), 0);
  for (size_t i = buckets_.size(); i-- > 0;) {
    const Bucket& bucket = buckets_[i];
    int64_t index = 0;
    for (size_t j = 0; j < bucket.scope.size(); ++j) {
      index = index * bucket.scope_options[j] + result[static_cast<size_t>(bucket.scope[j])];
    }
    result[static_cast<size_t>(bucket.variable)] = messages.best[i][static_cast<size_t>(index)];
  }
  return result;
}

}  // namespace partita::planner
