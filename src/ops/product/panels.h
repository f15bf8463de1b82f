// SPDX-License-Identifier: Apache-2.0
// Division of the rows of a product among panels.
#pragma once

#include <cstdint>

#include "support/range.h"

namespace partita::ops {

// Rows in panels of up to `most` and of nearly equal size, since each panel reads the weights anew.
[[nodiscard]] inline int64_t panels_of(int64_t rows, int64_t most) {
  return (rows + most - 1) / most;
}
[[nodiscard]] inline Range panel_rows(int64_t rows, int64_t most, int64_t panel) {
  const int64_t panels = panels_of(rows, most);
  return {rows * panel / panels, rows * (panel + 1) / panels};
}
// The panel that holds row `row`.
[[nodiscard]] inline Range panel_with_row(int64_t rows, int64_t most, int64_t row) {
  const int64_t panels = panels_of(rows, most);
  return panel_rows(rows, most, ((row + 1) * panels - 1) / rows);
}

}  // namespace partita::ops
