// SPDX-License-Identifier: Apache-2.0
#include "planner/cut_classes.h"

#include <algorithm>
#include <numeric>
#include <queue>

#include "spec/strategy.h"
#include "spec/tensor_spec.h"

namespace partita::planner {
namespace {

// dim = floor(factor / divide) * multiply, with the two given as elements (indices of members).
struct Relation {
  int64_t factor = 0;
  int64_t dim = 0;
  int64_t multiply = 1;
  int64_t divide = 1;
};

// A dim or factor: its length, and the block that must not be cut (a head, for a dim "(h e)"; 32
// values of a weight that is stored in blocks).
struct Element {
  int64_t size = -1;  // -1 = symbolic
  int64_t block = 1;
};

// Classes are found by walking the relations from each element that has no class yet.
class ClassFinder {
 public:
  ClassFinder(std::vector<Element> elements, std::vector<Relation> relations)
      : elements_(std::move(elements)),
        relations_(std::move(relations)),
        relations_of_(elements_.size()),
        seen_(elements_.size(), false),
        members_(elements_.size()) {
    for (size_t i = 0; i < relations_.size(); ++i) {
      relations_of_[static_cast<size_t>(relations_[i].factor)].push_back(static_cast<int>(i));
      relations_of_[static_cast<size_t>(relations_[i].dim)].push_back(static_cast<int>(i));
    }
  }

  std::vector<CutMember> find() {
    grow_blocks();
    for (size_t start = 0; start < elements_.size(); ++start) {
      if (!seen_[start]) make_class(reachable(start));
    }
    return std::move(members_);
  }

 private:
  // Blocks spread over the relations until none grows: a block of the factor is one of the dim and
  // the other way round. Groups (divide > 1) overlap instead, so they ask nothing of the factor.
  void grow_blocks() {
    std::queue<int> pending;
    for (size_t i = 0; i < relations_.size(); ++i) pending.push(static_cast<int>(i));
    while (!pending.empty()) {
      const Relation& relation = relations_[static_cast<size_t>(pending.front())];
      pending.pop();
      const auto factor = static_cast<size_t>(relation.factor);
      const auto dim = static_cast<size_t>(relation.dim);
      const int64_t carried = std::max<int64_t>(1, elements_[factor].block / relation.divide);
      if (grow(dim, relation.multiply * carried)) enqueue(dim, pending);
      if (relation.divide > 1) continue;
      if (grow(factor, elements_[dim].block / relation.multiply)) enqueue(factor, pending);
    }
  }

  // A block that does not divide the length asks for no cut at all: one block, which stops the
  // growth.
  bool grow(size_t element, int64_t block) {
    Element& grown = elements_[element];
    int64_t next = std::lcm(grown.block, std::max<int64_t>(1, block));
    if (grown.size % next != 0) next = grown.size;
    if (next == grown.block) return false;
    grown.block = next;
    return true;
  }

  void enqueue(size_t element, std::queue<int>& pending) const {
    for (const int relation : relations_of_[element]) pending.push(relation);
  }

  std::vector<size_t> reachable(size_t start) {
    std::vector<size_t> found = {start};
    seen_[start] = true;
    for (size_t next = 0; next < found.size(); ++next) {
      for (const int index : relations_of_[found[next]]) {
        const Relation& relation = relations_[static_cast<size_t>(index)];
        for (const int64_t end : {relation.factor, relation.dim}) {
          if (seen_[static_cast<size_t>(end)]) continue;
          seen_[static_cast<size_t>(end)] = true;
          found.push_back(static_cast<size_t>(end));
        }
      }
    }
    return found;
  }

  [[nodiscard]] int64_t blocks_of(size_t element) const {
    return elements_[element].size / elements_[element].block;
  }

  void make_class(const std::vector<size_t>& elements) {
    for (const size_t element : elements) {
      if (elements_[element].size <= 0) return;  // symbolic or empty: never cut
    }
    int64_t units = 1;
    for (const size_t element : elements) units = std::max(units, blocks_of(element));
    int64_t group = 1;
    bool is_common = true;
    for (const size_t element : elements) {
      is_common = is_common && units % blocks_of(element) == 0;
      group = std::max(group, units / blocks_of(element));
    }
    is_common = is_common && units % group == 0;
    for (const size_t element : elements) {
      members_[element] = {units, elements_[element].block, units / blocks_of(element), group};
    }
    if (is_common && relations_hold(elements)) return;
    for (const size_t element : elements) {
      members_[element] = {blocks_of(element), elements_[element].block, 1, 1};
    }
  }

  // Whether cutting the factor and then the dim gives the dim's own pieces.
  [[nodiscard]] bool relations_hold(const std::vector<size_t>& elements) const {
    for (const size_t element : elements) {
      for (const int index : relations_of_[element]) {
        const Relation& relation = relations_[static_cast<size_t>(index)];
        const CutMember& factor = members_[static_cast<size_t>(relation.factor)];
        const CutMember& dim = members_[static_cast<size_t>(relation.dim)];
        if (relation.divide > 1 && factor.multiply % relation.divide != 0 && factor.multiply != 1) {
          return false;
        }
        const bool is_fine = factor.multiply < relation.divide;
        const int64_t divide = is_fine ? factor.divide * relation.divide : factor.divide;
        const int64_t multiply =
            is_fine ? relation.multiply : factor.multiply / relation.divide * relation.multiply;
        if (dim.divide != divide || dim.multiply != multiply) return false;
      }
    }
    return true;
  }

