// SPDX-License-Identifier: Apache-2.0
#include "ops/experts/expert_matrices.h"

#include "device/cpu/pages.h"

namespace partita::ops {

DenseExpertMatrices::DenseExpertMatrices(DType dtype, int64_t n, int64_t k)
    : product_({dtype, n, k, n}), dtype_(dtype), k_(k), matrix_bytes_(n * k * size_of(dtype)) {}

void DenseExpertMatrices::pack(const TensorView& weight, int64_t most_rows) {
  product_.use_packed_weights(most_rows);
  for (int64_t expert = 0; expert < weight.shape[0]; ++expert) {
    std::byte* plain = weight.as<std::byte>() + expert * matrix_bytes_;
    packed_.push_back(aligned_bytes(product_.packed_bytes()));
    product_.pack(plain, packed_.back().get());
    device::discard_pages(plain, matrix_bytes_);
  }
}

int64_t DenseExpertMatrices::input_bytes(int64_t rows) const {
  return padded_rows(rows) * k_ * size_of(dtype_);
}

void DenseExpertMatrices::prepare_input(const float* x,
                                        const int64_t* row_ids,
                                        int64_t rows,
                                        std::byte* to) const {
  copy_product_rows({x, row_ids, rows, padded_rows(rows), k_}, dtype_, to);
}

void DenseExpertMatrices::run(const TensorView& weight,
                              int64_t expert,
                              const std::byte* x,
                              int64_t rows,
                              float* y,
                              Scratch& scratch) {
  const std::byte* data = packed_.empty() ? weight.as<const std::byte>() + expert * matrix_bytes_
                                          : packed_[static_cast<size_t>(expert)].get();
  product_.run(x, padded_rows(rows), data, y, scratch);
}

BlockExpertMatrices::BlockExpertMatrices(DType dtype, int64_t n, int64_t k)
    : product_({dtype, n, k}), n_(n), matrix_bytes_(n * bytes_of(dtype, k)) {}

void BlockExpertMatrices::pack(const TensorView& weight, int64_t most_rows) {
  (void)most_rows;
  for (int64_t expert = 0; expert < weight.shape[0]; ++expert) {
    std::byte* plain = weight.as<std::byte>() + expert * matrix_bytes_;
    packed_.push_back(aligned_bytes(product_.packed_bytes()));
    product_.pack(plain, {0, n_}, packed_.back().get());
    device::discard_pages(plain, matrix_bytes_);
  }
}

void BlockExpertMatrices::run(const TensorView& weight,
                              int64_t expert,
                              const std::byte* x,
                              int64_t rows,
                              float* y,
                              Scratch& scratch) {
  if (!packed_.empty()) {
    product_.run(x, rows, packed_[static_cast<size_t>(expert)].get(), {y, n_});
    return;
  }
  std::byte* tiles = scratch.reserve(Scratch::kLibrary, product_.plain_scratch_bytes());
  product_.run_plain(x, rows, weight.as<const std::byte>() + expert * matrix_bytes_, tiles,
                     {y, n_});
}

}  // namespace partita::ops
