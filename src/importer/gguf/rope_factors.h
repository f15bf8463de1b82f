// SPDX-License-Identifier: Apache-2.0
// The scaling of rotary positions that GGUF files hold as one divisor per frequency.
#pragma once

#include <optional>
#include <vector>

#include "formats/hf_config.h"

namespace partita::importer {

// Divisors of the head_dim / 2 frequencies under llama3 scaling with these parameters.
[[nodiscard]] std::vector<double> rope_factors(const formats::RopeConfig& rope, int64_t head_dim);

// Parameters of llama3 scaling whose divisors are `factors` up to f32 rounding; nothing when there
// are none. `theta` is the base of the frequencies.
[[nodiscard]] std::optional<formats::RopeConfig> rope_config_of(const std::vector<double>& factors,
                                                                double theta);

}  // namespace partita::importer
