// SPDX-License-Identifier: Apache-2.0
#include "planner/phases.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/integers.h"

namespace partita::planner {
namespace {

void check(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::kInvalidArgument, str("[planner] ", name, " of the workload is ", value,
                                               "; expected ", least, " to ", most));
}

void check_workload(const plan::Workload& workload) {
  constexpr int64_t kMaxTokens = int64_t{1} << 24;  // far above every known context
  check("prompt_tokens", workload.prompt_tokens, 1, kMaxTokens);
  check("output_tokens", workload.output_tokens, 0, kMaxTokens);
  check("concurrency", workload.concurrency, 1, 1 << 20);
  check("max_context", workload.max_context, 1, kMaxTokens);
  check("max_step_tokens", workload.max_step_tokens, 1, kMaxTokens);
  check("block_size", workload.block_size, 1, 1 << 20);
}

void check_symbols(const ir::Graph& graph, const ir::SymbolSizes& known) {
  for (const ir::Value& value : graph.values()) {
    for (const ir::Dim& dim : value.type.dims) {
      if (!dim.is_symbolic() || known.contains(dim.symbol)) continue;
      throw Error(ErrorCode::kUnsupported,
                  str("[planner] value ", value.name, " has the symbolic dim \"", dim.symbol,
                      "\"; a workload gives sizes to t, s, r, m and c only"));
    }
  }
}

}  // namespace

Cost Phases::cost(const PhaseSeconds& seconds) const {
  constexpr double kPicosecondsPerSecond = 1e12;
  const double steps = decode_steps + prefill_chunks;
  const double picoseconds = request_seconds(seconds) / steps * kPicosecondsPerSecond;
  // 2^46 ps = 70 s for one op: the sum over a thousand such ops is still in the range of the
  // solver.
  return static_cast<Cost>(std::min(std::round(picoseconds), std::ldexp(1.0, 46)));
}

Phases phases_of(const plan::Workload& workload, const ir::Graph& graph, int64_t replicas) {
  check_workload(workload);
  const int64_t sequences = ceil_div(workload.concurrency, replicas);
  const int64_t blocks = ceil_div(workload.max_context, workload.block_size);
  // What a token sees on average: half of the prompt while it is read, all of it and half of the
  // output while that is made.
  const auto seen_blocks = [&](int64_t positions) {
    return ceil_div(std::clamp<int64_t>(positions, 1, workload.max_context), workload.block_size);
  };
  const int64_t cache_blocks = sequences * blocks;
  const int64_t step_tokens = std::max(workload.max_step_tokens, sequences);
  Phases phases;
  phases.decode = {{"t", sequences},
                   {"s", sequences},
                   {"r", sequences},
                   {"m", seen_blocks(workload.prompt_tokens + workload.output_tokens / 2)},
                   {"c", cache_blocks}};
  phases.prefill = phases.decode;
  phases.prefill["t"] = workload.max_step_tokens;
  phases.prefill["m"] = seen_blocks(workload.prompt_tokens / 2);
  phases.largest = {
      {"t", step_tokens}, {"s", sequences}, {"r", sequences}, {"m", blocks}, {"c", cache_blocks}};
  phases.decode_steps = static_cast<double>(workload.output_tokens);
  phases.prefill_chunks =
      static_cast<double>(workload.prompt_tokens) / static_cast<double>(workload.max_step_tokens);
  check_symbols(graph, phases.largest);
  return phases;
}

}  // namespace partita::planner
