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

// x[rows, k] as [step][rows][kDepth], which an odd k lacks the last element of.
template <int64_t kDepth, typename To, typename From, typename Convert>
void interleave(const From* x, Range rows, int64_t k, To* panel, const Convert& convert) {
  for (int64_t row = 0; row < rows.size(); ++row) {
    const From* from = x + (rows.begin + row) * k;
    To* to = panel + row * kDepth;
    int64_t i = 0;
    for (; i + kDepth <= k; i += kDepth, to += rows.size() * kDepth) {
      for (int64_t part = 0; part < kDepth; ++part) to[part] = convert(from[i + part]);
    }
    for (int64_t part = 0; i < k && part < kDepth; ++part) {
      to[part] = i + part < k ? convert(from[i + part]) : To{};
    }
  }
}

// Steps that many panels meet one after the other: 64 KiB of weights, of the L2 cache.
constexpr int64_t kStepsOfPanels = 256;

// A tile costs its memory traffic, or with several rows of x its computation.
Split tile_split(int64_t tiles, int64_t tile_bytes, int64_t rows) {
  return {.items = tiles, .bytes_per_item = tile_bytes * std::max<int64_t>(1, rows / 4)};
}

}  // namespace

static_assert(DenseProduct::kTileRows == kDenseTileRows);

DenseProduct::DenseProduct(const DenseShape& shape, device::Instructions level)
    : shape_(shape), kernels_(&kernels_of(level)) {
  CHECK(shape.weight == DType::kF32 || shape.weight == DType::kBF16, "weights of ",
        to_string(shape.weight));
  CHECK(shape.n >= 1 && shape.k >= 1, "shape of dense weights");
}

int64_t DenseProduct::panel_rows() const {
  return shape_.weight == DType::kBF16 ? kernels_->bf16_rows : kernels_->f32_rows;
}
int64_t DenseProduct::tiles() const { return (shape_.n + kTileRows - 1) / kTileRows; }
int64_t DenseProduct::steps() const {
  return shape_.weight == DType::kBF16 ? (shape_.k + 1) / 2 : shape_.k;
}
int64_t DenseProduct::stored_steps() const { return (steps() + 15) / 16 * 16; }
int64_t DenseProduct::step_bytes_per_row() const {
  return shape_.weight == DType::kBF16 && kernels_->widens ? 8 : 4;
}
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

int64_t DenseProduct::panel_bytes(int64_t rows) const {
  return rows * steps() * step_bytes_per_row();
}

const std::byte* DenseProduct::make_panels(const void* x, int64_t rows, std::byte* panels) const {
  const bool is_bf16 = shape_.weight == DType::kBF16;
  const bool widens = is_bf16 && kernels_->widens;
  const bool has_whole_steps = !is_bf16 || shape_.k % 2 == 0;
  if (rows == 1 && has_whole_steps && !widens) return static_cast<const std::byte*>(x);
  const int64_t most = panel_rows();
  const int64_t panel_cost = most * shape_.k * size_of(DType::kF32);
  const Split split{.items = panels_of(rows, most), .bytes_per_item = panel_cost};
  const auto same = [](auto value) { return value; };
  parallel_ranges(split, [&](Range range) {
    for (int64_t panel = range.begin; panel < range.end; ++panel) {
      const Range own = ops::panel_rows(rows, most, panel);
      std::byte* to = panels + panel_bytes(own.begin);
      if (widens) {
        interleave<2>(static_cast<const BFloat16*>(x), own, shape_.k, reinterpret_cast<float*>(to),
                      [](BFloat16 value) { return value.to_float(); });
      } else if (is_bf16) {
        interleave<2>(static_cast<const uint16_t*>(x), own, shape_.k,
                      reinterpret_cast<uint16_t*>(to), same);
      } else {
        interleave<1>(static_cast<const float*>(x), own, shape_.k, reinterpret_cast<float*>(to),
                      same);
      }
    }
  });
  return panels;
}

void DenseProduct::run_tile(const std::byte* panels,
                            int64_t rows,
                            const std::byte* tile,
                            int64_t index,
                            const DenseOutput& output) const {
  const DenseTileKernel* const by_rows =
      shape_.weight == DType::kBF16 ? kernels_->bf16 : kernels_->f32;
  const int64_t most = panel_rows();
  const int64_t count = panels_of(rows, most);
  const int64_t most_steps = count == 1 ? steps() : kStepsOfPanels;
  const int64_t first = index * kTileRows;
  for (int64_t step = 0; step < steps(); step += most_steps) {
    for (int64_t panel = 0; panel < count; ++panel) {
      const Range own = ops::panel_rows(rows, most, panel);
      by_rows[own.size()](
          {.tile = tile + step * kDenseStepBytes,
           .steps = std::min(most_steps, steps() - step),
           .panel = panels + panel_bytes(own.begin) + step * own.size() * step_bytes_per_row(),
           .y = output.y + own.begin * output.columns + first,
           .y_columns = output.columns,
           .tile_rows = std::min(kTileRows, shape_.n - first),
           .continues = step > 0});
    }
  }
}

void DenseProduct::run(const std::byte* panels,
                       int64_t rows,
                       const std::byte* packed,
                       const DenseOutput& output) const {
  parallel_ranges(tile_split(tiles(), tile_bytes(), rows), [&](Range range) {
    for (int64_t tile = range.begin; tile < range.end; ++tile) {
      run_tile(panels, rows, packed + tile * tile_bytes(), tile, output);
    }
  });
}

int64_t DenseProduct::plain_scratch_bytes() const { return team_size() * tile_bytes(); }

void DenseProduct::run_plain(const std::byte* panels,
                             int64_t rows,
                             const void* plain,
                             std::byte* tiles_memory,
                             const DenseOutput& output) const {
  const int64_t row_bytes = shape_.k * size_of(shape_.weight);
  pack_and_run_tiles(
      tile_split(tiles(), tile_bytes(), rows), tiles_memory, tile_bytes(),
      [&](int64_t tile, std::byte* memory) {
        const int64_t first = tile * kTileRows;
        pack_tile(static_cast<const std::byte*>(plain) + first * row_bytes,
                  std::min(kTileRows, shape_.n - first), memory);
      },
      [&](int64_t tile, const std::byte* memory) { run_tile(panels, rows, memory, tile, output); });
}

}  // namespace partita::ops
