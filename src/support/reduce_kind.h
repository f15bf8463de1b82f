// SPDX-License-Identifier: Apache-2.0
// How several values become one: the reductions of collectives, Partial specs and reduce operators.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace partita {

enum class ReduceKind : uint8_t { kSum, kProd, kMin, kMax, kAvg };

[[nodiscard]] std::string_view to_string(ReduceKind kind);  // "sum", "prod", "min", "max", "avg"
[[nodiscard]] std::optional<ReduceKind> parse_reduce_kind(std::string_view name);

}  // namespace partita
