// SPDX-License-Identifier: Apache-2.0
// What the page about a plan shows, as data: alike layers folded, times in order, ranks grouped.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "plan/plan.h"

namespace partita::planner {

// A piece of a spec or strategy: "n:tp" belongs to axis tp (an index of PageFacts::axes), "t" to
// none (-1). A dim split over several axes has a piece per axis: "n:a", "*b".
struct SpecPart {
  std::string text;
  int axis = -1;
  bool operator==(const SpecPart&) const = default;
};
using SpecParts = std::vector<SpecPart>;

// A path of collectives of one value, shown below the operator that makes or first reads it.
struct CollectiveRow {
  std::string value;  // without its layer
  std::string path;   // "all_reduce(tp)"
  SpecParts to;
  std::string readers;
  int64_t decode_bytes = 0;
  double decode_s = 0;
  double prefill_s = 0;
  bool operator==(const CollectiveRow&) const = default;
};

struct StoredRow {
  std::string name;
  SpecParts spec;
  std::string source;  // the pin that decided
  bool operator==(const StoredRow&) const = default;
};

struct OpRow {
  std::string name;  // without its layer: "mlp.down_proj"
  std::string op;
  SpecParts strategy;
  SpecParts result;
  std::string source;             // the pin that decided
  std::vector<StoredRow> stored;  // weights and states it reads
  std::vector<CollectiveRow> collectives;
  double decode_s = 0;
  double prefill_s = 0;
  bool operator==(const OpRow&) const = default;
};

// Layers that are decided alike; or consecutive operators that belong to no layer.
struct LayerGroup {
  std::set<int32_t> layers;  // empty: outside of layers
  std::vector<OpRow> rows;
};

// Computing or communicating without a break.
struct Segment {
  double start_s = 0;
  double seconds = 0;
  bool is_comm = false;
  int stage = 0;
  std::string label;  // first and last operator
};

struct Timeline {
  double total_s = 0;
  std::vector<Segment> segments;
};

// Ranks with the same memory.
struct RankGroup {
  std::set<int32_t> ranks;
  int stage = 0;
  plan::RankMemory memory;
};

struct PageFacts {
  std::vector<std::string> axes;  // of all stages' meshes
  std::vector<LayerGroup> groups;
  Timeline decode;   // one step
  Timeline prefill;  // one chunk
  std::vector<RankGroup> ranks;
};

// `plan` belongs to `graph`. Costs O(nodes + values).
[[nodiscard]] PageFacts page_facts(const plan::Plan& plan, const ir::Graph& graph);

}  // namespace partita::planner
