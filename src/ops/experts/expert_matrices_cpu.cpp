// SPDX-License-Identifier: Apache-2.0
#include "ops/experts/expert_matrices.h"

#include "device/cpu/pages.h"

namespace partita::ops {

DenseExpertMatrices::DenseExpertMatrices(DType dtype, int64_t n, int64_t k, bool x_is_f32)
    : product_({dtype, n, k, n, x_is_f32}), n_(n), matrix_bytes_(n * k * size_of(dtype)) {}

void DenseExpertMatrices::pack(const TensorView& weight) {
  product_.use_packed_weights();
  for (int64_t expert = 0; expert < weight.shape[0]; ++expert) {
    std::byte* plain = weight.as<std::byte>() + expert * matrix_bytes_;
    packed_.push_back(aligned_bytes(product_.packed_bytes()));
    product_.pack(plain, {0, n_}, packed_.back().get());
    device::discard_pages(plain, matrix_bytes_);
  }
}

void DenseExpertMatrices::run(const TensorView& weight,
                              int64_t expert,
                              const std::byte* x,
                              int64_t rows,
                              float* y,
                              Scratch& scratch) {
  const std::byte* data = packed_.empty() ? weight.as<const std::byte>() + expert * matrix_bytes_
                                          : packed_[static_cast<size_t>(expert)].get();
  product_.run(x, rows, data, y, scratch);
}

// Blocks have products of their own.
BlockExpertMatrices::BlockExpertMatrices(DType dtype, int64_t n, int64_t k, bool /*x_is_f32*/)
    : product_({dtype, n, k}), n_(n), matrix_bytes_(n * bytes_of(dtype, k)) {}

void BlockExpertMatrices::pack(const TensorView& weight) {
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
