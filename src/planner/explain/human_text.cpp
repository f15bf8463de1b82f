// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/human_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "support/error.h"

namespace partita::planner {

std::string fixed_text(double value, int digits) {
  std::array<char, 64> buffer{};
  (void)std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value);
  return buffer.data();
}

std::string bytes_text(int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return str(fixed_text(value, unit == 0 ? 0 : 1), " ", kUnits[unit]);
}

std::string seconds_text(double seconds) {
  const double size = std::abs(seconds);
  if (size < 1e-3) return fixed_text(seconds * 1e6, 1) + " us";
  if (size < 1) return fixed_text(seconds * 1e3, 2) + " ms";
  return fixed_text(seconds, 2) + " s";
}

std::string signed_seconds_text(double seconds) {
  if (seconds == 0) return "0";
  return (seconds > 0 ? "+" : "") + seconds_text(seconds);
}

std::string signed_bytes_text(int64_t bytes) {
  if (bytes == 0) return "0";
  return (bytes > 0 ? "+" : "-") + bytes_text(std::abs(bytes));
}

std::string mesh_text(const spec::Mesh& mesh) {
  return mesh.axis_count() == 0 ? "1 rank" : mesh.to_string();
}

std::string padded(const std::string& text, size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string table_text(const std::vector<TextRow>& rows, const std::vector<size_t>& right) {
  std::vector<size_t> widths;
  for (const TextRow& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const TextRow& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const bool is_right = std::find(right.begin(), right.end(), i) != right.end();
      std::string cell = is_right ? padded(row[i], widths[i]) : row[i];
      cell.resize(widths[i], ' ');
      line += (i == 0 ? "" : "  ") + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace partita::planner
