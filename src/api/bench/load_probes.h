// SPDX-License-Identifier: Apache-2.0
// What loading is measured against: copying files out of the page cache, and touching new memory.
#pragma once

#include <cstdint>
#include <vector>

#include "formats/tensor_file.h"

namespace partita::api {

// Bytes per second of `threads` threads that read these files to their ends, each contiguous parts
// into a small buffer of its own. Throws what reading throws.
[[nodiscard]] double file_copy_rate(
    const std::vector<std::unique_ptr<const formats::TensorFile>>& files, int threads);

// Bytes per second of `threads` threads that each write the first time to their share of `bytes` of
// new memory, in huge pages where the system has them; gives it back. Throws kOutOfMemory.
[[nodiscard]] double new_memory_rate(int64_t bytes, int threads);

}  // namespace partita::api
