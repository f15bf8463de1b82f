// SPDX-License-Identifier: Apache-2.0
// Keys and values of a paged cache as attention reads them: tiles of panels, where they lie or,
// where their shape does not allow that, in a copy as f32. Included by one source file per
// instruction set.
#pragma once

#include "ops/attention/block_kernels.h"
#include "ops/attention/factors-inl.h"

namespace partita::ops::attention {
namespace {

constexpr int64_t kTilePanels = kTileKeys / kPanel;

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Where the panels of a tile are, in elements of the cache: element e of key k of panel i is
// keys[i][e * key_step + k], of the value values[i][k * value_step + e].
template <typename Cache>
struct Tile {
  const Cache* keys[kTilePanels];        // NOLINT: std::array would be code shared between
  const Cache* values[kTilePanels];      // NOLINT: instruction sets
  const Cache* key_memory[kTilePanels];  // NOLINT: where to read on: as much as a panel holds
  int64_t key_step;
  int64_t value_step;
  int64_t count;  // keys
};

// Copies keys [begin, begin + count) of the sequence as f32 into panels, values beside them.
template <typename Cache>
void copy_tile(const Block& block, int64_t begin, int64_t count, float* keys, float* values) {
  const int64_t width = block.width();
  const int64_t block_elements = block.block_size * block.head_dim;
  for (int64_t key = 0; key < count; ++key) {
    const int64_t position = begin + key;
    const int64_t from = block.table[position / block.block_size] * block_elements;
    const int64_t row = position % block.block_size;
    const Cache* k = static_cast<const Cache*>(block.keys) + from + row;
    const Cache* v = static_cast<const Cache*>(block.values) + from + row * block.head_dim;
    float* to = keys + key / kPanel * kPanel * width + key % kPanel;
    for (int64_t e = 0; e < block.head_dim; ++e) to[e * kPanel] = widen(k[e * block.block_size]);
    for (int64_t e = 0; e < block.head_dim; ++e) values[key * width + e] = widen(v[e]);
    for (int64_t e = block.head_dim; e < width; ++e) values[key * width + e] = 0;
  }
}

// Panels can be used where they are.
inline bool is_in_place(const Block& block) {
  return block.block_size % kPanel == 0 && block.head_dim % kPanel == 0;
}

// The tiles of a block, where they are.
template <typename Cache>
class PlacedTiles {
 public:
  explicit PlacedTiles(const Block& block) : block_(block) {}

  [[nodiscard]] Tile<Cache> at(int64_t begin) const {
    Tile<Cache> tile;
    tile.count = begin < block_.end ? least(kTileKeys, block_.end - begin) : 0;
    tile.key_step = block_.block_size;
    tile.value_step = block_.head_dim;
    const int64_t size = block_.block_size;
    // Places beyond the last key are those of the last one: they are fetched, but never used.
    const int64_t last = tile.count > 0 ? (tile.count - 1) / kPanel : 0;
    for (int64_t panel = 0; tile.count > 0 && panel < kTilePanels; ++panel) {
      const int64_t position = begin + least(panel, last) * kPanel;
      const int64_t from = block_.table[position / size] * size * block_.head_dim;
      const int64_t row = position % size;
      tile.keys[panel] = static_cast<const Cache*>(block_.keys) + from + row;
      tile.key_memory[panel] =
          static_cast<const Cache*>(block_.keys) + from + row * block_.head_dim;
      tile.values[panel] = static_cast<const Cache*>(block_.values) + from + row * block_.head_dim;
    }
    return tile;
  }

  void fill(int64_t /*begin*/, const Tile<Cache>& /*tile*/) const {}

 private:
  const Block& block_;
};

// The tiles of a block of caches of that type, copied as f32 when their turn comes.
template <typename Cache>
class CopiedTiles {
 public:
  CopiedTiles(const Block& block, float* copies) : block_(block), copies_(copies) {}

  [[nodiscard]] Tile<float> at(int64_t begin) const {
    Tile<float> tile;
    tile.count = begin < block_.end ? least(kTileKeys, block_.end - begin) : 0;
    tile.key_step = kPanel;
    tile.value_step = block_.width();
    for (int64_t panel = 0; panel < kTilePanels; ++panel) {
      tile.keys[panel] = tile.key_memory[panel] = copies_ + panel * kPanel * block_.width();
      tile.values[panel] = tile.keys[panel] + kTileKeys * block_.width();
    }
    return tile;
  }

  void fill(int64_t begin, const Tile<float>& tile) const {
    copy_tile<Cache>(block_, begin, tile.count, copies_, copies_ + kTileKeys * block_.width());
  }

 private:
  const Block& block_;
  float* copies_;
};

}  // namespace
}  // namespace partita::ops::attention
