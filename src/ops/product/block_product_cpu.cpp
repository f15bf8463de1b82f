// SPDX-License-Identifier: Apache-2.0
// Packing of block-quantised weights, and the division of their products over panels and threads.
#include "ops/product/block_product.h"

#include <algorithm>
#include <cstring>

#include "device/cpu/instructions.h"
#include "ops/parallel.h"
#include "ops/product/block_kernels.h"
#include "ops/product/panels.h"
#include "ops/product/tiles.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::ops {
namespace {

const BlockKernels& kernels_of(device::Instructions level) {
  switch (level) {
    case device::Instructions::kPortable:
      return block_kernels_portable();
    case device::Instructions::kAvx2:
      return block_kernels_avx2();
    case device::Instructions::kAvx512:
      return block_kernels_avx512();
  }
  return block_kernels_portable();
}

int64_t unit_bytes(DType weight) { return weight == DType::kQ8_0 ? kQ8UnitBytes : kQ4UnitBytes; }

// What a stored 0 stands for: see block_kernels.h.
int32_t zero_of(DType weight) { return weight == DType::kQ8_0 ? 128 : 8; }

// A block of row `row` of a tile to its place in a unit. Quants of 4 k are copied as they are:
// their order in a block of q4_0 is that of the packed nibbles.
void pack_block(const Q8Block& block, int64_t row, std::byte* quants) {
  std::byte* to = quants + row / kGroupRows * 512 + row % kGroupRows * 4;
  for (size_t part = 0; part < 8; ++part) {
    for (size_t i = 0; i < 4; ++i) {
      to[part * 64 + i] = static_cast<std::byte>(block.values[part * 4 + i] + 128);
    }
  }
}

void pack_block(const Q4Block& block, int64_t row, std::byte* quants) {
  std::byte* to = quants + row / kGroupRows * 256 + row % kGroupRows * 4;
  for (size_t part = 0; part < 4; ++part) {
    std::memcpy(to + part * 64, block.values.data() + part * 4, 4);
  }
}

// The quants of one row of a unit, at `quants`, which pack_block() has put there, as whole numbers.
void unpack_q8(const std::byte* quants, float* to) {
  for (int64_t i = 0; i < kBlockColumns; ++i) {
    to[i] = static_cast<float>(static_cast<int32_t>(quants[i / 4 * 64 + i % 4]) - 128);
  }
}
void unpack_q4(const std::byte* quants, float* to) {
  for (int64_t i = 0; i < kBlockColumns / 2; ++i) {
    const auto pair = static_cast<int32_t>(quants[i / 4 * 64 + i % 4]);
    to[i] = static_cast<float>((pair & 15) - 8);
    to[i + kBlockColumns / 2] = static_cast<float>((pair >> 4) - 8);
  }
}

// `rows` rows of blocks, the rest of the tile zeros.
template <typename Block>
void pack_rows(const std::byte* plain, int64_t rows, int64_t blocks, int64_t unit, std::byte* to) {
  for (int64_t index = 0; index < blocks; ++index, to += unit) {
    if (rows < kTileRows) std::memset(to, 0, static_cast<size_t>(unit));
    for (int64_t row = 0; row < rows; ++row) {
      Block block;
      std::memcpy(&block, plain + (row * blocks + index) * static_cast<int64_t>(sizeof(Block)),
                  sizeof(Block));
      std::memcpy(to + row * 2, &block.scale, 2);
      pack_block(block, row, to + kUnitScaleBytes);
    }
  }
}

}  // namespace

static_assert(BlockProduct::kTileRows == ops::kTileRows && kBlockColumns == kQuantBlock);

BlockProduct::BlockProduct(const BlockShape& shape, device::Instructions level)
    : shape_(shape), blocks_(shape.k / kBlockColumns), kernels_(&kernels_of(level)) {
  CHECK(is_block_type(shape.weight), "weights of ", to_string(shape.weight));
  CHECK(shape.n >= 0 && shape.k >= 0 && shape.k % kBlockColumns == 0, "shape of block weights");
}

int64_t BlockProduct::tiles() const { return (shape_.n + kTileRows - 1) / kTileRows; }
int64_t BlockProduct::tile_bytes() const { return blocks_ * unit_bytes(shape_.weight); }
int64_t BlockProduct::packed_bytes() const { return tiles() * tile_bytes(); }

void BlockProduct::pack_tile(const std::byte* plain, int64_t rows, std::byte* packed) const {
  const int64_t unit = unit_bytes(shape_.weight);
  if (shape_.weight == DType::kQ8_0) {
    pack_rows<Q8Block>(plain, rows, blocks_, unit, packed);
  } else {
    pack_rows<Q4Block>(plain, rows, blocks_, unit, packed);
  }
}

void BlockProduct::pack(const std::byte* plain, Range rows, std::byte* packed) const {
  const int64_t row_bytes = bytes_of(shape_.weight, shape_.k);
  const int64_t first = rows.begin / kTileRows;
  const int64_t count = (rows.size() + kTileRows - 1) / kTileRows;
  CHECK(rows.begin % kTileRows == 0 && (rows.end % kTileRows == 0 || rows.end == shape_.n),
        "rows of whole tiles");
  parallel_ranges({.items = count, .bytes_per_item = tile_bytes()}, [&](Range range) {
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      const int64_t begin = tile * kTileRows;
      pack_tile(plain + begin * row_bytes, std::min(kTileRows, rows.size() - begin),
                packed + (first + tile) * tile_bytes());
    }
  });
}

