// SPDX-License-Identifier: Apache-2.0
// Packing of dense weights, and the division of their products over panels and threads.
#include "ops/product/dense_product.h"

#include <algorithm>
#include <cstring>

#include "device/cpu/instructions.h"
#include "ops/parallel.h"
#include "ops/product/dense_kernels.h"
#include "ops/product/panels.h"
#include "ops/product/tiles.h"
#include "support/error.h"

namespace partita::ops {
namespace {

const DenseKernels& kernels_of(device::Instructions level) {
  switch (level) {
    case device::Instructions::kPortable:
      return dense_kernels_portable();
    case device::Instructions::kAvx2:
      return dense_kernels_avx2();
    case device::Instructions::kAvx512:
      return dense_kernels_avx512();
  }
  return dense_kernels_portable();
}

// `rows` rows of k elements as [k / kDepth][64][kDepth]; the rest of the tile's `depth` zeros. In
// pieces of k, so that the lines that are written to stay in the L1 cache until they are full.
template <typename Element, int64_t kDepth>
void pack_rows(const Element* plain, int64_t rows, int64_t k, int64_t depth, Element* packed) {
  constexpr int64_t kPiece = 128;
  if (rows < kDenseTileRows || k < depth) {
    std::fill_n(packed, depth * kDenseTileRows, Element{});
  }
  for (int64_t begin = 0; begin < k; begin += kPiece) {
    const int64_t end = std::min(k, begin + kPiece);
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t i = begin; i < end; ++i) {
        packed[(i / kDepth * kDenseTileRows + row) * kDepth + i % kDepth] = plain[row * k + i];
      }
    }
  }
}

const DenseLoops& loops_of(const DenseKernels& kernels, const DenseShape& shape) {
  if (shape.weight == DType::kF32) return kernels.f32;
  return shape.x_is_f32 ? kernels.bf16_exact : kernels.bf16;
}

// Steps that panels meet one after the other, and passes over some of the columns: 16 KiB of
// weights, of the L1 cache, to which the next ones come meanwhile.
constexpr int64_t kRunSteps = 64;
// How far ahead weights are fetched that are used once (see block_kernels_avx512.cpp).
constexpr int64_t kAheadBytes = 8192;
// Panels whose sums are kept at once, up to 16 KiB.
constexpr int64_t kGroupPanels = 8;

// Calls visit(Range) for the parts of the rows, as few as have up to `most` and of nearly equal
// size: groups of panels, and the panels of a group.
template <typename Visit>
void visit_parts(Range rows, int64_t most, const Visit& visit) {
  for (int64_t panel = 0; panel < panels_of(rows.size(), most); ++panel) {
    const Range own = panel_rows(rows.size(), most, panel);
    visit(Range{rows.begin + own.begin, rows.begin + own.end});
  }
}

// A tile costs its memory traffic, or with several rows of x its computation.
Split tile_split(int64_t tiles, int64_t tile_bytes, int64_t rows) {
  return {.items = tiles, .bytes_per_item = tile_bytes * std::max<int64_t>(1, rows / 4)};
}

}  // namespace

static_assert(DenseProduct::kTileRows == kDenseTileRows);

DenseProduct::DenseProduct(const DenseShape& shape, device::Instructions level)
    : shape_(shape), kernels_(&kernels_of(level)), loops_(&loops_of(*kernels_, shape)) {
  CHECK(shape.weight == DType::kF32 || shape.weight == DType::kBF16, "weights of ",
        to_string(shape.weight));
  CHECK(shape.n >= 1 && shape.k >= 1, "shape of dense weights");
}

int64_t DenseProduct::tiles() const { return (shape_.n + kTileRows - 1) / kTileRows; }
int64_t DenseProduct::steps() const {
  return shape_.weight == DType::kBF16 ? (shape_.k + 1) / 2 : shape_.k;
}
int64_t DenseProduct::stored_steps() const { return (steps() + 15) / 16 * 16; }
int64_t DenseProduct::tile_bytes() const { return stored_steps() * kDenseStepBytes; }
int64_t DenseProduct::packed_bytes() const { return tiles() * tile_bytes(); }

