// SPDX-License-Identifier: Apache-2.0
// The "normalizer" part of tokenizer.json: rewrites the text before it is split.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::text {

// Immutable and thread-safe. Knows NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip and
// Sequence.
class Normalizer {
 public:
  // `json` may be null (no change). Throws Error(kUnsupported) for an unknown type,
  // Error(kInvalidFile) for wrong options; both name `what`.
  static Normalizer from_json(const Json& json, std::string_view what);

  // `text` (valid UTF-8) through all steps.
  [[nodiscard]] std::string apply(std::string text) const;

  // One rewriting of the whole text.
  using Step = std::function<std::string(std::string)>;

 private:
  std::vector<Step> steps_;
};

}  // namespace partita::text