void BlockProduct::read_row(const std::byte* packed, int64_t row, float* to) const {
  const bool is_q8 = shape_.weight == DType::kQ8_0;
  const int64_t unit_size = unit_bytes(shape_.weight);
  const int64_t group_bytes = (unit_size - kUnitScaleBytes) / 2;
  const int64_t own = row % kTileRows;
  const std::byte* unit = packed + row / kTileRows * tile_bytes();
  for (int64_t block = 0; block < blocks_; ++block, unit += unit_size, to += kBlockColumns) {
    Float16 scale;
    std::memcpy(&scale, unit + own * 2, sizeof(scale));
    const std::byte* quants =
        unit + kUnitScaleBytes + own / kGroupRows * group_bytes + own % kGroupRows * 4;
    (is_q8 ? unpack_q8 : unpack_q4)(quants, to);
    for (int64_t i = 0; i < kBlockColumns; ++i) to[i] *= scale.to_float();
  }
}

int64_t BlockProduct::quantised_bytes(int64_t rows) const {
  return rows * blocks_ * kRecordBytesPerRow;
}

void BlockProduct::quantise(const ProductRows& rows, std::byte* quantised) const {
  // Quantising costs about as much as reading four times as much memory, and is worth two threads
  // from about 3 us on.
  const Split split{.items = rows.rows,
                    .bytes_per_item = 4 * shape_.k * size_of(DType::kF32),
                    .least_bytes = 128 << 10};
  const int64_t panels = panels_of(rows.rows, kPanelRows);
  parallel_ranges(split, [&](Range range) {
    for (int64_t panel = 0; panel < panels; ++panel) {
      const Range whole = panel_rows(rows.rows, kPanelRows, panel);
      const Range own = {std::max(whole.begin, range.begin), std::min(whole.end, range.end)};
      for (int64_t row = own.begin; row < own.end; ++row) {
        const int64_t from = rows.row_ids == nullptr ? row : rows.row_ids[row];
        kernels_->quantise({rows.x + from * shape_.k, blocks_, zero_of(shape_.weight),
                            quantised + quantised_bytes(whole.begin), whole.size(),
                            row - whole.begin});
      }
    }
  });
}

void BlockProduct::quantise_row(const float* x,
                                int64_t row,
                                int64_t rows,
                                std::byte* quantised) const {
  const Range panel = panel_with_row(rows, kPanelRows, row);
  kernels_->quantise({x, blocks_, zero_of(shape_.weight), quantised + quantised_bytes(panel.begin),
                      panel.size(), row - panel.begin});
}

// The tile stays in the cache while all panels pass by.
void BlockProduct::run_tile(const std::byte* quantised,
                            int64_t rows,
                            const std::byte* tile,
                            int64_t index,
                            const ProductOutput& output) const {
  const int64_t first = index * kTileRows;
  const TileKernel* const by_rows = shape_.weight == DType::kQ8_0 ? kernels_->q8 : kernels_->q4;
  for (int64_t panel = 0; panel < panels_of(rows, kPanelRows); ++panel) {
    const Range own = panel_rows(rows, kPanelRows, panel);
    by_rows[own.size()]({tile, blocks_, quantised + quantised_bytes(own.begin),
                         output.y + own.begin * output.columns + first, output.columns,
                         std::min(kTileRows, shape_.n - first)});
  }
}

namespace {

// A tile costs its memory traffic, or with several rows of x its computation: 5 of them take as
// long as reading the weights.
Split tile_split(int64_t tiles, int64_t tile_bytes, int64_t rows) {
  return {.items = tiles, .bytes_per_item = tile_bytes * std::max<int64_t>(1, rows / 5)};
}

}  // namespace

void BlockProduct::run(const std::byte* quantised,
                       int64_t rows,
                       const std::byte* packed,
                       const ProductOutput& output) const {
  parallel_ranges(tile_split(tiles(), tile_bytes(), rows), [&](Range range) {
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      run_tile(quantised, rows, packed + tile * tile_bytes(), tile, output);
    }
  });
}

int64_t BlockProduct::plain_scratch_bytes() const { return team_size() * tile_bytes(); }

void BlockProduct::run_plain(const std::byte* quantised,
                             int64_t rows,
                             const std::byte* plain,
                             std::byte* tiles_memory,
                             const ProductOutput& output) const {
  const int64_t row_bytes = bytes_of(shape_.weight, shape_.k);
  pack_and_run_tiles(
      tile_split(tiles(), tile_bytes(), rows), tiles_memory, tile_bytes(),
      [&](int64_t tile, std::byte* memory) {
        const int64_t first = tile * kTileRows;
        pack_tile(plain + first * row_bytes, std::min(kTileRows, shape_.n - first), memory);
      },
      [&](int64_t tile, const std::byte* memory) {
        run_tile(quantised, rows, memory, tile, output);
      });
}

}  // namespace partita::ops
