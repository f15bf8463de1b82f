// SPDX-License-Identifier: Apache-2.0
// Bucket elimination: exact minimisation over a problem of small width (Dechter 1999).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "planner/solvers/solver.h"

namespace partita::planner {

// What is minimised: cost * cost_weight + bytes * bytes_weight, in exact 128-bit integers. (1 <<
// 52, 1) orders by cost, then bytes; (delta bytes, delta cost) is a Lagrangian with a rational
// multiplier.
using Key = __int128;
struct Weights {
  int64_t cost = int64_t{1} << 52;
  int64_t bytes = 1;
};
// Larger than every key without a forbidden cost: 2^56 * 2^62 + 2^50 * 2^62 < 2^119.
inline constexpr Key kForbiddenKey = Key{1} << 120;

[[nodiscard]] inline Key key_of(Value value, Weights weights) {
  if (value.cost >= kForbidden) return kForbiddenKey;
  return Key{value.cost} * weights.cost + Key{value.bytes} * weights.bytes;
}

// One eliminated variable. Its message is a table over the options of its scope: the variables that
// were its neighbours then, in the order of their elimination (the first varies slowest).
struct Bucket {
  struct EdgeUse {
    int table = 0;
    int scope_position = 0;
    bool variable_is_row = true;
  };
  // A bucket whose message is consumed here, with the strides of its table in the digits of this
  // bucket.
  struct Child {
    int bucket = 0;
    int64_t own_stride = 0;
    std::vector<int64_t> scope_strides;
  };
  int variable = 0;
  int options = 0;
  std::vector<int> scope;
  std::vector<int> scope_options;
  int64_t scope_size = 1;  // product of scope_options
  std::vector<EdgeUse> edges;
  std::vector<Child> children;

  // Index of the child's message for the given digits of the scope, with option 0 of the own
  // variable.
  [[nodiscard]] static int64_t child_offset(const Child& child, std::span<const int> digits);
  // Steps to the next assignment of the scope; false after the last.
  [[nodiscard]] bool advance(std::vector<int>& digits) const;
};

// Messages of all buckets for one choice of weights.
struct Messages {
  std::vector<std::vector<Key>> table;      // per bucket
  std::vector<std::vector<uint16_t>> best;  // per bucket the own option that gives the minimum
  Key total = 0;                            // the minimum; >= kForbiddenKey when there is none
};

// The elimination order and its buckets, for all passes over one problem. Borrows the problem,
// which has at most one edge per pair of variables.
class BucketTree {
 public:
  explicit BucketTree(const Problem& problem);

  // Whether every table stays below 4 million entries; else no pass may be run.
  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] const std::vector<Bucket>& buckets() const { return buckets_; }
  [[nodiscard]] const Problem& problem() const { return problem_; }

  // From the leaves up: the minimum and, per bucket, what its subtree costs at least.
  [[nodiscard]] Messages upward(Weights weights) const;
  // From the roots down: per bucket and scope assignment, what everything outside its subtree costs
  // at least.
  [[nodiscard]] std::vector<std::vector<Key>> downward(Weights weights,
                                                       const Messages& messages) const;
  // The assignment behind messages.total.
  [[nodiscard]] std::vector<int> choice(const Messages& messages) const;

  // Cost and bytes of the bucket's own terms, per own option, for one assignment of its scope.
  void own_values(const Bucket& bucket,
                  std::span<const int> digits,
                  std::vector<Value>& values) const;

 private:
  void eliminate_all();
  void add_bucket(int variable, std::vector<int> neighbours);
  void connect();

  const Problem& problem_;
  std::vector<Bucket> buckets_;
  std::vector<int> position_;  // per variable: index of its bucket
  bool fits_ = true;
};

}  // namespace partita::planner
