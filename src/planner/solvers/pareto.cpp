// SPDX-License-Identifier: Apache-2.0
#include "planner/solvers/pareto.h"

#include <algorithm>
#include <chrono>
#include <tuple>

namespace partita::planner {
namespace {

using Clock = std::chrono::steady_clock;

// A value of a subtree that no other one of the same scope assignment dominates, and how it came
// about: the own option and the chain of entries chosen for the children so far. Plain data,
// because millions are made and sorted.
struct Entry {
  Value value;
  int option = 0;
  int link = -1;   // into the links: the children before the last one
  int child = -1;  // entry of the last child
};

// By cost; the rest only makes the order total, so that results do not depend on the sort.
bool is_before(const Entry& a, const Entry& b) {
  if (a.value.cost != b.value.cost) return a.value.cost < b.value.cost;
  if (a.value.bytes != b.value.bytes) return a.value.bytes < b.value.bytes;
  return std::tie(a.option, a.link, a.child) < std::tie(b.option, b.link, b.child);
}

// One element of a chain, the last child first.
struct Link {
  int previous = -1;
  int child = -1;
};

// Keeps the entries that cost less or take fewer bytes than every other one, by rising cost.
void keep_pareto(std::vector<Entry>& entries) {
  std::sort(entries.begin(), entries.end(), is_before);
  size_t kept = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (kept > 0 && entries[i].value.bytes >= entries[kept - 1].value.bytes) continue;
    entries[kept++] = entries[i];
  }
  entries.resize(kept);
}

class ParetoElimination {
 public:
  ParetoElimination(const BucketTree& tree, const ParetoLimits& limits)
      : tree_(tree),
        limits_(limits),
        inside_(tree.upward(limits.multiplier)),
        outside_(tree.downward(limits.multiplier, inside_)),
        largest_key_(Key{limits.incumbent.cost} * limits.multiplier.cost +
                     Key{limits.memory_bound} * limits.multiplier.bytes),
        tables_(tree.buckets().size()) {}

  ParetoResult run() {
    const auto start = Clock::now();
    for (size_t i = 0; i < tree_.buckets().size(); ++i) {
      fill(i);
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      if (entries_ > limits_.max_entries || seconds > limits_.time_limit_s) return {};
    }
    return {true, best_choice()};
  }

 private:
  void fill(size_t index) {
    const Bucket& bucket = tree_.buckets()[index];
    std::vector<int> digits(bucket.scope.size(), 0);
    std::vector<Value> own;
    do {
      tree_.own_values(bucket, digits, own);
      std::vector<Entry> all;
      for (int option = 0; option < bucket.options; ++option) {
        append_option(index, digits, {own[static_cast<size_t>(option)], option}, all);
        if (entries_ + static_cast<int64_t>(all.size()) > limits_.max_entries) {
          entries_ = limits_.max_entries + 1;
          return;
        }
      }
      keep_pareto(all);
      entries_ += static_cast<int64_t>(all.size());
      tables_[index].push_back(std::move(all));
    } while (bucket.advance(digits));
  }

  // All combinations of one own option with the entries of the children.
  void append_option(size_t index,
                     const std::vector<int>& digits,
                     const Entry& own,
                     std::vector<Entry>& all) {
    const Bucket& bucket = tree_.buckets()[index];
    if (own.value.cost >= kForbidden) return;
    // The rest of the problem costs at least this: outside the subtree and in the children to come.
    Key rest = outside_[index][tables_[index].size()];
    std::vector<size_t> at(bucket.children.size());
    for (size_t j = 0; j < bucket.children.size(); ++j) {
      const Bucket::Child& child = bucket.children[j];
      at[j] =
          static_cast<size_t>(Bucket::child_offset(child, digits) + own.option * child.own_stride);
      rest = std::min(kForbiddenKey, rest + inside_of(child, at[j]));
    }
    std::vector<Entry> partial;
    if (may_win(own.value, rest)) partial.push_back(own);
    for (size_t j = 0; j < bucket.children.size() && !partial.empty(); ++j) {
      const Bucket::Child& child = bucket.children[j];
      rest -= inside_of(child, at[j]);
      partial = combined(partial, tables_[static_cast<size_t>(child.bucket)][at[j]], rest);
    }
    all.insert(all.end(), partial.begin(), partial.end());
  }

