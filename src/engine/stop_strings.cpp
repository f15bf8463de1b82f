// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

namespace partita::engine {

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return {};
  pending_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, pending_.find(stop));
  if (first != std::string::npos) {
    stopped_ = true;
    std::string emitted = pending_.substr(0, first);
    pending_.clear();
    return emitted;
  }
  const size_t emit_length = pending_.size() - held_length();
  std::string emitted = pending_.substr(0, emit_length);
  pending_.erase(0, emit_length);
  return emitted;
}

std::string StopStrings::finish() { return std::exchange(pending_, {}); }

// Length of the longest end of pending_ that begins some stop string.
size_t StopStrings::held_length() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, pending_.size()); length > longest; --length) {
      if (pending_.ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

}  // namespace partita::engine
