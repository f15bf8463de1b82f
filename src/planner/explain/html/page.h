// SPDX-License-Identifier: Apache-2.0
// A plan as one HTML page for people, complete in itself.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"
#include "support/json.h"

namespace partita::planner {

// A mesh that was looked at: what it would have been, and why it is not the plan.
struct PageCandidate {
  std::string mesh;
  bool is_chosen = false;
  bool fits = false;
  bool is_estimate = false;  // only request_s is known
  double request_s = 0;
  double decode_s = 0;
  double prefill_s = 0;
  int64_t rank_bytes = 0;
  int64_t limit_bytes = 0;
  std::string verdict;  // "chosen", "does not fit: 3.0 GB too much", "12.0 % slower"
};

// Borrows all.
struct PageInput {
  const plan::Plan& plan;
  const ir::Graph& graph;
  std::span<const PageCandidate> candidates;  // empty: the mesh was given
};

// Works from a file, without network and scripts, light and dark. The numbers it shows stand as
// JSON in its element "plan-data" too. Names from outside are escaped.
[[nodiscard]] std::string plan_page(const PageInput& input);

}  // namespace partita::planner
