// SPDX-License-Identifier: Apache-2.0
// The "pre_tokenizer" part of tokenizer.json: cuts the normalized text into pieces that never
// merge.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::text {

// A piece of text on its way to the model.
struct Piece {
  std::string text;  // never empty
  bool at_start =
      false;  // it begins where the whole input begins (Metaspace "first" asks for that)
};

// Immutable and thread-safe. Knows ByteLevel, Split, Digits, Punctuation, Whitespace,
// WhitespaceSplit, Metaspace (old and new options) and Sequence.
class PreTokenizer {
 public:
  // `json` may be null (one piece). Throws Error(kUnsupported) for an unknown type,
  // Error(kInvalidFile) for wrong options; both name `what`.
  static PreTokenizer from_json(const Json& json, std::string_view what);

  // The pieces of `piece`, in order. Throws Error(kUnsupported) when a regular expression hits its
  // limit.
  [[nodiscard]] std::vector<Piece> apply(Piece piece) const;

  // Cuts one piece and appends the results.
  using Step = std::function<void(const Piece&, std::vector<Piece>&)>;

 private:
  std::vector<Step> steps_;
};

}  // namespace partita::text
