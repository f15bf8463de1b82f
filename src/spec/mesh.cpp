// SPDX-License-Identifier: Apache-2.0
// The grid of ranks: construction, coordinates and groups.
#include "spec/mesh.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
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

// NAME(before)size.
struct SubAxis {
  std::string_view parent;
  int64_t before = 1;
  int64_t size = 1;
};

std::string sub_axis_name(std::string_view parent, int64_t before, int64_t size) {
  return str(parent, "(", before, ")", size);
}

std::optional<SubAxis> sub_axis(std::string_view name) {
  if (name.find('(') == std::string_view::npos) return std::nullopt;
  TextCursor cursor(name, "mesh", ErrorCode::kInvalidArgument);
  SubAxis result;
  result.parent = cursor.name();
  cursor.expect('(');
  result.before = cursor.integer();
  cursor.expect(')');
  result.size = cursor.integer();
  cursor.expect_end();
  return result;
}

// Checks the name of `axes[index]`; the sub-axes of one axis stand together, in order, all of them.
void check_name(const std::vector<MeshAxis>& axes, size_t index, std::set<std::string>& names) {
  const MeshAxis& axis = axes[index];
  const auto part = sub_axis(axis.name);
  if (!part) {
    TextCursor cursor(axis.name, "mesh", ErrorCode::kInvalidArgument);
    cursor.name();
    cursor.expect_end();
  }
  const bool is_next = part && part->before > 1;
  if (part && part->size != axis.size) {
    refuse(str("sub-axis '", axis.name, "' has size ", axis.size, "; expected ", part->size));
  }
  if (is_next) {
    const auto last = index == 0 ? std::nullopt : sub_axis(axes[index - 1].name);
    if (last && last->parent == part->parent && last->before * last->size == part->before) return;
    refuse(str("sub-axis '", axis.name,
               "' does not follow the one before it; expected all "
               "sub-axes of an axis, major first"));
  }
  if (!names.insert(std::string(parent_axis(axis.name))).second) {
    refuse(str("axis '", parent_axis(axis.name), "' appears twice; expected different names"));
  }
}

int64_t count_cells(const std::vector<MeshAxis>& axes) {
  int64_t cells = 1;
  std::set<std::string> names;
  for (size_t i = 0; i < axes.size(); ++i) {
    const MeshAxis& axis = axes[i];
    check_name(axes, i, names);
    if (axis.size < 1 || axis.size > kMaxAxisSize) {
      refuse(str("axis '", axis.name, "' has size ", axis.size, "; expected 1 to ", kMaxAxisSize));
    }
    cells *= axis.size;
    if (cells > kMaxCells) refuse(str("more than ", kMaxCells, " cells; use smaller axes"));
  }
  return cells;
}

// "2x4" behind "tp=": the rest of the factors, as sub-axes.
void parse_factors(TextCursor& cursor, const MeshAxis& axis, std::vector<MeshAxis>& axes) {
  std::vector<int64_t> sizes = {axis.size};
  while (cursor.accept('x')) sizes.push_back(cursor.integer());
  int64_t before = 1;
  for (const int64_t size : sizes) {
    axes.push_back({sub_axis_name(axis.name, before, size), size});
    // Bounded by the check of the sizes, which stops at the first that is too large.
    before *= std::clamp<int64_t>(size, 1, kMaxAxisSize + 1);
    if (before > kMaxCells)
      refuse(str("axis '", axis.name, "' has more than ", kMaxCells, " cells"));
  }
}

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// The axes that an order names, each once: by names with commas, or by first letters without.
std::vector<int> listed_axes(const Mesh& mesh, std::string_view order) {
  std::vector<int> axes;
  const auto add = [&](const auto& is_named) {
    int found = -1;
    for (int axis = 0; axis < mesh.axis_count(); ++axis) {
      if (!is_named(mesh.axes()[static_cast<size_t>(axis)].name)) continue;
      found = found < 0 ? axis : mesh.axis_count();
    }
    axes.push_back(found);
  };
  TextCursor cursor(order, "mesh", ErrorCode::kInvalidArgument);
  if (order.find(',') == std::string_view::npos && mesh.axis_index(order) < 0) {
    for (const char letter : order) {
      add([&](const std::string& name) { return lower(name[0]) == lower(letter); });
    }
  } else {
    do {
      const std::string_view wanted = cursor.until(",");
      add([&](const std::string& name) { return name == wanted; });
    } while (cursor.accept(','));
  }
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  for (int axis = 0; axis < mesh.axis_count() || sorted.size() != mesh.axes().size(); ++axis) {
    const bool is_known =
        sorted.size() == mesh.axes().size() && sorted[static_cast<size_t>(axis)] == axis;
    if (is_known) continue;
    refuse(str("order '", order, "' of the ranks; expected cluster, spread or every axis of ",
               mesh.to_string(), " once, by name (dp,tp) or by first letter (DT)"));
  }
  return axes;
}

}  // namespace

