// SPDX-License-Identifier: Apache-2.0
// For tests: small random graphs of many operators, with data for their inputs and weights.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "api/virtual_ranks.h"
#include "ir/graph.h"
#include "ops/op.h"
#include "support/error.h"

namespace partita::api {

// Grows a graph node by node from values it already has. Values are f32 of 2 or 3 dims with few
// elements.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed), graph_(str("random", seed)) {
    model_.sizes = {{"t", 5}};
    values_.push_back(graph_.add_input("x", {DType::kF32, {"t", 12}}));
    values_.push_back(graph_.add_input("y", {DType::kF32, {6, 8}}));
    ids_ = graph_.add_input("ids", {DType::kI32, {"t"}});
    model_.floats["x"] = numbers(5 * 12);
    model_.floats["y"] = numbers(6 * 8);
    model_.integers["ids"] = {0, 6, 3, 3, 1};
  }

  void grow(int nodes) {
    while (static_cast<int>(graph_.nodes().size()) < nodes) add_any();
    std::vector<ir::ValueId> outputs = {values_.back()};
    if (below(2) == 0)
      outputs.push_back(values_[static_cast<size_t>(below(static_cast<int>(values_.size())))]);
    graph_.set_outputs(outputs);
  }

  [[nodiscard]] const ir::Graph& graph() const { return graph_; }
  [[nodiscard]] const MemoryModel& model() const { return model_; }

 private:
  using Shape = std::vector<ir::Dim>;

  int below(int limit) { return static_cast<int>(random_() % static_cast<unsigned>(limit)); }

  std::vector<float> numbers(int64_t count) {
    std::uniform_real_distribution<float> distribution(-1, 1);
    std::vector<float> result(static_cast<size_t>(count));
    for (float& number : result) number = distribution(random_);
    return result;
  }

  const Shape& shape_of(ir::ValueId value) const { return graph_.value(value).type.dims; }

  // Any value, more often a late one.
  ir::ValueId pick() {
    const int count = static_cast<int>(values_.size());
    return values_[static_cast<size_t>(std::max(below(count), below(count)))];
  }

  ir::ValueId weight(const Shape& shape) {
    const std::string name = str("w", weights_++);
    ir::TensorType type{DType::kF32, shape};
    model_.floats[name + ".stored"] = numbers(type.elements());
    model_.tensors[name + ".stored"] = type;
    return graph_.add_weight(name, type, ir::WeightSource::from_tensor(name + ".stored"));
  }

  void add(const std::string& op, std::vector<ir::ValueId> inputs, ir::Attributes attributes = {}) {
    ops::NodeOptions options;
    options.name = str("n", graph_.nodes().size());
    options.attributes = std::move(attributes);
    values_.push_back(ops::add_op(graph_, op, std::move(inputs), std::move(options)));
  }

  template <typename T>
  static ir::Attributes one(const std::string& name, T value) {
    ir::Attributes attributes;
    attributes.set(name, std::move(value));
    return attributes;
  }

  void add_any() {
    const ir::ValueId x = pick();
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
        return add_linear(x);
      case 3:
        return add("relu", {x});
      case 4:
        return add("tanh", {x});
      case 5:
        return add("softmax", {x});
      case 6:
        return add_norm(x);
      case 7:
      case 8:
        return add_binary(x);
      case 9:
        return add_reshape(x);
      case 10:
        return add_transpose(x);
      case 11:
        return add_slice(x);
      case 12:
        return add_reduction(x);
      default:
        return add_embedding_or_concat(x);
    }
  }

  void add_linear(ir::ValueId x) {
    static constexpr int64_t kSizes[] = {4, 6, 8, 12};
    if (shape_of(x).size() == 2 && !shape_of(x).back().is_symbolic()) {
      add("linear", {x, weight({kSizes[below(4)], shape_of(x).back()})});
    }
  }

  void add_norm(ir::ValueId x) {
    if (shape_of(x).back().is_symbolic()) return;
    add("rms_norm", {x, weight({shape_of(x).back()})}, one("eps", 0.1));
  }

  // With another value of the same shape, or with a weight that is broadcast.
  void add_binary(ir::ValueId x) {
    const std::string op = below(3) == 0 ? "mul" : "add";
    for (int attempt = 0; attempt < 6; ++attempt) {
      const ir::ValueId other = pick();
      if (shape_of(other) == shape_of(x)) return add(op, {x, other});
    }
    if (!shape_of(x).back().is_symbolic()) add(op, {x, weight({shape_of(x).back()})});
  }

  void add_reshape(ir::ValueId x) {
    const Shape shape = shape_of(x);
    if (shape.size() == 3) {
      if (shape[1].is_symbolic() || shape[2].is_symbolic()) return;
      return add("reshape", {x}, one("shape", std::vector<int64_t>{0, -1}));
    }
    if (shape[1].is_symbolic() || shape[1].size % 2 != 0) return;
    add("reshape", {x}, one("shape", std::vector<int64_t>{0, -1, 2}));
  }

  void add_transpose(ir::ValueId x) {
    std::vector<int64_t> permutation = {1, 0};
    if (shape_of(x).size() == 3)
      permutation = below(2) == 0 ? std::vector<int64_t>{0, 2, 1} : std::vector<int64_t>{1, 0, 2};
    add("transpose", {x}, one("permutation", permutation));
  }

  void add_slice(ir::ValueId x) {
    const Shape shape = shape_of(x);
    const auto dim = static_cast<size_t>(below(static_cast<int>(shape.size())));
    if (shape[dim].is_symbolic() || shape[dim].size < 3) return;
    ir::Attributes attributes = one("dim", static_cast<int64_t>(dim));
    attributes.set("begin", int64_t{1});
    attributes.set("end", shape[dim].size);
    add("slice", {x}, attributes);
  }

  void add_reduction(ir::ValueId x) {
    const Shape shape = shape_of(x);
    if (shape.size() != 3) return;
    const int64_t dim = below(3);
    static const std::string kOps[] = {"reduce_sum", "reduce_max", "reduce_min", "reduce_mean"};
    if (!shape[static_cast<size_t>(dim)].is_symbolic()) add(kOps[below(4)], {x}, one("dim", dim));
  }

  void add_embedding_or_concat(ir::ValueId x) {
    if (below(2) == 0) return add("embedding", {weight({7, 8}), ids_});
    const ir::ValueId other = pick();
    const Shape& a = shape_of(x);
    const Shape& b = shape_of(other);
    if (a.size() == 2 && b.size() == 2 && a[0] == b[0] && !a[1].is_symbolic() &&
        !b[1].is_symbolic() && a[1].size + b[1].size < 30) {
      add("concat", {x, other}, one("dim", int64_t{1}));
    }
  }

  std::mt19937 random_;
  ir::Graph graph_;
  MemoryModel model_;
  std::vector<ir::ValueId> values_;
  ir::ValueId ids_ = ir::kNoId;
  int weights_ = 0;
};

}  // namespace partita::api
