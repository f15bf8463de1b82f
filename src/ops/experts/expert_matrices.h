// SPDX-License-Identifier: Apache-2.0
// All experts' matrices of one kind (gate, up or down), dense or stored in blocks: one product, and
// a packed copy per expert unless the plain weight is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/kernel.h"
#include "ops/product/block_product.h"
#include "ops/weight_product.h"
#include "support/dtype.h"

namespace partita::ops {

// Both classes have the same functions. n rows and k columns per expert, at least 1 each; rows of x
// are first prepared at a place aligned to 64 bytes, and matrices with the same type and k share
// what was prepared. Owned by one rank's thread.

// f32 or bf16.
class DenseExpertMatrices {
 public:
  // x_is_f32: see ProductShape.
  DenseExpertMatrices(DType dtype, int64_t n, int64_t k, bool x_is_f32);

  void use_plain_weights() { product_.use_plain_weights(); }
  // Takes the data of weight[experts, n, k] over expert by expert and gives the memory of each
  // finished one back.
  void pack(const TensorView& weight);
  // Makes all ready for products of up to `rows` rows.
  void prepare(int64_t rows) { product_.prepare(rows); }

  [[nodiscard]] int64_t input_bytes(int64_t rows) const { return product_.input_bytes(rows); }
  // Row i of the product is x[i], or x[row_ids[i]] when these are given.
  void prepare_input(const float* x, const int64_t* row_ids, int64_t rows, std::byte* to) const {
    product_.make_input({x, rows, row_ids}, to);
  }
  // y[rows, n] = x * weight[expert]^T.
  void run(const TensorView& weight,
           int64_t expert,
           const std::byte* x,
           int64_t rows,
           float* y,
           Scratch& scratch);

 private:
  WeightProduct product_;
  int64_t n_;
  int64_t matrix_bytes_;
  std::vector<AlignedBytes> packed_;
};

// q8_0 or q4_0; k is a multiple of 32.
class BlockExpertMatrices {
 public:
  BlockExpertMatrices(DType dtype, int64_t n, int64_t k, bool x_is_f32);

  void use_plain_weights() {}
  void pack(const TensorView& weight);
  void prepare(int64_t rows) { (void)rows; }

  [[nodiscard]] int64_t input_bytes(int64_t rows) const { return product_.quantised_bytes(rows); }
  void prepare_input(const float* x, const int64_t* row_ids, int64_t rows, std::byte* to) const {
    product_.quantise({x, rows, row_ids}, to);
  }
  void run(const TensorView& weight,
           int64_t expert,
           const std::byte* x,
           int64_t rows,
           float* y,
           Scratch& scratch);

 private:
  BlockProduct product_;
  int64_t n_;
  int64_t matrix_bytes_;
  std::vector<AlignedBytes> packed_;
};

}  // namespace partita::ops
