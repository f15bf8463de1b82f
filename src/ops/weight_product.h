// SPDX-License-Identifier: Apache-2.0
// Products of activations with weight matrices: the heavy part of linear, router and experts.
// Packed weights are multiplied by own loops (ops/product/dense_product.h), which need no padding
// of rows and are faster than oneDNN's for few rows (4096 x 4096 bf16 on one core: 16 rows in 0.7
// of the time) and within a tenth for many. Weights that stay as they are, are oneDNN's, where it
// has such products: bf16 only with AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ops/kernel.h"
#include "ops/product/dense_product.h"
#include "support/dtype.h"
#include "support/range.h"

namespace partita::ops {

// Rows of x that one call takes: longer inputs come in parts.
inline constexpr int64_t kMostProductRows = 512;

// Weights w[n, k] of one shape and element type: y[rows, n] f32 = x[rows, k] * w^T, accumulated in
// f32. Rows of y lie `y_columns` elements apart. n and k are at least 1.
struct ProductShape {
  DType weight = DType::kF32;  // f32 or bf16
  int64_t n = 0;
  int64_t k = 0;
  int64_t y_columns = 0;
  bool x_is_f32 = false;  // else x is rounded to bf16 where the weights are: see DenseProduct
};
// Whether x and w have types that these products take.
[[nodiscard]] bool is_product_call(const ir::TensorType& x, const ir::TensorType& weight);

// Compiled products for one shape; any number of weights of this shape share it. Owned by one
// rank's thread.
class WeightProduct {
 public:
  explicit WeightProduct(const ProductShape& shape);
  ~WeightProduct();
  WeightProduct(WeightProduct&&) noexcept;
  WeightProduct& operator=(WeightProduct&&) noexcept;

  // Once, before the first run(): weights come as they are, [n, k], or packed in tiles of kTileRows
  // rows, each contiguous, so that pieces can be packed to their place in the whole.
  void use_plain_weights();
  void use_packed_weights();
  static constexpr int64_t kTileRows = 64;
  [[nodiscard]] int64_t packed_bytes() const;
  // Packs the rows [begin, end), of which `plain` is the first, to their place in `packed` (aligned
  // to 64 bytes); begin is a multiple of kTileRows, as is end unless it is n.
  void pack(const void* plain, Range rows, std::byte* packed) const;
  // Row `row` of packed weights as f32, to[k].
  void read_row(const std::byte* packed, int64_t row, float* to) const;

  // Compiles for all numbers of rows up to `rows`, so that no later run() with fewer compiles
  // anything. A new one costs 0.1 to 0.4 ms with plain weights, nothing with packed ones.
  void prepare(int64_t rows);

  // Rows of x as run() takes them, at `input` (aligned to 64 bytes, of input_bytes(rows)). Products
  // share them if their shapes differ in n only and their weights are alike plain or packed.
  [[nodiscard]] int64_t input_bytes(int64_t rows) const;
  void make_input(const ProductRows& rows, std::byte* input) const;
  // y[rows, n]; up to kMostProductRows.
  void run(const std::byte* input, int64_t rows, const void* weights, float* y, Scratch& scratch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Memory for one packed weight, aligned to 64 bytes.
struct AlignedDelete {
  void operator()(std::byte* data) const;
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedDelete>;
[[nodiscard]] AlignedBytes aligned_bytes(int64_t bytes);

}  // namespace partita::ops
