// SPDX-License-Identifier: Apache-2.0
// What a run has cost, as text for people and as JSON.
#pragma once

#include <string>

#include "partita/engine.h"
#include "support/json.h"

namespace partita::cli {

// Of one step, by the plan.
struct PredictedSeconds {
  double prefill = 0;
  double decode = 0;
};

// Predicted and measured time per token, collectives by kind, memory per rank. Of a rank that was
// lost it says just that.
[[nodiscard]] std::string report_text(const RunReport& report, const PredictedSeconds& predicted);
[[nodiscard]] Json to_json(const RunReport& report, const PredictedSeconds& predicted);

}  // namespace partita::cli
