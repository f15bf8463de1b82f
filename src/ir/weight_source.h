// SPDX-License-Identifier: Apache-2.0
// Where a weight comes from: an expression over checkpoint tensors, evaluated lazily by each rank
// for its own piece.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/range.h"

namespace partita::ir {

// Value type, a small tree:
//   tensor("name")                    a tensor of the checkpoint
//   slice(x, dim, begin, end)         a range of one dim
//   transpose(x, [1,0])               permuted dims
//   reshape(x, [a,b,...])             same elements, row major
//   concat(dim, x, y, ...)            joined along a dim
//   stack(x, y, ...)                  equal shapes along a new first dim (one part per expert)
// Example: the key rows of a fused GPT-2 c_attn ([in, 3*out]) as a plain [out, in] weight:
//   transpose(slice(tensor("h.0.attn.c_attn.weight"), 1, 768, 1536), [1,0])
struct WeightSource {
  enum class Kind : uint8_t { kTensor, kSlice, kTranspose, kReshape, kConcat, kStack };
  Kind kind = Kind::kTensor;
  std::string tensor;             // kTensor
  int dim = 0;                    // kSlice, kConcat
  Range range;                    // kSlice
  std::vector<int64_t> integers;  // kTranspose: permutation; kReshape: shape
  std::vector<WeightSource> inputs;

  [[nodiscard]] static WeightSource from_tensor(std::string name);
  // A slice of the first dim of a stack is the stack of the parts that are left.
  [[nodiscard]] WeightSource slice(int dim, Range range) const;
  [[nodiscard]] WeightSource transpose(std::vector<int64_t> permutation) const;
  [[nodiscard]] WeightSource reshape(std::vector<int64_t> shape) const;
  [[nodiscard]] static WeightSource concat(int dim, std::vector<WeightSource> parts);
  [[nodiscard]] static WeightSource stack(std::vector<WeightSource> parts);
  bool operator==(const WeightSource&) const = default;
};

[[nodiscard]] std::string to_string(const WeightSource& source);
// Inverse of to_string(); throws kInvalidFile naming the position.
[[nodiscard]] WeightSource parse_weight_source(std::string_view text);

}  // namespace partita::ir