  [[nodiscard]] std::vector<Entry> combined(const std::vector<Entry>& left,
                                            const std::vector<Entry>& right,
                                            Key rest) {
    std::vector<Entry> result;
    for (const Entry& a : left) {
      for (size_t i = 0; i < right.size(); ++i) {
        const Value sum = {a.value.cost + right[i].value.cost,
                           a.value.bytes + right[i].value.bytes};
        if (may_win(sum, rest)) result.push_back({sum, a.option, a.link, static_cast<int>(i)});
      }
    }
    return linked(std::move(result));
  }

  // Drops the dominated entries and puts the last child of the others into their chains.
  std::vector<Entry> linked(std::vector<Entry> entries) {
    keep_pareto(entries);
    for (Entry& entry : entries) {
      links_.push_back({entry.link, entry.child});
      entry.link = static_cast<int>(links_.size()) - 1;
      entry.child = -1;
    }
    return entries;
  }

  // The entries of the children, in order.
  [[nodiscard]] std::vector<int> chain(int link) const {
    std::vector<int> entries;
    for (; link >= 0; link = links_[static_cast<size_t>(link)].previous) {
      entries.push_back(links_[static_cast<size_t>(link)].child);
    }
    std::reverse(entries.begin(), entries.end());
    return entries;
  }

  [[nodiscard]] Key inside_of(const Bucket::Child& child, size_t at) const {
    return inside_.table[static_cast<size_t>(child.bucket)][at];
  }

  [[nodiscard]] bool may_win(const Value& value, Key rest) const {
    return value.bytes <= limits_.memory_bound && rest < kForbiddenKey &&
           key_of(value, limits_.multiplier) + rest <= largest_key_;
  }

  // Joins the roots (one per connected part) and follows the entries back.
  [[nodiscard]] std::optional<std::vector<int>> best_choice() {
    std::vector<size_t> roots;
    std::vector<Entry> joined = {{}};
    for (size_t i = 0; i < tables_.size(); ++i) {
      if (!tree_.buckets()[i].scope.empty()) continue;
      roots.push_back(i);
      std::vector<Entry> next;
      for (const Entry& a : joined) {
        for (size_t j = 0; j < tables_[i][0].size(); ++j) {
          const Value& value = tables_[i][0][j].value;
          const Value sum = {a.value.cost + value.cost, a.value.bytes + value.bytes};
          if (sum.bytes > limits_.memory_bound) continue;
          next.push_back({sum, 0, a.link, static_cast<int>(j)});
        }
      }
      joined = linked(std::move(next));
    }
    if (joined.empty()) return std::nullopt;
    return traced(roots, joined.front());
  }

  [[nodiscard]] std::vector<int> traced(const std::vector<size_t>& roots, const Entry& best) const {
    std::vector<int> entry_of(tables_.size(), 0);
    const std::vector<int> root_entries = chain(best.link);
    for (size_t i = 0; i < roots.size(); ++i) entry_of[roots[i]] = root_entries[i];
    std::vector<int> choice(tree_.problem().variables.size(), 0);
    for (size_t i = tables_.size(); i-- > 0;) {
      const Bucket& bucket = tree_.buckets()[i];
      int64_t index = 0;
      for (size_t j = 0; j < bucket.scope.size(); ++j) {
        index = index * bucket.scope_options[j] + choice[static_cast<size_t>(bucket.scope[j])];
      }
      const Entry& entry = tables_[i][static_cast<size_t>(index)][static_cast<size_t>(entry_of[i])];
      choice[static_cast<size_t>(bucket.variable)] = entry.option;
      const std::vector<int> child_entries = chain(entry.link);
      for (size_t j = 0; j < bucket.children.size(); ++j) {
        entry_of[static_cast<size_t>(bucket.children[j].bucket)] = child_entries[j];
      }
    }
    return choice;
  }

  const BucketTree& tree_;
  const ParetoLimits& limits_;
  Messages inside_;
  std::vector<std::vector<Key>> outside_;
  Key largest_key_;
  std::vector<Link> links_;
  std::vector<std::vector<std::vector<Entry>>> tables_;  // [bucket][scope assignment][entry]
  int64_t entries_ = 0;
};

}  // namespace

ParetoResult solve_pareto(const BucketTree& tree, const ParetoLimits& limits) {
  return ParetoElimination(tree, limits).run();
}

}  // namespace partita::planner
