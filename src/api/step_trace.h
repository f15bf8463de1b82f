// SPDX-License-Identifier: Apache-2.0
// When which rank worked on which step, as a file that trace viewers read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/scheduler.h"
#include "engine/step_runner.h"

namespace partita::api {

// Grows with every step. Owned by one thread.
class StepTrace {
 public:
  void add(const engine::ScheduledStep& step, const engine::StepResult& result);

  // The Trace Event Format of Chrome (chrome://tracing, ui.perfetto.dev): one row per rank, grouped
  // by replica; a span per step, in it the time for messages of other stages. Spans of ranks on
  // different hosts have unlike clocks. Throws kSystem when the file cannot be written.
  void write(const std::filesystem::path& file) const;

 private:
  struct Step {
    std::string name;  // "3 decoding + 125 of prompts"
    int replica = 0;
    int64_t number = 0;  // of its replica
    std::vector<engine::RankSpan> spans;
  };
  std::vector<Step> steps_;
  std::vector<int64_t> counts_;  // by replica
};

}  // namespace partita::api
