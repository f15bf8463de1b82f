// SPDX-License-Identifier: Apache-2.0
// Reading between and beyond the points of measured collectives.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "cost/profile.h"

namespace partita::cost {

// The tables of one kind that hold for `axis` (its own, else those of any axis), of one transport,
// fewest ranks first. Borrowed from the profile; empty when there are none.
[[nodiscard]] std::vector<const CollectiveTable*> tables_for(const Profile& profile,
                                                             CollectiveKind kind,
                                                             std::string_view axis);

// The largest payload that an all_reduce over `ranks` ranks is to reduce in one exchange: that of
// the measured group of this size, else of the next larger one, else of the largest; kNotMeasured
// when there is none.
[[nodiscard]] int64_t one_shot_bytes(const Profile& profile, int64_t ranks);

// Seconds at `bytes`. Never falls when `bytes` grows.
[[nodiscard]] double seconds_at(const CollectiveTable& table, double bytes);

// Seconds at `bytes` for a group of `ranks`; `formula(ranks)` is the unmeasured time for the same
// bytes, of which beyond the largest measured group the growth is used. Never falls when `bytes` or
// `ranks` grows, if `formula` does not either.
[[nodiscard]] double seconds_at(const std::vector<const CollectiveTable*>& tables,
                                int64_t ranks,
                                double bytes,
                                const std::function<double(int64_t ranks)>& formula);

}  // namespace partita::cost
