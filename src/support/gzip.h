// SPDX-License-Identifier: Apache-2.0
// Reading gzip (RFC 1952).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace partita {

// Whether the bytes begin like a gzip file.
[[nodiscard]] bool is_gzip(std::string_view bytes);

// The content of all members of a gzip file. `what` names the source in the message. Throws
// kInvalidFile when the bytes are damaged or cut short, when their check sum is wrong, or when the
// content is larger than `max_bytes`.
[[nodiscard]] std::string gunzip(std::string_view bytes, std::string_view what, int64_t max_bytes);

}  // namespace partita
