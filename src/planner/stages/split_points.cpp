// SPDX-License-Identifier: Apache-2.0
#include "planner/stages/split_points.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "planner/pins/name_pattern.h"
#include "support/error.h"
#include "support/range.h"

namespace partita::planner {
namespace {

constexpr std::string_view kBefore = "before:";
constexpr std::string_view kAfter = "after:";

[[noreturn]] void refuse(const std::string& point, const std::string& rule) {
  throw Error(ErrorCode::kInvalidArgument, str("[planner] split point \"", point, "\": ", rule));
}

std::optional<int64_t> number_of(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number ? std::optional(number) : std::nullopt;
}

// Whether the pattern means the operator or a module that it is in.
bool is_meant(const NamePattern& pattern, std::string_view name) {
  for (size_t end = name.size(); end != std::string_view::npos; end = name.rfind('.', end - 1)) {
    if (pattern.matches(name.substr(0, end))) return true;
    if (end == 0) break;
  }
  return false;
}

// From the first operator that is meant to behind the last.
Range operators_of(const ir::Graph& graph, const std::string& point, std::string_view name) {
  const NamePattern pattern(name, "split point");
  Range range = {-1, -1};
  std::vector<std::string> names;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    names.push_back(graph.nodes()[i].name);
    if (!is_meant(pattern, names.back())) continue;
    if (range.begin < 0) range.begin = static_cast<int64_t>(i);
    range.end = static_cast<int64_t>(i) + 1;
  }
  if (range.begin >= 0) return range;
  refuse(point, str("no operator or module of ", graph.name(), " has that name; nearest are ",
                    nearest_text(name, names, 3), missing_number(name, names)));
}

int64_t cut_of(const ir::Graph& graph, const std::string& point) {
  std::string_view name = point;
  const bool is_after = name.starts_with(kAfter);
  if (is_after) name.remove_prefix(kAfter.size());
  if (name.starts_with(kBefore)) name.remove_prefix(kBefore.size());
  if (name.empty()) refuse(point, "expected before:NAME, after:NAME or the number of an operator");
  if (const auto number = number_of(name)) return *number + (is_after ? 1 : 0);
  const Range operators = operators_of(graph, point, name);
  return is_after ? operators.end : operators.begin;
}

}  // namespace

std::vector<int64_t> cuts_at(const ir::Graph& graph, std::span<const std::string> points) {
  const auto nodes = static_cast<int64_t>(graph.nodes().size());
  std::vector<int64_t> cuts;
  for (const std::string& point : points) {
    const int64_t cut = cut_of(graph, point);
    if (cut <= 0 || cut >= nodes) {
      refuse(point, str("a cut before operator ", cut, " of ", nodes,
                        " leaves a stage without operators; expected 1 .. ", nodes - 1));
    }
    if (std::ranges::find(cuts, cut) != cuts.end()) {
      refuse(point, str("another point cuts before operator ", cut, " already"));
    }
    cuts.push_back(cut);
  }
  std::ranges::sort(cuts);
  return cuts;
}

}  // namespace partita::planner
