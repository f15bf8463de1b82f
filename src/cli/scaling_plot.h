// SPDX-License-Identifier: Apache-2.0
// Bars of tokens per second against ranks, threads and batch, as an SVG file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace partita::cli {

struct ScalingBar {
  int ranks = 1;
  int threads = 1;  // of each rank
  int64_t batch = 1;
  double prefill_tokens_per_second = 0;
  double decode_tokens_per_second = 0;
};

// Two panels, prefill and decode, each from 0 to its largest bar; bars in the given order, of equal
// color where batches are equal. `title` stands above them.
[[nodiscard]] std::string scaling_plot(const std::string& title,
                                       const std::vector<ScalingBar>& bars);

}  // namespace partita::cli
