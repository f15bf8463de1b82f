// SPDX-License-Identifier: Apache-2.0
#include "engine/request.h"

#include "support/error.h"

namespace partita::engine {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "[request] " + what);
}

}  // namespace

void validate(const Request& request, bool has_tokenizer) {
  validate(request.sampling);
  if (request.max_tokens < 1)
    refuse(str("max_tokens is ", request.max_tokens, "; expected at least 1"));
  if (!has_tokenizer && !request.stop.empty()) {
    refuse(
        "stop strings need a tokenizer, and this model has none; add tokenizer.json or remove "
        "them");
  }
  for (const std::string& stop : request.stop) {
    if (stop.empty()) refuse("a stop string is empty; remove it");
  }
}

}  // namespace partita::engine
