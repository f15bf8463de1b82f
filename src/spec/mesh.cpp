// SPDX-License-Identifier: Apache-2.0
// The grid of ranks: construction, coordinates and groups.
#include "spec/mesh.h"

#include <numeric>
#include <set>

#include "spec/text_cursor.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::spec {
namespace {

// Far above any cluster; keeps a typing error from becoming gigabytes of cells.
constexpr int64_t kMaxAxisSize = 65536;
constexpr int64_t kMaxCells = int64_t{1} << 20;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, str("[mesh] ", message));
}

int64_t count_cells(const std::vector<MeshAxis>& axes) {
  int64_t cells = 1;
  std::set<std::string_view> names;
  for (const MeshAxis& axis : axes) {
    TextCursor cursor(axis.name, "mesh", ErrorCode::kInvalidArgument);
    cursor.name();
    cursor.expect_end();
    if (!names.insert(axis.name).second) {
      refuse(str("axis '", axis.name, "' appears twice; expected different names"));
    }
    if (axis.size < 1 || axis.size > kMaxAxisSize) {
      refuse(str("axis '", axis.name, "' has size ", axis.size, "; expected 1 to ", kMaxAxisSize));
    }
    cells *= axis.size;
    if (cells > kMaxCells) refuse(str("more than ", kMaxCells, " cells; use smaller axes"));
  }
  return cells;
}

}  // namespace

Mesh::Mesh(std::vector<MeshAxis> axes) : axes_(std::move(axes)) {
  ranks_.resize(static_cast<size_t>(count_cells(axes_)));
  std::iota(ranks_.begin(), ranks_.end(), 0);
}

Mesh::Mesh(std::vector<MeshAxis> axes, std::vector<int> ranks)
    : axes_(std::move(axes)), ranks_(std::move(ranks)) {
  const int64_t cells = count_cells(axes_);
  if (size() != cells) {
    refuse(str("ranks for ", size(), " cells; expected ", cells, " (the product of the axes)"));
  }
  std::set<int> distinct;
  for (const int rank : ranks_) {
    if (rank < 0 || !distinct.insert(rank).second) {
      refuse(str("rank ", rank, " is negative or listed twice; expected one rank per cell"));
    }
  }
}

Mesh Mesh::parse(std::string_view text) {
  TextCursor cursor(text, "mesh", ErrorCode::kInvalidArgument);
  std::vector<MeshAxis> axes;
  while (!cursor.at_end()) {
    if (!axes.empty()) cursor.expect(',');
    MeshAxis axis;
    axis.name = cursor.name();
    cursor.expect('=');
    axis.size = cursor.integer();
    axes.push_back(std::move(axis));
  }
  return Mesh(std::move(axes));
}

std::string Mesh::to_string() const {
  std::string text;
  for (const MeshAxis& axis : axes_) {
    text += str(text.empty() ? "" : ",", axis.name, "=", axis.size);
  }
  return text;
}

int Mesh::axis_index(std::string_view name) const {
  for (int axis = 0; axis < axis_count(); ++axis) {
    if (axes_[static_cast<size_t>(axis)].name == name) return axis;
  }
  return -1;
}

int64_t Mesh::size_of(std::span<const int> axes) const {
  int64_t product = 1;
  for (const int axis : axes) product *= axes_.at(static_cast<size_t>(axis)).size;
  return product;
}

int64_t Mesh::coordinate(int64_t cell, int axis) const {
  CHECK(cell >= 0 && cell < size(), "cell ", cell, " of a mesh of ", size());
  for (int later = axis_count() - 1; later > axis; --later) {
    cell /= axes_[static_cast<size_t>(later)].size;
  }
  return cell % axes_.at(static_cast<size_t>(axis)).size;
}

int64_t Mesh::position(int64_t cell, std::span<const int> axes) const {
  int64_t result = 0;
  for (const int axis : axes) {
    result = result * axes_.at(static_cast<size_t>(axis)).size + coordinate(cell, axis);
  }
  return result;
}

std::vector<int64_t> Mesh::group(int64_t cell, std::span<const int> axes) const {
  // Cells one step apart along an axis are as far apart as the later axes have cells.
  std::vector<int64_t> strides(axes_.size(), 1);
  for (size_t axis = axes_.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * axes_[axis].size;
  }
  std::vector<int64_t> cells = {cell};
  for (const int axis : axes) {
    const auto index = static_cast<size_t>(axis);
    cells.front() -= coordinate(cell, axis) * strides.at(index);
  }
  for (const int axis : axes) {
    const auto index = static_cast<size_t>(axis);
    std::vector<int64_t> finer;
    for (const int64_t start : cells) {
      for (int64_t step = 0; step < axes_[index].size; ++step) {
        finer.push_back(start + step * strides[index]);
      }
    }
    cells = std::move(finer);
  }
  return cells;
}

}  // namespace partita::spec
