// SPDX-License-Identifier: Apache-2.0
// The header of a safetensors file: what it says about each tensor, and the rules it must keep.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "formats/tensor_file.h"
#include "support/dtype.h"

namespace partita::formats {

// The format has no type that is stored in blocks, so such a tensor is one of bytes (U8, its last
// dim counts bytes) and the metadata entry "partita.dtype.<name>" names its type, e.g. "q8_0". It
// is read as a tensor of that type and the dims it has then.
inline constexpr std::string_view kBlockTypeKey = "partita.dtype.";

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in file order
  std::map<std::string, std::string> metadata;
};

inline constexpr int64_t kSafetensorsPrefixBytes = 8;
inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;  // limit of the reference reader

// Size of the JSON text, from the first 8 bytes of a file of `file_bytes`. `what` names the file in
// messages. Throws kInvalidFile when it does not fit into the file or is above the limit.
[[nodiscard]] int64_t safetensors_header_bytes(
    const std::array<std::byte, kSafetensorsPrefixBytes>& prefix,
    int64_t file_bytes,
    std::string_view what);

// Reads the JSON text of a file of `file_bytes`. Throws kInvalidFile naming file, tensor and rule:
// JSON that is not strict, duplicate names, sizes that do not fit or overflow, a hole, an overlap,
// bytes after the last tensor, block types of tensors that cannot have them; kUnsupported for
// dtypes that partita does not read.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view json,
                                                         int64_t file_bytes,
                                                         std::string_view what);

// The upper-case name of the format, e.g. "BF16".
[[nodiscard]] std::string safetensors_dtype_name(DType dtype);

}  // namespace partita::formats
