// SPDX-License-Identifier: Apache-2.0
// The element types of tensors in GGUF files: their numbers, names and which of them partita reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "support/dtype.h"

namespace partita::formats {

// Name of a type number, e.g. "Q4_K"; "type 99" for numbers that are not known.
[[nodiscard]] std::string gguf_tensor_type_name(uint32_t number);

// The element type that partita reads it as; nothing for the others.
[[nodiscard]] std::optional<DType> dtype_of_gguf(uint32_t number);

// The number to write for `dtype`; nothing when GGUF files of ours do not hold it.
[[nodiscard]] std::optional<uint32_t> gguf_tensor_type_of(DType dtype);

// "F32, F16, ...": what dtype_of_gguf() knows.
[[nodiscard]] std::string readable_gguf_tensor_types();

}  // namespace partita::formats
