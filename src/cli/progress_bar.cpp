// SPDX-License-Identifier: Apache-2.0
#include "cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "support/units.h"

namespace partita::cli {
namespace {

constexpr int kBarWidth = 30;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

ProgressBar::ProgressBar(bool enabled, const char* doing)
    : visible_(enabled && isatty(STDERR_FILENO) != 0), doing_(doing), started_(now_seconds()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(int rank, int64_t bytes, int64_t total_bytes) {
  if (!visible_) return;
  ranks_[rank] = {bytes, total_bytes};
  int64_t loaded = 0;
  int64_t total = 0;
  for (const auto& [unused, counts] : ranks_) {
    loaded += counts.first;
    total += counts.second;
  }
  const double share = total > 0 ? static_cast<double>(loaded) / static_cast<double>(total) : 1;
  const int filled = static_cast<int>(share * kBarWidth);
  const double rate = static_cast<double>(loaded) / 1e9 / std::max(now_seconds() - started_, 1e-6);
  std::fprintf(stderr, "\r%s [%.*s%.*s] %3.0f%% %s, %.2f GB/s ", doing_, filled,
               "##############################", kBarWidth - filled,
               "..............................", share * 100, format_bytes(loaded).c_str(), rate);
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

}  // namespace partita::cli