std::string_view parent_axis(std::string_view name) { return name.substr(0, name.find('(')); }

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
    if (cursor.peek() == 'x') {
      parse_factors(cursor, axis, axes);
    } else {
      axes.push_back(std::move(axis));
    }
    if (cursor.accept('@')) return Mesh(std::move(axes)).with_rank_order(cursor.until(""));
  }
  return Mesh(std::move(axes));
}

std::string Mesh::to_string() const {
  std::string text;
  for (const MeshAxis& axis : axes_) {
    const auto part = sub_axis(axis.name);
    if (part && part->before > 1) {
      text += str("x", axis.size);
    } else {
      text += str(text.empty() ? "" : ",", parent_axis(axis.name), "=", axis.size);
    }
  }
  return text;
}

Mesh Mesh::factorised(std::string_view axis, std::span<const int64_t> sizes) const {
  const int index = axis_index(axis);
  if (index < 0) refuse(str("axis '", axis, "' is unknown; expected one of ", to_string()));
  std::vector<MeshAxis> axes = axes_;
  const auto at = axes.erase(axes.begin() + index);
  const auto whole = sub_axis(axis);
  int64_t before = whole ? whole->before : 1;
  int64_t product = 1;
  std::vector<MeshAxis> parts;
  for (const int64_t size : sizes) {
    if (size < 1 || size > kMaxAxisSize) {
      refuse(str("factor ", size, " of axis '", axis, "'; expected 1 to ", kMaxAxisSize));
    }
    parts.push_back({sub_axis_name(parent_axis(axis), before, size), size});
    before *= size;
    product *= size;
    if (product > kMaxAxisSize) break;
  }
  if (product != axes_[static_cast<size_t>(index)].size || sizes.empty()) {
    refuse(str("the factors of axis '", axis, "' do not multiply to ",
               axes_[static_cast<size_t>(index)].size));
  }
  axes.insert(at, parts.begin(), parts.end());
  return Mesh(std::move(axes), ranks_);
}

Mesh Mesh::merged() const {
  std::vector<MeshAxis> axes;
  for (const MeshAxis& axis : axes_) {
    const auto part = sub_axis(axis.name);
    if (part && part->before > 1) {
      axes.back().size *= axis.size;
    } else {
      axes.push_back({std::string(parent_axis(axis.name)), axis.size});
    }
  }
  return Mesh(std::move(axes), ranks_);
}

Mesh Mesh::with_rank_order(std::string_view order) const {
  std::vector<int> slowest_first(axes_.size());
  std::iota(slowest_first.begin(), slowest_first.end(), 0);
  if (order == "spread") {
    std::reverse(slowest_first.begin(), slowest_first.end());
  } else if (order != "cluster") {
    slowest_first = listed_axes(*this, order);
  }
  std::vector<int> ranks;
  for (int64_t cell = 0; cell < size(); ++cell) {
    ranks.push_back(static_cast<int>(position(cell, slowest_first)));
  }
  return Mesh(axes_, std::move(ranks));
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
