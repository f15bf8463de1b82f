// SPDX-License-Identifier: Apache-2.0
// Bytes and times for people.
#pragma once

#include <cstdint>
#include <string>

namespace partita {

// "512 B", "3.4 KiB", "1.5 GiB": powers of 1024, one decimal.
[[nodiscard]] std::string format_bytes(int64_t bytes);

// "12 ns", "3.4 us", "25.1 ms", "1.50 s".
[[nodiscard]] std::string format_seconds(double seconds);

}  // namespace partita
