// SPDX-License-Identifier: Apache-2.0
// For tests: requests that note what they are told.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace partita::engine {

struct Told {
  std::vector<int32_t> tokens;
  std::string text;
  FinishReason finish = FinishReason::kNone;
};

// Borrows `told` until the request has ended.
inline Request request_into(Told& told, std::vector<int32_t> prompt, int64_t max_tokens) {
  return {.prompt = std::move(prompt),
          .max_tokens = max_tokens,
          .sampling = {},
          .stop = {},
          .ignore_end_of_text = true,
          .on_token =
              [&told](const TokenEvent& event) {
                EXPECT_EQ(told.finish, FinishReason::kNone) << "an event after the last one";
                if (event.token >= 0) told.tokens.push_back(event.token);
                told.text += event.text;
                told.finish = event.finish;
              },
          .on_logits = {}};
}

inline void run_to_end(Engine& engine) {
  for (int steps = 0; engine.step(); ++steps) ASSERT_LT(steps, 20000) << "no end in sight";
}

}  // namespace partita::engine
