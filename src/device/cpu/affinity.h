// SPDX-License-Identifier: Apache-2.0
// Which cores the calling thread may use, and binding it to one of them.
#pragma once

#include <vector>

namespace partita::device {

// System numbers of the cores that the calling thread may run on, ascending. sched_getaffinity.
[[nodiscard]] std::vector<int> allowed_cores();

// How many there are: allowed_cores().size(). Respects taskset, mpirun binding and cpusets.
[[nodiscard]] int usable_cores();

// Binds the calling thread to allowed_cores()[index], and returns that core's system number.
// Threads that it starts later inherit the binding. Throws Error(kInvalidArgument) when there is no
// such core.
int bind_to_core(int index);

// Allows the calling thread exactly these cores: undoes a binding. Throws Error(kInvalidArgument)
// when the system refuses the set.
void bind_to_cores(const std::vector<int>& cores);

}  // namespace partita::device