void DenseProduct::pack_tile(const void* plain, int64_t rows, std::byte* packed) const {
  if (shape_.weight == DType::kBF16) {
    pack_rows<uint16_t, 2>(static_cast<const uint16_t*>(plain), rows, shape_.k, 2 * stored_steps(),
                           reinterpret_cast<uint16_t*>(packed));
  } else {
    pack_rows<uint32_t, 1>(static_cast<const uint32_t*>(plain), rows, shape_.k, stored_steps(),
                           reinterpret_cast<uint32_t*>(packed));
  }
}

void DenseProduct::pack(const void* plain, Range rows, std::byte* packed) const {
  CHECK(rows.begin % kTileRows == 0 && (rows.end % kTileRows == 0 || rows.end == shape_.n),
        "rows of whole tiles");
  const int64_t row_bytes = shape_.k * size_of(shape_.weight);
  std::byte* first = packed + rows.begin / kTileRows * tile_bytes();
  const int64_t count = (rows.size() + kTileRows - 1) / kTileRows;
  const bool has_whole_lines = row_bytes % (kDensePackSteps * kDenseWordBytes) == 0;
  parallel_ranges({.items = count, .bytes_per_item = tile_bytes()}, [&](Range range) {
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      const int64_t begin = tile * kTileRows;
      const std::byte* from = static_cast<const std::byte*>(plain) + begin * row_bytes;
      std::byte* to = first + tile * tile_bytes();
      if (kernels_->pack != nullptr && has_whole_lines && rows.size() - begin >= kTileRows) {
        kernels_->pack({from, row_bytes, steps(), to});
      } else {
        pack_tile(from, std::min(kTileRows, rows.size() - begin), to);
      }
    }
  });
}

void DenseProduct::read_row(const std::byte* packed, int64_t row, float* to) const {
  const std::byte* tile = packed + row / kTileRows * tile_bytes() + row % kTileRows * 4;
  for (int64_t step = 0; step < steps(); ++step, tile += kDenseStepBytes) {
    if (shape_.weight == DType::kF32) {
      std::memcpy(to + step, tile, sizeof(float));
      continue;
    }
    BFloat16 pair[2];  // NOLINT
    std::memcpy(pair, tile, sizeof(pair));
    to[2 * step] = pair[0].to_float();
    if (2 * step + 1 < shape_.k) to[2 * step + 1] = pair[1].to_float();
  }
}

int64_t DenseProduct::panel_bytes(int64_t rows) const { return panel_bytes_of(rows, steps()); }
int64_t DenseProduct::panel_bytes_of(int64_t rows, int64_t steps) const {
  return rows * steps * loops_->words * kDenseWordBytes;
}

// One run of steps after the other, of each group: there its panels, [step][rows].
void DenseProduct::make_panels(const ProductRows& rows, std::byte* panels) const {
  // A number costs about as much as reading four times as much memory.
  const Split split{
      .items = steps(), .bytes_per_item = 4 * panel_bytes_of(rows.rows, 1), .multiple = kRunSteps};
  parallel_ranges(split, [&](Range steps) {
    visit_parts({0, rows.rows}, kGroupPanels * loops_->most_rows, [&](Range group) {
      std::byte* to = panels + panel_bytes(group.begin) + panel_bytes_of(group.size(), steps.begin);
      for (int64_t step = steps.begin; step < steps.end; step += kRunSteps) {
        const int64_t count = std::min(kRunSteps, steps.end - step);
        visit_parts(group, loops_->most_rows, [&](Range panel) {
          make_panel(rows, panel, {step, step + count}, to);
          to += panel_bytes_of(panel.size(), count);
        });
      }
    });
  });
}

