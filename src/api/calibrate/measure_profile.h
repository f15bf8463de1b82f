// SPDX-License-Identifier: Apache-2.0
// The cost profile of this machine, measured with the kernels and collectives that the runtime
// uses.
#pragma once

#include "cost/profile.h"

namespace partita::api {

// Measures what each of `ranks` equal ranks on this host gets; is_quick: in about a second, with
// fewer sizes and repetitions. Memory is the host's (or control group's) divided by the ranks.
// Numbers are rounded to three digits. Two measurements differ: keep the profile in a file when
// plans must repeat. Throws kInvalidArgument unless ranks >= 1. Runs up to `ranks` threads on all
// cores; call it while the machine rests.
[[nodiscard]] cost::Profile measure_profile(int ranks, bool is_quick);

}  // namespace partita::api
