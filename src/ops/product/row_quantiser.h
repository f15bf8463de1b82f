// SPDX-License-Identifier: Apache-2.0
// Quantises rows of activations for products with weights in blocks, where they are kept between
// operators: once for all products that read them, or row by row by the kernel that makes them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/product/block_product.h"
#include "support/dtype.h"

namespace partita::ops {

// Rows x[rows, k]; k is a multiple of 32. They lie in runs of kRunRows rows, each as
// BlockProduct::quantise() lays it out, so that a run is an input of BlockProduct::run(). A row
// gives the same values whatever rows are beside it, and on every instruction level. Value type;
// thread-safe.
class RowQuantiser {
 public:
  // Rows of a product with one call: enough that the weights' way from memory costs nothing.
  static constexpr int64_t kRunRows = 512;

  // For weights of that type (q8_0 or q4_0).
  RowQuantiser(DType weight, int64_t k, device::Instructions level = device::usable_instructions());

  // Also where row `rows` begins, if it begins a run.
  [[nodiscard]] int64_t bytes(int64_t rows) const { return product_.quantised_bytes(rows); }

  // All rows, on the team. `to` is aligned to 64 bytes.
  void quantise(const float* x, int64_t rows, std::byte* to) const;
  // Row `row` of `rows`, x[k]; several threads may do different rows at once.
  void quantise_row(const float* x, int64_t row, int64_t rows, std::byte* to) const;
  // Row `row` of `rows` as floats, to[k]: for references.
  void read_row(const std::byte* from, int64_t row, int64_t rows, float* to) const;

 private:
  BlockProduct product_;
  int64_t blocks_;  // of one row
};

}  // namespace partita::ops
