// SPDX-License-Identifier: Apache-2.0
// Seconds of an operator's largest local piece under a strategy.
#pragma once

#include <string_view>
#include <vector>

#include "cost/profile.h"
#include "ops/op.h"
#include "spec/notation.h"
#include "spec/strategy.h"

namespace partita::cost {

// What one rank has to do for one execution of an op.
struct Work {
  double flops = 0;
  double bytes = 0;             // read and written in device memory
  double activation_bytes = 0;  // those of `bytes` that an op of this step made or will read
  DType dtype = DType::kF32;
  std::string_view op = {};  // for measured rates; borrowed from the call
  double rows = 1;           // that each weight meets: tokens, or what the op says
};

// A call with what is already known of it, so that pricing many strategies reads the notation once.
struct PricedCall {
  ops::OpCall call;
  std::span<const ir::TensorType> outputs;
  const spec::Notation& notation;  // bound
  // Per input: whether it is a weight or state, which no op of the step has left in a cache. Empty:
  // none is.
  std::vector<bool> is_stored = {};
};

// What else runs while an op does.
struct Surroundings {
  int64_t ranks_at_once = 1;    // of one host
  double stored_set_bytes = 0;  // weights and states that the rank reads in a step; 0 = too many
                                // for any cache
};

// Bytes per second of a rank that works on `working_set` bytes while `ranks_at_once` ranks do so:
// the bandwidth of the smallest cache that holds them, else of memory. Never rises with either.
[[nodiscard]] double bandwidth_for(const Device& device, double working_set, int64_t ranks_at_once);

// Seconds of the arithmetic alone: from the measured rates of the op's kernel where there are any
// (log-log between points, constant rate beyond them), else from the device's rate. Never falls
// when rows or flops per row grow.
[[nodiscard]] double compute_seconds(const Work& work, const Device& device, int64_t ranks_at_once);

// The work of a whole call, all symbols bound.
[[nodiscard]] Work whole_work(const ops::OpCall& call, const ir::SymbolSizes& symbols);

// The work of the rank with the largest piece of `whole`. Flops are divided by the share of the
// index space that the piece covers; bytes too when the op counts its own bytes, else they are
// those of the local pieces. Ops with is_cost_of_piece are asked about the largest piece instead.
[[nodiscard]] Work local_work(const PricedCall& priced,
                              const Work& whole,
                              const spec::Strategy& strategy,
                              const ir::SymbolSizes& symbols);

// max(compute_seconds, stored bytes / bandwidth + activation bytes / bandwidth) + launch, each
// bandwidth that of the memory or cache which holds the bytes. Work of no flops and no bytes is a
// view of its input, for which nothing is started: 0.
[[nodiscard]] double seconds_of(const Work& work,
                                const Device& device,
                                const Surroundings& surroundings = {});

}  // namespace partita::cost
