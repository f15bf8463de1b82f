// SPDX-License-Identifier: Apache-2.0
// Rows in runs, each in panels.
#include "ops/product/row_quantiser.h"

#include <algorithm>
#include <cstring>

#include "ops/product/block_kernels.h"
#include "ops/product/panels.h"
#include "ops/quantized_rows.h"

namespace partita::ops {

static_assert(kRowBlock == kBlockColumns && kRowBlockBytes == kRecordBytesPerRow);

namespace {

// The run that holds row `row` of `rows`.
Range run_of(int64_t row, int64_t rows) {
  const int64_t begin = row / RowQuantiser::kRunRows * RowQuantiser::kRunRows;
  return {begin, std::min(rows, begin + RowQuantiser::kRunRows)};
}

}  // namespace

RowQuantiser::RowQuantiser(DType weight, int64_t k, device::Instructions level)
    : product_({weight, 0, k}, level), blocks_(k / kBlockColumns) {}

void RowQuantiser::quantise(const float* x, int64_t rows, std::byte* to) const {
  for (int64_t row = 0; row < rows; row += kRunRows) {
    const int64_t count = run_of(row, rows).size();
    product_.quantise({.x = x + row * blocks_ * kBlockColumns, .rows = count}, to + bytes(row));
  }
}

void RowQuantiser::quantise_row(const float* x, int64_t row, int64_t rows, std::byte* to) const {
  const Range run = run_of(row, rows);
  product_.quantise_row(x, row - run.begin, run.size(), to + bytes(run.begin));
}

void RowQuantiser::read_row(const std::byte* from, int64_t row, int64_t rows, float* to) const {
  const Range run = run_of(row, rows);
  const Range panel = panel_with_row(run.size(), kPanelRows, row - run.begin);
  const int64_t panel_rows = panel.size();
  const int64_t own = row - run.begin - panel.begin;
  const std::byte* record = from + bytes(run.begin) + bytes(panel.begin);
  for (int64_t block = 0; block < blocks_; ++block, record += kRecordBytesPerRow * panel_rows) {
    float scale = 0;
    std::memcpy(&scale, record + kBlockColumns * panel_rows + own * 4, sizeof(scale));
    for (int64_t i = 0; i < kBlockColumns; ++i) {
      const auto quant = static_cast<int8_t>(record[(i / 4 * panel_rows + own) * 4 + i % 4]);
      to[block * kBlockColumns + i] = static_cast<float>(quant) * scale;
    }
  }
}

}  // namespace partita::ops
