// SPDX-License-Identifier: Apache-2.0
// A quick measurement of this machine, so that unknown hardware is measured, never defaulted.
#pragma once

#include "cost/profile.h"

namespace partita::cost {

// Measures, in less than 0.3 s, what each of `ranks` equal ranks on this host gets: memory
// bandwidth and floating-point rate of all cores divided by the ranks, the latency of handing a
// word from thread to thread (with as many threads as ranks, so that oversubscription shows),
// physical memory (or the cgroup limit) divided by the ranks. One link for every axis. Numbers are
// rounded to three digits. Two measurements differ: keep the profile in a file (save_profile) when
// plans must repeat.
[[nodiscard]] Profile measure_local_profile(int ranks);

}  // namespace partita::cost
