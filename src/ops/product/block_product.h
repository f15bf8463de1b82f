// SPDX-License-Identifier: Apache-2.0
// Products of activations with weights that are stored in blocks (q8_0, q4_0): what linear, experts
// and others multiply with. oneDNN has no such products; dense weights go to ops/weight_product.h.
//
//   BlockProduct product({DType::kQ4_0, n, k});
//   product.pack(plain, {0, n}, packed);                   // at load
//   product.quantise({.x = x, .rows = rows}, quantised);   // once per input
//   product.run(quantised, rows, packed, {y, n});          // y[rows, n] = x[rows, k] * w[n, k]^T
//
// x is rounded to 8 bits in blocks of 32 with an f32 scale each: an element of y differs from the
// product of the dequantised weights by at most sum over k of |w| * (largest |x| of k's block) /
// 254, and the rounding of f32 sums over the blocks. A row of x gives the same bits whatever rows
// are beside it, on every instruction level, and for any cut of n. A row with an infinity or a NaN
// gives NaN.
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

struct BlockKernels;

// Weights w[n, k] of one shape; k is a multiple of 32, n at least 1.
struct BlockShape {
  DType weight = DType::kQ8_0;  // or kQ4_0
  int64_t n = 0;
  int64_t k = 0;
};

// Value type without state beyond its shape; thread-safe. Loops use the team of the calling thread
// (ops/parallel.h), each thread a contiguous range of the weights. Allocates nothing.
class BlockProduct {
 public:
  // Packed weights come in tiles of so many rows; the last one is filled up with zeros.
  static constexpr int64_t kTileRows = 32;

  explicit BlockProduct(const BlockShape& shape,
                        device::Instructions level = device::usable_instructions());

  // Bytes of the packed weights: those of the plain ones, but for the last tile.
  [[nodiscard]] int64_t packed_bytes() const;
  // Packs the rows [begin, end) of the plain weights to their place in `packed` (aligned to 64
  // bytes); begin is a multiple of kTileRows, as is end unless it is n. `plain` is row `begin`.
  void pack(const std::byte* plain, Range rows, std::byte* packed) const;

  // Row `row` of the packed weights as f32, to[k]: the values of the plain blocks.
  void read_row(const std::byte* packed, int64_t row, float* to) const;

  // Bytes of quantised rows.
  [[nodiscard]] int64_t quantised_bytes(int64_t rows) const;
  // Quantises rows of x to `quantised` (aligned to 64 bytes). Products whose weights have the same
  // type and k share the result.
  void quantise(const ProductRows& rows, std::byte* quantised) const;
  // Quantises one row, x[k], to the place that quantise() gives row `row` of `rows`.
  void quantise_row(const float* x, int64_t row, int64_t rows, std::byte* quantised) const;

  // y[rows, n] = x[rows, k] * w[n, k]^T.
  void run(const std::byte* quantised,
           int64_t rows,
           const std::byte* packed,
           const ProductOutput& output) const;

  // The same with plain weights, each tile of which is packed when its turn comes: for weights that
  // others read as well. `tiles` holds plain_scratch_bytes() (aligned to 64 bytes).
  [[nodiscard]] int64_t plain_scratch_bytes() const;
  void run_plain(const std::byte* quantised,
                 int64_t rows,
                 const std::byte* plain,
                 std::byte* tiles,
                 const ProductOutput& output) const;

 private:
  [[nodiscard]] int64_t tiles() const;
  [[nodiscard]] int64_t tile_bytes() const;
  void pack_tile(const std::byte* plain, int64_t rows, std::byte* packed) const;
  void run_tile(const std::byte* quantised,
                int64_t rows,
                const std::byte* tile,
                int64_t index,
                const ProductOutput& output) const;

  BlockShape shape_;
  int64_t blocks_;  // of one row
  const BlockKernels* kernels_;
};

}  // namespace partita::ops
