// SPDX-License-Identifier: Apache-2.0
// What people see while they wait.
#pragma once

#include <cstdint>
#include <map>
#include <utility>

namespace partita::cli {

// A progress bar on standard error while ranks load or files are written; silent when it is not a
// terminal.
class ProgressBar {
 public:
  explicit ProgressBar(bool enabled, const char* doing = "loading");
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  void update(int rank, int64_t bytes, int64_t total_bytes);
  void clear();

 private:
  bool visible_;
  const char* doing_;
  bool drawn_ = false;
  double started_;
  std::map<int, std::pair<int64_t, int64_t>> ranks_;  // loaded, total
};

}  // namespace partita::cli
