// SPDX-License-Identifier: Apache-2.0
// Walks source expressions from their value down to the tensors.
#include "importer/tensor_shapes.h"

#include <algorithm>

#include "support/error.h"

namespace partita::importer {
namespace {

using ir::WeightSource;

class ShapeWalk {
 public:
  void visit(const ir::Value& weight) {
    weight_ = &weight;
    visit(weight.source, weight.type.shape());
  }

  TensorShapes take() { return std::move(shapes_); }

 private:
  void visit(const WeightSource& source, const std::vector<int64_t>& shape) {
    using Kind = WeightSource::Kind;
    std::vector<int64_t> inner = shape;
    switch (source.kind) {
      case Kind::kTensor:
        return note(source.tensor, shape);
      case Kind::kSlice:
        inner.at(static_cast<size_t>(source.dim)) = source.range.end;
        return visit(source.inputs[0], inner);
      case Kind::kTranspose:
        for (size_t dim = 0; dim < shape.size(); ++dim) {
          inner.at(static_cast<size_t>(source.integers.at(dim))) = shape[dim];
        }
        return visit(source.inputs[0], inner);
      case Kind::kStack:
        inner.erase(inner.begin());
        for (const WeightSource& part : source.inputs) visit(part, inner);
        return;
      case Kind::kReshape:
      case Kind::kConcat:
        throw Error(ErrorCode::kUnsupported,
                    str("[importer] weight ", weight_->name, " is ", ir::to_string(source),
                        "; the shapes of its tensors do not follow from its own"));
    }
  }

  void note(const std::string& tensor, const std::vector<int64_t>& shape) {
    const auto [entry, is_new] = shapes_.emplace(tensor, shape);
    if (is_new) return;
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      entry->second[dim] = std::max(entry->second[dim], shape[dim]);
    }
  }

  const ir::Value* weight_ = nullptr;
  TensorShapes shapes_;
};

}  // namespace

TensorShapes tensor_shapes(const ir::Graph& graph) {
  ShapeWalk walk;
  for (const ir::Value& value : graph.values()) {
    if (value.kind == ir::ValueKind::kWeight) walk.visit(value);
  }
  return walk.take();
}

}  // namespace partita::importer
