// SPDX-License-Identifier: Apache-2.0
// Prices of sums whose terms travel in another type than they are computed in.
#pragma once

#include <string>
#include <string_view>

#include "cost/profile.h"

namespace partita::cost {

// What a transport is called in tables of an all_reduce that sends f32 terms as bf16. Their bytes
// are those of the f32 terms.
[[nodiscard]] std::string bf16_transport(std::string_view transport);  // "shm" -> "shm-bf16"

// The profile as plans over this wire ("f32" or "bf16") see it: for bf16 the tables of all_reduce
// are those measured so, where there are any. Without them a sum costs what it does in f32.
[[nodiscard]] Profile over_wire(const Profile& profile, std::string_view wire);

}  // namespace partita::cost
