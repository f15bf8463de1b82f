// SPDX-License-Identifier: Apache-2.0
// Which of the compiled instruction sets this process uses.
#pragma once

#include <cstdint>
#include <string_view>

namespace partita::device {

// Levels that kernels are compiled for, each in files of its own (`*_avx2.cpp`, `*_avx512.cpp`);
// every kernel has a portable variant. A level means all of its extensions:
//   portable  what the build targets
//   avx2      AVX2, FMA, F16C
//   avx512    avx2 and AVX-512 F, BW, DQ, VL, VNNI, BF16
// Ordered: a higher level may use the code of a lower one.
enum class Instructions : uint8_t { kPortable, kAvx2, kAvx512 };

[[nodiscard]] std::string_view to_string(Instructions level);

// The highest level that the processor and the build have.
[[nodiscard]] Instructions supported_instructions();

// What kernels choose their variants by: the highest supported level, or the lower one that the
// environment variable PARTITA_CPU names. Read once per process. Throws Error(kInvalidArgument)
// for another value of PARTITA_CPU, and for a level that the processor does not have. Thread-safe.
[[nodiscard]] Instructions usable_instructions();

// The level that `name` asks for, among those up to `supported`; see usable_instructions(). Empty:
// the highest.
[[nodiscard]] Instructions instructions_named(std::string_view name, Instructions supported);

}  // namespace partita::device
