// SPDX-License-Identifier: Apache-2.0
// The rows that a product reads, and where its results go.
#pragma once

#include <cstdint>

namespace partita::ops {

// Rows of x, f32: row i is x[i], or x[row_ids[i]] when these are given.
struct ProductRows {
  const float* x = nullptr;
  int64_t rows = 0;
  const int64_t* row_ids = nullptr;
};

// Rows lie `columns` elements apart.
struct ProductOutput {
  float* y = nullptr;
  int64_t columns = 0;
};

}  // namespace partita::ops
