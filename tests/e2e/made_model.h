// SPDX-License-Identifier: Apache-2.0
// Models with random weights that are large against everything else.
#pragma once

#include <filesystem>
#include <string>

#include "partita/make_model.h"

namespace partita::tests {

// Published GPT-2 124M: 475 MiB in f32.
inline const ModelShape kGpt2Shape = {.family = "gpt2",
                                      .hidden = 768,
                                      .layers = 12,
                                      .heads = 12,
                                      .vocab_size = 50257,
                                      .max_positions = 1024,
                                      .tied = true};

// The model in the build folder under this name, written by the first test that asks for it.
[[nodiscard]] std::filesystem::path made_model(const std::string& name,
                                               const ModelShape& shape,
                                               const MakeModelOptions& options);

}  // namespace partita::tests
