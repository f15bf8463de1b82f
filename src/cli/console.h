// SPDX-License-Identifier: Apache-2.0
// What people see: progress bar, cost summary; and the same as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "partita/partita.h"
#include "support/json.h"

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

// Predicted and measured time per token, collectives by kind, memory per rank.
void print_summary(const Plan& plan, const RunReport& report);
[[nodiscard]] Json to_json(const RunReport& report, const Plan& plan);

}  // namespace partita::cli
