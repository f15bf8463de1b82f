// SPDX-License-Identifier: Apache-2.0
// Named axes over ranks: the grid that tensor specs refer to.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita::spec {

struct MeshAxis {
  std::string name;
  int64_t size = 1;
  bool operator==(const MeshAxis&) const = default;
};

// Ordered named axes; the last varies fastest. A cell is one point of the grid (0 .. size()-1);
// `ranks[cell]` is the rank that sits there (0, 1, 2, ... unless given). Value type;
// thread-compatible. Example: Mesh::parse("host=2,gpu=4") has 8 cells; cell 5 has the coordinates
// host=1, gpu=1.
class Mesh {
 public:
  Mesh() = default;  // no axes, one cell, rank 0
  explicit Mesh(std::vector<MeshAxis> axes);
  Mesh(std::vector<MeshAxis> axes, std::vector<int> ranks);  // ranks.size() == product of the axes

  // "host=2,gpu=4" (blanks allowed). Throws kInvalidArgument: empty or duplicate name, size < 1 or
  // > 65536.
  [[nodiscard]] static Mesh parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const std::vector<MeshAxis>& axes() const { return axes_; }
  [[nodiscard]] const std::vector<int>& ranks() const { return ranks_; }
  [[nodiscard]] int64_t size() const { return static_cast<int64_t>(ranks_.size()); }
  [[nodiscard]] int axis_count() const { return static_cast<int>(axes_.size()); }
  // Index of the axis of that name, or -1.
  [[nodiscard]] int axis_index(std::string_view name) const;
  // Product of the sizes of the listed axes (1 for none).
  [[nodiscard]] int64_t size_of(std::span<const int> axes) const;

  // Coordinate of `cell` on `axis`.
  [[nodiscard]] int64_t coordinate(int64_t cell, int axis) const;
  // Position of `cell` among the cells of its group along `axes` (first listed = major).
  [[nodiscard]] int64_t position(int64_t cell, std::span<const int> axes) const;
  // The cells that differ from `cell` only along `axes`, ordered by position(); includes `cell`.
  [[nodiscard]] std::vector<int64_t> group(int64_t cell, std::span<const int> axes) const;

  bool operator==(const Mesh&) const = default;

 private:
  std::vector<MeshAxis> axes_;
  std::vector<int> ranks_ = {0};
};

}  // namespace partita::spec