  std::vector<Element> elements_;
  std::vector<Relation> relations_;
  std::vector<std::vector<int>> relations_of_;
  std::vector<bool> seen_;
  std::vector<CutMember> members_;
};

// Relations of one tensor of a node: the major factor of each dim, when it may be split at all.
void add_relations(const spec::Notation& notation,
                   const spec::TensorIndex& index,
                   int64_t first_factor,
                   int64_t first_dim,
                   std::vector<Relation>& relations) {
  for (size_t dim = 0; dim < index.size(); ++dim) {
    if (index[dim].empty() || !spec::is_splittable(notation, index[dim][0].factor)) continue;
    const int64_t multiply = spec::dim_size(notation, std::span(index[dim]).subspan(1));
    relations.push_back({first_factor + index[dim][0].factor, first_dim + static_cast<int64_t>(dim),
                         multiply, index[dim][0].divide});
  }
}

// Lengths of pieces that sum to `length`, none much longer than its share: whole quotas first, then
// one by one to whoever would be loaded least. Equal shares: the first ones are longer.
std::vector<int64_t> shared_lengths(int64_t length, std::span<const double> shares) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<int64_t> lengths;
  int64_t left = length;
  for (const double share : shares) {
    lengths.push_back(
        std::min(left, static_cast<int64_t>(static_cast<double>(length) * share / sum)));
    left -= lengths.back();
  }
  for (; left > 0; --left) {
    size_t least = 0;
    const auto load = [&](size_t i) { return static_cast<double>(lengths[i] + 1) / shares[i]; };
    for (size_t i = 1; i < lengths.size(); ++i) {
      if (load(i) < load(least)) least = i;
    }
    ++lengths[least];
  }
  return lengths;
}

// Cuts `range` of the units into `shares.size()` pieces.
std::vector<Range> cut_once(Range range, std::span<const double> shares, int64_t group) {
  const auto count = static_cast<int64_t>(shares.size());
  const bool is_aligned = range.begin % group == 0 && range.end % group == 0;
  const int64_t unit = is_aligned && range.size() / group >= count ? group : 1;
  std::vector<Range> pieces;
  int64_t begin = range.begin;
  for (const int64_t length : shared_lengths(range.size() / unit, shares)) {
    pieces.push_back({begin, begin + length * unit});
    begin = pieces.back().end;
  }
  return pieces;
}

}  // namespace

std::vector<Range> pieces_of(const CutMember& member,
                             std::span<const int64_t> axis_sizes,
                             std::span<const double> shares) {
  std::vector<Range> pieces = {{0, member.units}};
  size_t positions = 1;
  for (const int64_t count : axis_sizes) positions *= static_cast<size_t>(count);
  size_t below = positions;  // positions of each piece so far
  for (const int64_t count : axis_sizes) {
    below /= static_cast<size_t>(count);
    std::vector<Range> finer;
    for (size_t piece = 0; piece < pieces.size(); ++piece) {
      std::vector<double> sums(static_cast<size_t>(count), 1.0);
      for (size_t i = 0; i < sums.size() && !shares.empty(); ++i) {
        const auto own = shares.subspan((piece * sums.size() + i) * below, below);
        sums[i] = std::accumulate(own.begin(), own.end(), 0.0);
      }
      const std::vector<Range> parts = cut_once(pieces[piece], sums, member.group);
      finer.insert(finer.end(), parts.begin(), parts.end());
    }
    pieces = std::move(finer);
  }
  for (Range& piece : pieces) {
    const int64_t begin = piece.begin / member.divide;
    const int64_t end = piece.empty() ? begin : (piece.end + member.divide - 1) / member.divide;
    piece = {begin * member.multiply, end * member.multiply};
  }
  return pieces;
}

CutClasses::CutClasses(const ir::Graph& graph, std::span<const spec::Notation* const> notations) {
  std::vector<Element> elements;
  for (const ir::Value& value : graph.values()) {
    first_dim_.push_back(static_cast<int64_t>(elements.size()));
    for (const ir::Dim& dim : value.type.dims) elements.push_back({dim.size, 1});
  }
  std::vector<Relation> relations;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const ir::Node& node = graph.nodes()[i];
    const spec::Notation& notation = *notations[i];
    first_factor_.push_back(static_cast<int64_t>(elements.size()));
    for (const spec::Factor& factor : notation.factors) {
      elements.push_back({factor.size, factor.granularity});
    }
    const auto add = [&](const std::vector<spec::TensorIndex>& tensors,
                         const std::vector<ir::ValueId>& values) {
      for (size_t j = 0; j < tensors.size(); ++j) {
        add_relations(notation, tensors[j], first_factor_.back(),
                      first_dim_[static_cast<size_t>(values[j])], relations);
      }
    };
    add(notation.inputs, node.inputs);
    add(notation.outputs, node.outputs);
  }
  members_ = ClassFinder(std::move(elements), std::move(relations)).find();
}

}  // namespace partita::planner
