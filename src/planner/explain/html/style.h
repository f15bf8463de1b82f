// SPDX-License-Identifier: Apache-2.0
// The style sheet of the page about a plan; it stands in the page itself.
#pragma once

#include <string_view>

namespace partita::planner {

// Light and dark after the reader's setting; needs no network and no script.
extern const std::string_view kPageStyle;

}  // namespace partita::planner
