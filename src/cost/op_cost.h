// SPDX-License-Identifier: Apache-2.0
// Seconds of an operator's largest local piece under a strategy.
#pragma once

#include "cost/profile.h"
#include "ops/op.h"
#include "spec/notation.h"
#include "spec/strategy.h"

namespace partita::cost {

// What one rank has to do for one execution of an op.
struct Work {
  double flops = 0;
  double bytes = 0;  // read and written in device memory
  DType dtype = DType::kF32;
};

// A call with what is already known of it, so that pricing many strategies reads the notation once.
struct PricedCall {
  ops::OpCall call;
  std::span<const ir::TensorType> outputs;
  const spec::Notation& notation;  // bound
};

// The work of a whole call, all symbols bound.
[[nodiscard]] Work whole_work(const ops::OpCall& call, const ir::SymbolSizes& symbols);

// The work of the rank with the largest piece of `whole`. Flops are divided by the share of the
// index space that the piece covers; bytes too when the op counts its own bytes, else they are
// those of the local pieces.
[[nodiscard]] Work local_work(const PricedCall& priced,
                              const Work& whole,
                              const spec::Strategy& strategy,
                              const ir::SymbolSizes& symbols);

// max(flops / rate, bytes / bandwidth) + launch.
[[nodiscard]] double seconds_of(const Work& work, const Profile& profile);

}  // namespace partita::cost
