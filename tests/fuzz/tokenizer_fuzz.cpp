// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as tokenizer.json; a file that is accepted encodes and decodes the input's
// tail.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "support/error.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace {

using partita::text::Detokenizer;
using partita::text::Tokenizer;

// The input is a tokenizer.json, then one zero byte and a text; without zero byte the text is its
// tail.
struct Input {
  std::string_view json;
  std::string_view text;
};

Input split(std::string_view input) {
  constexpr size_t kTailBytes = 64;
  const size_t zero = input.find('\0');
  if (zero != std::string_view::npos) return {input.substr(0, zero), input.substr(zero + 1)};
  return {input, input.substr(input.size() - std::min(input.size(), kTailBytes))};
}

void use(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<int32_t> ids = tokenizer.encode(text);
  for (const int32_t id : ids) {
    if (id < 0 || id >= tokenizer.vocab_size()) std::abort();
  }
  for (const char byte : text)
    ids.push_back(static_cast<signed char>(byte));  // also ids without a token
  Detokenizer detokenizer(tokenizer);
  std::string joined;
  for (const int32_t id : ids) joined += detokenizer.push(id);
  joined += detokenizer.finish();
  if (joined != tokenizer.decode(ids)) std::abort();
  (void)tokenizer.decode(ids, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Input input = split({reinterpret_cast<const char*>(data), size});
  try {
    const auto tokenizer = Tokenizer::parse(input.json, "fuzz");
    use(*tokenizer, input.text);
  } catch (const partita::Error& error) {
    if (error.code() == partita::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
