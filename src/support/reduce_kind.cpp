// SPDX-License-Identifier: Apache-2.0
#include "support/reduce_kind.h"

#include <array>

namespace partita {
namespace {
constexpr std::array<std::string_view, 5> kNames = {"sum", "prod", "min", "max", "avg"};
}  // namespace

std::string_view to_string(ReduceKind kind) { return kNames.at(static_cast<size_t>(kind)); }

std::optional<ReduceKind> parse_reduce_kind(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<ReduceKind>(i);
  }
  return std::nullopt;
}

}  // namespace partita
