// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in streamed text and never emits text that may still become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace partita::engine {

// One per sequence; owned by the scheduler's thread.
class StopStrings {
 public:
  explicit StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  // Adds text and returns what may be emitted now. Once a stop string is complete, stopped() is
  // true, and the text before it (not the string itself) has been emitted.
  [[nodiscard]] std::string push(std::string_view text);
  // The held text, when no more will come.
  [[nodiscard]] std::string finish();
  [[nodiscard]] bool stopped() const { return stopped_; }

 private:
  [[nodiscard]] size_t held_length() const;

  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace partita::engine
