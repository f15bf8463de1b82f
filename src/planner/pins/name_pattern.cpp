// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/name_pattern.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <set>
#include <tuple>

#include "planner/pins/checkpoint_modules.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr size_t kMaxAlternatives = 1000;
constexpr std::string_view kWildcards = "*?";

// Greedy with one point of return, the last '*': O(name * glob).
bool glob_matches(std::string_view glob, std::string_view name) {
  size_t in_glob = 0;
  size_t in_name = 0;
  size_t star = std::string_view::npos;
  size_t star_name = 0;
  while (in_name < name.size()) {
    const bool has_more = in_glob < glob.size();
    if (has_more && glob[in_glob] == '*') {
      star = in_glob++;
      star_name = in_name;
    } else if (has_more && (glob[in_glob] == '?' || glob[in_glob] == name[in_name])) {
      ++in_glob;
      ++in_name;
    } else if (star != std::string_view::npos) {
      in_glob = star + 1;
      in_name = ++star_name;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', in_glob) == std::string_view::npos;
}

// "a{b,c}d" -> "abd", "acd".
std::vector<std::string> expanded(std::string_view text, std::string_view source) {
  const auto refuse = [&](const char* rule) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[pins] ", source, ": pattern \"", text, "\": ", rule));
  };
  std::vector<std::string> globs = {""};
  while (!text.empty()) {
    const size_t open = text.find_first_of("{}");
    for (std::string& glob : globs) glob += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const size_t close = text.find_first_of("{}", open + 1);
    if (text[open] == '}' || close == std::string_view::npos || text[close] == '{') {
      refuse("braces must pair, and not nest: {a,b}");
    }
    std::vector<std::string> longer;
    std::string_view inner = text.substr(open + 1, close - open - 1);
    while (true) {
      const size_t comma = inner.find(',');
      for (const std::string& glob : globs)
        longer.push_back(glob + std::string(inner.substr(0, comma)));
      if (longer.size() > kMaxAlternatives) refuse("more than 1000 alternatives");
      if (comma == std::string_view::npos) break;
      inner.remove_prefix(comma + 1);
    }
    globs = std::move(longer);
    text.remove_prefix(close + 1);
  }
  return globs;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// How many parts between dots two texts have in common at the begin.
size_t common_parts(std::string_view a, std::string_view b) {
  size_t count = 0;
  while (!a.empty() && !b.empty()) {
    const size_t end_a = std::min(a.find('.'), a.size());
    const size_t end_b = std::min(b.find('.'), b.size());
    if (a.substr(0, end_a) != b.substr(0, end_b)) break;
    ++count;
    a.remove_prefix(std::min(end_a + 1, a.size()));
    b.remove_prefix(std::min(end_b + 1, b.size()));
  }
  return count;
}

// The number that `name` has right behind `prefix`, before a dot or the end; or -1.
int64_t number_behind(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return -1;
  name.remove_prefix(prefix.size());
  int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool is_part = end == name.data() + name.size() || *end == '.';
  return error == std::errc() && is_part ? number : -1;
}

}  // namespace

NamePattern::NamePattern(std::string_view text, std::string_view source)
    : globs_(expanded(text, source)) {}

bool NamePattern::matches(std::string_view name) const {
  return std::any_of(globs_.begin(), globs_.end(),
                     [&](const std::string& glob) { return glob_matches(glob, name); });
}

std::string_view NamePattern::only_name() const {
  const bool is_plain =
      globs_.size() == 1 && globs_.front().find_first_of(kWildcards) == std::string::npos;
  return is_plain ? std::string_view(globs_.front()) : std::string_view();
}

std::vector<std::string> nearest_names(std::string_view text,
                                       std::span<const std::string> names,
                                       size_t count) {
  const std::string wanted = without_numbers(text.substr(0, 200));
  std::set<std::string> seen;
  // Parts that are not in common, edits, name.
  std::vector<std::tuple<size_t, size_t, std::string>> ranked;
  for (const std::string& name : names) {
    const std::string general = without_numbers(name);
    if (!seen.insert(general).second) continue;
    ranked.emplace_back(SIZE_MAX - common_parts(wanted, general), edit_distance(wanted, general),
                        name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  std::vector<std::string> result;
  for (size_t i = 0; i < std::min(count, ranked.size()); ++i)
    result.push_back(std::get<2>(ranked[i]));
  return result;
}

std::string nearest_text(std::string_view text, std::span<const std::string> names, size_t count) {
  std::string joined;
  for (const std::string& name : nearest_names(text, names, count)) {
    joined += (joined.empty() ? "" : ", ") + name;
  }
  return joined;
}

std::string missing_number(std::string_view text, std::span<const std::string> names) {
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.', dot + 1)) {
    const std::string_view prefix = text.substr(0, dot + 1);
    const int64_t wanted = number_behind(text, prefix);
    if (wanted < 0) continue;
    int64_t last = -1;
    for (const std::string& name : names) last = std::max(last, number_behind(name, prefix));
    if (last < 0 || wanted <= last) return {};
    return str("; the numbers behind ", prefix.substr(0, dot), " are 0 .. ", last);
  }
  return {};
}

}  // namespace partita::planner