void DenseProduct::make_panel(const ProductRows& rows,
                              Range panel,
                              Range steps,
                              std::byte* to) const {
  const float* x[kMostPanelRows];  // NOLINT
  for (int64_t row = 0; row < panel.size(); ++row) {
    const int64_t id = panel.begin + row;
    x[row] = rows.x + (rows.row_ids == nullptr ? id : rows.row_ids[id]) * shape_.k;
  }
  loops_->panel({.x = x,
                 .rows = panel.size(),
                 .k = shape_.k,
                 .first_step = steps.begin,
                 .end_step = steps.end,
                 .panel = to});
}

struct DenseProduct::TileRun {
  const std::byte* panels;
  int64_t rows;
  ProductOutput output;
};

// y[rows][64] = a group of panels times one tile.
void DenseProduct::run_panels(const TileRun& run,
                              const std::byte* tile,
                              Range rows,
                              float* y) const {
  const int64_t count = panels_of(rows.size(), loops_->most_rows);
  const bool is_alone = count == 1;
  const bool is_whole = is_alone && rows.size() <= loops_->whole_rows;
  const DenseTileKernel* const kernels = is_alone ? loops_->alone : loops_->beside;
  const int64_t ahead_bytes = (kDenseStepBytes + count - 1) / count;
  const int64_t most_steps = is_whole ? steps() : kRunSteps;
  const std::byte* x = run.panels + panel_bytes(rows.begin);
  for (int64_t step = 0; step < steps(); step += most_steps) {
    const std::byte* weights = tile + step * kDenseStepBytes;
    const std::byte* ahead = weights + (is_whole ? kAheadBytes : most_steps * kDenseStepBytes);
    const int64_t own_steps = std::min(most_steps, steps() - step);
    visit_parts(rows, loops_->most_rows, [&](Range panel) {
      kernels[panel.size()]({.weights = weights,
                             .steps = own_steps,
                             .panel = x,
                             .y = y + (panel.begin - rows.begin) * kDenseTileRows,
                             .continues = step > 0,
                             .ahead = ahead,
                             .ahead_bytes = ahead_bytes});
      ahead += own_steps * ahead_bytes;
      x += panel_bytes_of(panel.size(), own_steps);
    });
  }
}

void DenseProduct::run_tile(const TileRun& run, const std::byte* tile, int64_t index) const {
  const int64_t first = index * kTileRows;
  const auto row_bytes = static_cast<size_t>(std::min(kTileRows, shape_.n - first)) * sizeof(float);
  visit_parts({0, run.rows}, kGroupPanels * loops_->most_rows, [&](Range group) {
    alignas(64) float y[kGroupPanels * kMostPanelRows * kDenseTileRows];  // NOLINT
    run_panels(run, tile, group, y);
    for (int64_t row = 0; row < group.size(); ++row) {
      std::memcpy(run.output.y + (group.begin + row) * run.output.columns + first,
                  y + row * kDenseTileRows, row_bytes);
    }
  });
}

void DenseProduct::run(const std::byte* panels,
                       int64_t rows,
                       const std::byte* packed,
                       const ProductOutput& output) const {
  const TileRun run{panels, rows, output};
  parallel_ranges(tile_split(tiles(), tile_bytes(), rows), [&](Range range) {
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      run_tile(run, packed + tile * tile_bytes(), tile);
    }
  });
}

int64_t DenseProduct::plain_scratch_bytes() const { return team_size() * tile_bytes(); }

void DenseProduct::run_plain(const std::byte* panels,
                             int64_t rows,
                             const void* plain,
                             std::byte* tiles_memory,
                             const ProductOutput& output) const {
  const int64_t row_bytes = shape_.k * size_of(shape_.weight);
  const TileRun run{panels, rows, output};
  pack_and_run_tiles(
      tile_split(tiles(), tile_bytes(), rows), tiles_memory, tile_bytes(),
      [&](int64_t tile, std::byte* memory) {
        const int64_t first = tile * kTileRows;
        pack_tile(static_cast<const std::byte*>(plain) + first * row_bytes,
                  std::min(kTileRows, shape_.n - first), memory);
      },
      [&](int64_t tile, const std::byte* memory) { run_tile(run, memory, tile); });
}

}  // namespace partita::ops
