// SPDX-License-Identifier: Apache-2.0
// Pieces of HTML and SVG. Every text from outside goes through escaped().
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "planner/explain/html/page_facts.h"
#include "support/json.h"

namespace partita::planner {

// Text as it may stand between tags and in quoted attributes.
[[nodiscard]] std::string escaped(std::string_view text);

// JSON as it may stand in a script element: no '<' at all.
[[nodiscard]] std::string script_json(const Json& json);

// <name key="value" ...>content</name>; values are escaped, the content is markup already.
using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;
[[nodiscard]] std::string tag(std::string_view name,
                              Attributes attributes,
                              std::string_view content);

// A number in an attribute: at most two digits after the point.
[[nodiscard]] std::string number(double value);

// "[t, n:tp]" with the parts of each mesh axis in its colour.
[[nodiscard]] std::string spec_markup(const SpecParts& parts);
// The same without brackets: "n:tp".
[[nodiscard]] std::string strategy_markup(const SpecParts& parts);

}  // namespace partita::planner
