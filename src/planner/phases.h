// SPDX-License-Identifier: Apache-2.0
// The two kinds of step a plan is priced for, and how much each counts.
#pragma once

#include "ir/graph.h"
#include "plan/plan.h"
#include "planner/solvers/solver.h"

namespace partita::planner {

// Seconds of the same work in one decode step and in one full prefill chunk.
struct PhaseSeconds {
  double decode = 0;
  double prefill = 0;

  PhaseSeconds& operator+=(const PhaseSeconds& other) {
    decode += other.decode;
    prefill += other.prefill;
    return *this;
  }
};

// Sizes of the symbols in each kind of step. decode: every sequence in flight has one token;
// prefill: a full chunk; largest: what buffers must hold. Attention reads the positions that a
// token of the workload sees on average in the first two, the whole context in the last.
struct Phases {
  ir::SymbolSizes decode;
  ir::SymbolSizes prefill;
  ir::SymbolSizes largest;
  double decode_steps = 0;    // of one request: output tokens
  double prefill_chunks = 0;  // of one request: prompt tokens / step tokens

  // Seconds of one request.
  [[nodiscard]] double request_seconds(const PhaseSeconds& seconds) const {
    return decode_steps * seconds.decode + prefill_chunks * seconds.prefill;
  }
  // The average over the steps of a request, in picoseconds.
  [[nodiscard]] Cost cost(const PhaseSeconds& seconds) const;
};

// Throws kInvalidArgument when a number of the workload is out of range, and kUnsupported naming a
// symbol of the graph that no workload gives a size to. `replicas` share the sequences in flight.
[[nodiscard]] Phases phases_of(const plan::Workload& workload,
                               const ir::Graph& graph,
                               int64_t replicas);

}  // namespace partita::planner
