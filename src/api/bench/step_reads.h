// SPDX-License-Identifier: Apache-2.0
// What a decode step has to read of the weights, and how long plain reads of so much take.
#pragma once

#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::api {

struct StepReads {
  struct Stage {
    double bytes = 0;  // of all ranks together: weights, of an embedding only some rows, of experts
                       // those in use
    int threads = 1;   // of all ranks together
  };
  std::vector<Stage> stages;

  [[nodiscard]] double bytes() const;
};

// `threads_per_rank` as in EngineOptions.
[[nodiscard]] StepReads step_reads(const ir::Graph& graph,
                                   const plan::Plan& plan,
                                   int threads_per_rank);

// Measures it now: the stages one after the other, each with its number of threads of the calling
// thread's team, which is set back. Takes some 0.1 s.
[[nodiscard]] double read_seconds(const StepReads& reads);

}  // namespace partita::api
