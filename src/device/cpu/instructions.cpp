// SPDX-License-Identifier: Apache-2.0
// Instruction sets by cpuid, with a cap for tests and for comparisons.
#include "device/cpu/instructions.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <array>
#include <cstdlib>

#include "support/error.h"

namespace partita::device {
namespace {

constexpr std::array<Instructions, 3> kLevels = {Instructions::kPortable, Instructions::kAvx2,
                                                 Instructions::kAvx512};

#if defined(__x86_64__)
// Clang 14 knows no "f16c" for __builtin_cpu_supports. The system's part is that of AVX2.
bool has_f16c() {
  unsigned int eax = 0;
  unsigned int ebx = 0;
  unsigned int ecx = 0;
  unsigned int edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && has_f16c();
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vnni") != 0 && __builtin_cpu_supports("avx512bf16") != 0;
}
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
#endif

}  // namespace

std::string_view to_string(Instructions level) {
  switch (level) {
    case Instructions::kPortable:
      return "portable";
    case Instructions::kAvx2:
      return "avx2";
    case Instructions::kAvx512:
      return "avx512";
  }
  return "";
}

Instructions supported_instructions() {
  if (!has_avx2()) return Instructions::kPortable;
  return has_avx512() ? Instructions::kAvx512 : Instructions::kAvx2;
}

Instructions instructions_named(std::string_view name, Instructions supported) {
  if (name.empty()) return supported;
  for (const Instructions level : kLevels) {
    if (name != to_string(level)) continue;
    if (level <= supported) return level;
    throw Error(ErrorCode::kInvalidArgument,
                str("[device] PARTITA_CPU=", name, ": this processor has ", to_string(supported),
                    " at most; expected that or a lower level"));
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[device] PARTITA_CPU=", name, "; expected portable, avx2 or avx512, or unset"));
}

Instructions usable_instructions() {
  static const Instructions level = [] {
    const char* name = std::getenv("PARTITA_CPU");
    return instructions_named(name == nullptr ? "" : name, supported_instructions());
  }();
  return level;
}

}  // namespace partita::device
