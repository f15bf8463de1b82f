// SPDX-License-Identifier: Apache-2.0
// The team of threads of a rank, on OpenMP.
#include "ops/parallel.h"

#include <omp.h>

namespace partita::ops {

int team_size() { return omp_in_parallel() != 0 ? 1 : omp_get_max_threads(); }

// Always the whole team or none of it: libgomp ends the threads that a smaller team leaves over.
void internal::run_on_team(int64_t parts,
                           void (*run)(const void* body, int64_t part),
                           const void* body) {
  if (parts < 2 || team_size() == 1) {
    for (int64_t part = 0; part < parts; ++part) run(body, part);
    return;
  }
#pragma omp parallel default(none) shared(parts, run, body)
  {
    const int64_t thread = omp_get_thread_num();
    const int64_t threads = omp_get_num_threads();
    const int64_t end = parts * (thread + 1) / threads;
    for (int64_t part = parts * thread / threads; part < end; ++part) run(body, part);
  }
}

}  // namespace partita::ops
