// SPDX-License-Identifier: Apache-2.0
// Products of activations with dense weights (f32, bf16) by own loops, at every instruction level.
// ops/weight_product.h takes these for packed weights.
//
//   DenseProduct product({DType::kBF16, n, k});
//   product.pack(plain, {0, n}, packed);                   // at load
//   product.make_panels({.x = x, .rows = rows}, panels);   // once per input
//   product.run(panels, rows, packed, {y, n});             // y[rows, n] = x[rows, k] * w[n, k]^T
//
// Sums are taken in f32 in the order of k. With bf16 weights x is rounded to bf16, unless x_is_f32
// asks for the products of x itself: AVX-512 then takes x as the sum of two bf16 numbers, which is
// x but for 2^-17 of it, and the other levels multiply in f32. Products of bf16 are exact (AVX-512:
// pairs of them are added first, and subnormals count as zeros). A row of x gives the same bits
// whatever rows are beside it, and for any cut of n.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/product/product_rows.h"
#include "support/dtype.h"
#include "support/range.h"

namespace partita::device {
enum class Instructions : uint8_t;
[[nodiscard]] Instructions usable_instructions();
}  // namespace partita::device

namespace partita::ops {

struct DenseKernels;
struct DenseLoops;

// Weights w[n, k] of one shape; n and k are at least 1.
struct DenseShape {
  DType weight = DType::kF32;  // or kBF16
  int64_t n = 0;
  int64_t k = 0;
  bool x_is_f32 = false;  // see above; of bf16 weights only
};

// Value type without state beyond its shape; thread-safe. Loops use the team of the calling thread
// (ops/parallel.h), each thread a contiguous range of the weights. Allocates nothing.
class DenseProduct {
 public:
  // Packed weights come in tiles of so many rows; the last one is filled up with zeros, and so is k
  // to whole runs of 16 steps.
  static constexpr int64_t kTileRows = 64;

  explicit DenseProduct(const DenseShape& shape,
                        device::Instructions level = device::usable_instructions());

  [[nodiscard]] int64_t tile_bytes() const;
  [[nodiscard]] int64_t packed_bytes() const;
  // Packs the rows [begin, end) of the plain weights to their place in `packed` (aligned to 64
  // bytes); begin is a multiple of kTileRows, as is end unless it is n. `plain` is row `begin`.
  void pack(const void* plain, Range rows, std::byte* packed) const;

  // Row `row` of the packed weights as f32, to[k].
  void read_row(const std::byte* packed, int64_t row, float* to) const;

  // Rows of x in the order and the numbers of the loops, at `panels` (aligned to 64 bytes, of
  // panel_bytes(rows)). Products whose weights have the same type and k share them.
  [[nodiscard]] int64_t panel_bytes(int64_t rows) const;
  void make_panels(const ProductRows& rows, std::byte* panels) const;

  // y[rows, n] = x[rows, k] * w[n, k]^T.
  void run(const std::byte* panels,
           int64_t rows,
           const std::byte* packed,
           const ProductOutput& output) const;

  // The same with plain weights, each tile of which is packed when its turn comes. `tiles` holds
  // plain_scratch_bytes() (aligned to 64 bytes).
  [[nodiscard]] int64_t plain_scratch_bytes() const;
  void run_plain(const std::byte* panels,
                 int64_t rows,
                 const void* plain,
                 std::byte* tiles,
                 const ProductOutput& output) const;

 private:
  struct TileRun;
  [[nodiscard]] int64_t tiles() const;
  [[nodiscard]] int64_t steps() const;
  [[nodiscard]] int64_t stored_steps() const;
  [[nodiscard]] int64_t panel_bytes_of(int64_t rows, int64_t steps) const;
  void make_panel(const ProductRows& rows, Range panel, Range steps, std::byte* to) const;
  void run_tile(const TileRun& run, const std::byte* tile, int64_t index) const;
  void run_panels(const TileRun& run, const std::byte* tile, Range rows, float* y) const;
  void pack_tile(const void* plain, int64_t rows, std::byte* packed) const;

  DenseShape shape_;
  const DenseKernels* kernels_;
  const DenseLoops* loops_;
};

}  // namespace partita::ops
