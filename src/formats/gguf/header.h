// SPDX-License-Identifier: Apache-2.0
// The head of a GGUF file (versions 2 and 3): metadata, what it says about each tensor, and the
// rules it must keep (docs/formats/gguf.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf/metadata.h"
#include "formats/tensor_file.h"

namespace partita::formats {

struct GgufHeader {
  GgufMetadata metadata;
  std::vector<TensorInfo> tensors;  // in file order; shapes outermost dim first, unlike the file's
  int64_t data_begin = 0;           // byte where tensors begin
};

inline constexpr int64_t kGgufDefaultAlignment = 32;
inline constexpr int64_t kMaxGgufHeaderBytes = int64_t{512} << 20;  // far above any vocabulary

// Fills `to` with the bytes of the file from `offset`; both were checked against its size.
using ReadAt = std::function<void(int64_t offset, std::span<std::byte> to)>;

// Reads the head of a file of `file_bytes`, in pieces; tensor data is not read. `what` names the
// file in messages. Throws kInvalidFile naming file, key or tensor, value and rule: a count, length
// or size beyond the end of the file, an unknown type, a name that occurs twice, dims that overflow
// or leave a rest of a block, an offset that is not the aligned end of the tensor before, a file
// that is cut off or too long. Throws kUnsupported for other versions, big-endian files and tensor
// types that partita does not read.
[[nodiscard]] GgufHeader parse_gguf_header(const ReadAt& read,
                                           int64_t file_bytes,
                                           std::string_view what);

}  // namespace partita::formats
