// SPDX-License-Identifier: Apache-2.0
// A checkpoint that is computed instead of read.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "importer/tensor_shapes.h"
#include "ir/weight_source.h"

namespace partita::api {

// Every element depends on (seed, tensor name, element number) only. Matrices are uniform in
// +-sqrt(3 / last dim), which keeps the size of what passes through them; biases are small, other
// vectors (norms) near 1. Immutable, thread-safe.
class RandomTensors {
 public:
  RandomTensors(importer::TensorShapes shapes, uint64_t seed)
      : shapes_(std::move(shapes)), seed_(seed) {}

  // The value of `source` over these tensors, dense and row major.
  void load(const ir::WeightSource& source, float* to) const;

 private:
  void fill(const std::string& tensor, int64_t first, std::span<float> to) const;

  importer::TensorShapes shapes_;
  uint64_t seed_;
};

}  // namespace partita::api
