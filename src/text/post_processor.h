// SPDX-License-Identifier: Apache-2.0
// The "post_processor" part of tokenizer.json: puts special tokens such as <s> around the ids of a
// text.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "support/json.h"

namespace partita::text {

// Immutable and thread-safe. Knows TemplateProcessing, ByteLevel (offsets only, changes no id) and
// Sequence.
class PostProcessor {
 public:
  // `json` may be null (no change). `id_limit` is the highest token id plus one. Throws
  // Error(kUnsupported) for an unknown type, Error(kInvalidFile) for a malformed template or an id
  // at or above `id_limit`.
  static PostProcessor from_json(const Json& json, int32_t id_limit, std::string_view what);

  // The ids of one text with what the file wants around them; special tokens only if
  // `add_special_tokens`.
  [[nodiscard]] std::vector<int32_t> apply(std::vector<int32_t> ids, bool add_special_tokens) const;

  // One entry of a template: the text's ids, or fixed ids.
  struct Item {
    bool is_text = false;
    std::vector<int32_t> special_ids;
  };
  using Template = std::vector<Item>;

 private:
  std::vector<Template> templates_;  // applied one after the other
};

}  // namespace partita::text
