// SPDX-License-Identifier: Apache-2.0
#include "device/cpu/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

namespace partita::device {

void discard_pages(void* data, int64_t bytes) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const auto end =
      (reinterpret_cast<uintptr_t>(data) + static_cast<uintptr_t>(bytes)) / page * page;
  // Only a hint: when the system refuses, the memory is given back later.
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace partita::device
