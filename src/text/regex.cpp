// SPDX-License-Identifier: Apache-2.0
// RAII around PCRE2 (8-bit, UTF and UCP, JIT when there is one).
#include "text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <cstdint>
#include <string>

#include "support/error.h"
#include "text/regex_dialect.h"
#include "text/unicode.h"

namespace partita::text {
namespace {

constexpr uint32_t kHeapLimitKib = 256
                                   << 10;  // backtracking memory of one match; the default is 20 GB

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};

using CodePointer = std::unique_ptr<pcre2_code, Deleter<pcre2_code_free>>;
using MatchDataPointer = std::unique_ptr<pcre2_match_data, Deleter<pcre2_match_data_free>>;
using MatchContextPointer = std::unique_ptr<pcre2_match_context, Deleter<pcre2_match_context_free>>;
using CompileContextPointer =
    std::unique_ptr<pcre2_compile_context, Deleter<pcre2_compile_context_free>>;

std::string message_of(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

template <typename Pointer>
void require_memory(const Pointer& pointer) {
  if (pointer == nullptr)
    throw Error(ErrorCode::kOutOfMemory, "[tokenizer] PCRE2 cannot allocate memory");
}

CodePointer compile(std::string_view pattern, std::string_view what) {
  const std::string translated = to_pcre2_dialect(pattern, what);
  const CompileContextPointer context(pcre2_compile_context_create(nullptr));
  require_memory(context);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // MULTILINE: ^ and $ always work on lines in Ruby syntax.
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
  CodePointer code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                                 kOptions, &error, &offset, context.get()));
  if (code == nullptr) {
    throw Error(ErrorCode::kInvalidFile,
                str("[tokenizer] ", what, ": the regular expression '", pattern,
                    "' is not valid: ", message_of(error), " at byte ", offset,
                    " of its translation '", translated, "'; correct it in the file"));
  }
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter does the work
  return code;
}

}  // namespace

struct Regex::Code {
  CodePointer code;
  MatchContextPointer limits;
  std::string pattern;  // as in the file, for messages

  // Searches from `start`. False when there is no match.
  bool find(std::string_view text, size_t start, pcre2_match_data* data) const {
    int result = match(text, start, 0, data);
    // The JIT has only its small machine stack; the interpreter may use kHeapLimitKib.
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) result = match(text, start, PCRE2_NO_JIT, data);
    if (result == PCRE2_ERROR_NOMATCH) return false;
    if (result >= 0) return true;
    throw Error(ErrorCode::kUnsupported,
                str("[tokenizer] the regular expression '", pattern, "' failed on a text of ",
                    text.size(), " bytes: ", message_of(result), "; send a shorter text"));
  }

 private:
  int match(std::string_view text, size_t start, uint32_t options, pcre2_match_data* data) const {
    // Texts are cleaned before they get here; without this flag each call would check the whole
    // text.
    return pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), start,
                       options | PCRE2_NO_UTF_CHECK, data, limits.get());
  }
};

Regex::Regex(std::string_view pattern, std::string_view what) {
  auto code = std::make_shared<Code>();
  code->code = compile(pattern, what);
  code->limits.reset(pcre2_match_context_create(nullptr));
  require_memory(code->limits);
  pcre2_set_heap_limit(code->limits.get(), kHeapLimitKib);
  code->pattern = pattern;
  code_ = std::move(code);
}

std::vector<ByteSpan> Regex::find_all(std::string_view text) const {
  const MatchDataPointer data(pcre2_match_data_create(1, nullptr));
  require_memory(data);
  std::vector<ByteSpan> spans;
  const auto step = [&](size_t at) {
    if (at < text.size())
      (void)next_code_point(text, at);
    else
      ++at;
    return at;
  };
  for (size_t start = 0; start <= text.size();) {
    if (!code_->find(text, start, data.get())) break;
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(data.get());
    const ByteSpan span{offsets[0], offsets[1]};
    const size_t floor = spans.empty() ? 0 : spans.back().end;
    const bool repeats_empty = !spans.empty() && span.begin == span.end && span.end == floor;
    if (repeats_empty || span.begin < floor || span.end < span.begin) {
      start = step(std::max(start, floor));
      continue;
    }
    spans.push_back(span);
    start = span.end;
  }
  return spans;
}

}  // namespace partita::text
