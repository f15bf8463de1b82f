// SPDX-License-Identifier: Apache-2.0
// What a user reads whose memory has run out, wherever that was.
#pragma once

namespace partita {

inline constexpr const char* kAllocationFailed =
    "an allocation failed; use more ranks, --weights q8 or a smaller --max-context";

}  // namespace partita
