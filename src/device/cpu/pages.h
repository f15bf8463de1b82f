// SPDX-License-Identifier: Apache-2.0
// Giving memory back to the system before it is freed.
#pragma once

#include <cstdint>

namespace partita::device {

// Drops the whole pages inside [data, data + bytes): they take no memory until they are written
// again, and their content is lost. Only for private anonymous memory (what Device::allocate()
// gives). madvise(MADV_DONTNEED).
void discard_pages(void* data, int64_t bytes);

// Asks for huge pages where they fit wholly into [data, data + bytes): the first use of memory is
// several times faster then, and reading it some percent. Nothing beyond is made resident.
void use_huge_pages(void* data, int64_t bytes);

}  // namespace partita::device
