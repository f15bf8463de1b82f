// SPDX-License-Identifier: Apache-2.0
// Rewrites the regular expressions of tokenizer.json from the dialect of Oniguruma to that of
// PCRE2.
#pragma once

#include <string>
#include <string_view>

namespace partita::text {

// tokenizer.json files are written for Oniguruma with Ruby syntax. The rewriting covers what
// differs from PCRE2 (UTF | UCP | MULTILINE): the sets of \s \w \h \v and of POSIX brackets, nested
// classes, {,n}, {n,m}+ (a repeat, not possessive), the option m, \uHHHH and long property names.
// `what` names the file. Throws Error(kUnsupported) for class intersections, negated nested classes
// and the absent operator, and Error(kInvalidFile) for a class that does not end or a pattern above
// 64 KiB.
[[nodiscard]] std::string to_pcre2_dialect(std::string_view pattern, std::string_view what);

}  // namespace partita::text
