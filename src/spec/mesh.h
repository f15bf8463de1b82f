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

// The axis that a sub-axis belongs to, and the name itself of any other axis. An axis that is cut
// into factors stands in a mesh as its sub-axes, named NAME(m)k as in Shardy: a part of size k
// behind parts of product m. tp=2x4 is the axis tp of 8 seen as tp(1)2 and tp(2)4.
[[nodiscard]] std::string_view parent_axis(std::string_view name);

// Ordered named axes; the last varies fastest. A cell is one point of the grid (0 .. size()-1);
// `ranks[cell]` is the rank that sits there (0, 1, 2, ... unless given). Value type;
// thread-compatible. Example: Mesh::parse("host=2,gpu=4") has 8 cells; cell 5 has the coordinates
// host=1, gpu=1.
class Mesh {
 public:
  Mesh() = default;  // no axes, one cell, rank 0
  explicit Mesh(std::vector<MeshAxis> axes);
  Mesh(std::vector<MeshAxis> axes, std::vector<int> ranks);  // ranks.size() == product of the axes

  // "host=2,gpu=4" (blanks allowed); "tp=2x4" is an axis of 8 as two sub-axes; "dp=2,tp=4@spread"
  // asks for an order of the ranks, see with_rank_order(). Throws kInvalidArgument: empty or
  // duplicate name, size < 1 or > 65536, sub-axes that are not together and in order, unknown
  // order.
  [[nodiscard]] static Mesh parse(std::string_view text);
  // Axes and sizes, without the ranks.
  [[nodiscard]] std::string to_string() const;

  // The same cells and ranks with `axis` (which may be a sub-axis) seen as several of these sizes,
  // major first. Throws kInvalidArgument when it is unknown or the product is not its size.
  [[nodiscard]] Mesh factorised(std::string_view axis, std::span<const int64_t> sizes) const;
  // The same cells and ranks with all sub-axes joined to their axes again.
  [[nodiscard]] Mesh merged() const;
  // The same axes with the ranks 0, 1, 2, ... in another order: "cluster" (the last axis varies
  // fastest), "spread" (the first varies fastest), or all axes, slowest first, by name
  // ("tp,pp,dp") or by first letter ("TPD"). Throws kInvalidArgument for any other text.
  [[nodiscard]] Mesh with_rank_order(std::string_view order) const;

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
