// SPDX-License-Identifier: Apache-2.0
// Core binding of the calling thread through the scheduler's affinity mask.
#include "device/cpu/affinity.h"

#include <sched.h>

#include <cerrno>
#include <cstring>

#include "support/error.h"

namespace partita::device {

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    throw Error(ErrorCode::kSystem,
                str("[device] sched_getaffinity failed: ", std::strerror(errno)));
  }
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

int usable_cores() { return static_cast<int>(allowed_cores().size()); }

int bind_to_core(int index) {
  const std::vector<int> cores = allowed_cores();
  if (index < 0 || index >= static_cast<int>(cores.size())) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[device] cannot bind to core ", index, ": this thread may use ", cores.size(),
                    " cores; give an index below that, or do not bind"));
  }
  const int core = cores[static_cast<size_t>(index)];
  bind_to_cores({core});
  return core;
}

void bind_to_cores(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) {
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(core, &set);
  }
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[device] cannot bind to ", cores.size(), " cores, the first is ",
                    cores.empty() ? -1 : cores.front(), ": ", std::strerror(errno)));
  }
}

}  // namespace partita::device
