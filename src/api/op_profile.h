// SPDX-License-Identifier: Apache-2.0
// Seconds of each operator in each step, from reports taken between the steps.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "partita/model_bench.h"

namespace partita::api {

// Owned by one thread. Example: OpProfile profile; profile.start(engine.report()); engine.step();
// profile.note(engine.report(), profile.prefill).
class OpProfile {
 public:
  // By (rank, op): calls of the latest step, and the seconds of every noted step.
  struct Steps {
    int64_t calls = 0;
    std::vector<double> seconds;
  };
  using Phase = std::map<std::pair<int, std::string>, Steps>;

  void start(const RunReport& report) { last_ = report; }
  // Adds to `phase` what has been spent since the last report.
  void note(const RunReport& report, Phase& phase);

  Phase prefill;
  Phase decode;

 private:
  RunReport last_;
};

// Best and median of each operator, by rank, the slowest operator of a rank first.
[[nodiscard]] std::vector<OpTimes> op_times_of(const OpProfile::Phase& phase);

}  // namespace partita::api
