// SPDX-License-Identifier: Apache-2.0
// Products of activations with weight matrices: the heavy part of linear, router and experts. By
// oneDNN, but for packed weights and up to 8 rows by own loops on oneDNN's layout, which come
// nearer to the speed of memory (one row of 4096 x 4096 bf16: 0.84 -> 0.99 of a raw read on one
// core). Without AVX-512 packed weights and bf16 are computed by own loops for all numbers of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ops/kernel.h"
#include "support/dtype.h"
#include "support/range.h"

namespace partita::ops {

// Rows of x that one call takes. A new shape costs 0.1 to 0.4 ms of code generation, so only some
// row counts exist: x is padded to the next one (at most a third more work), and longer inputs go
// in runs of the largest.
inline constexpr int64_t kMostProductRows = 512;
// The row count that `rows` (1 .. kMostProductRows) are padded to.
[[nodiscard]] int64_t padded_rows(int64_t rows);

// Weights w[n, k] of one shape and element type: y[rows, n] f32 = x[rows, k] * w^T, accumulated in
// f32; x has the weights' type. Rows of y lie `y_columns` elements apart. n and k are at least 1.
struct ProductShape {
  DType weight = DType::kF32;  // f32 or bf16
  int64_t n = 0;
  int64_t k = 0;
  int64_t y_columns = 0;
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

  // Once, before the first run(): weights come as they are, [n, k], or in the layout that is
  // best for up to `most_rows` rows. One packed copy serves all row counts.
  void use_plain_weights();
  void use_packed_weights(int64_t most_rows);
  // Packed in tiles, whatever number of rows likes another layout better: for readers of rows.
  void use_tiled_weights();
  [[nodiscard]] int64_t packed_bytes() const;
  // Both aligned to 64 bytes; [n, k] -> the packed layout.
  void pack(const void* plain, void* packed);

  // Whether the packed layout is one of tiles of kTileRows rows, each contiguous, so that pieces
  // can be packed to their place in the whole. Then up to 8 rows of x are not oneDNN's.
  static constexpr int64_t kTileRows = 64;
  [[nodiscard]] bool is_tiled() const;
  // Packs the rows [begin, end), of which `plain` is the first; begin is a multiple of kTileRows,
  // as is end unless it is n.
  void pack_tiles(const void* plain, Range rows, std::byte* packed);

  // Row `row` of weights in tiles as f32, to[k].
  void read_row(const std::byte* packed, int64_t row, float* to) const;

  // Compiles for all row counts up to `rows`, so that no later run() with fewer compiles anything.
  void prepare(int64_t rows);
  // `rows` is a padded row count. `weights` is plain or packed, see above. Compiles on first use of
  // a row count.
  void run(const void* x, int64_t rows, const void* weights, float* y, Scratch& scratch);

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

// Converts x[rows, k] to `weight`'s type at `to`, with zero rows up to `padded` rows. A gather when
// `row_ids` is given: row i is x[row_ids[i]].
struct ProductRows {
  const float* x = nullptr;
  const int64_t* row_ids = nullptr;
  int64_t rows = 0;
  int64_t padded = 0;
  int64_t k = 0;
};
void copy_product_rows(const ProductRows& rows, DType weight, std::byte* to);

}  // namespace partita::ops
