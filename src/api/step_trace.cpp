// SPDX-License-Identifier: Apache-2.0
#include "api/step_trace.h"

#include <algorithm>
#include <limits>

#include "support/error.h"
#include "support/json.h"

namespace partita::api {
namespace {

constexpr double kMicroseconds = 1e6;

}  // namespace

void StepTrace::add(const engine::ScheduledStep& step, const engine::StepResult& result) {
  int64_t decoding = 0;
  int64_t prompts = 0;
  for (const auto& part : step.parts) (part.is_decode ? decoding : prompts) += part.tokens;
  std::string name;
  if (decoding > 0) name = str(decoding, " decoding");
  if (prompts > 0) name += str(name.empty() ? "" : " + ", prompts, " of prompts");
  const auto replica = static_cast<size_t>(result.replica);
  if (counts_.size() <= replica) counts_.resize(replica + 1);
  steps_.push_back({std::move(name), result.replica, counts_[replica]++, result.spans});
}

void StepTrace::write(const std::filesystem::path& file) const {
  double start = std::numeric_limits<double>::max();
  for (const Step& step : steps_) {
    for (const engine::RankSpan& span : step.spans) start = std::min(start, span.begin);
  }
  Json events = Json::array();
  const auto add_span = [&](const Step& step, int rank, const std::string& name, double begin,
                            double seconds) {
    events.push_back({{"name", name},
                      {"ph", "X"},
                      {"ts", (begin - start) * kMicroseconds},
                      {"dur", seconds * kMicroseconds},
                      {"pid", step.replica},
                      {"tid", rank},
                      {"args", {{"step", step.number}}}});
  };
  for (const Step& step : steps_) {
    for (const engine::RankSpan& span : step.spans) {
      add_span(step, span.rank, step.name, span.begin, span.end - span.begin);
      // A program receives first and sends last.
      if (span.receiving > 0) add_span(step, span.rank, "receive", span.begin, span.receiving);
      if (span.sending > 0)
        add_span(step, span.rank, "send", span.end - span.sending, span.sending);
    }
  }
  write_json(file, {{"traceEvents", events}, {"displayTimeUnit", "ms"}});
}

}  // namespace partita::api
