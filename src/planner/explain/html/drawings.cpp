// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/drawings.h"

#include <algorithm>
#include <array>

#include "planner/explain/html/markup.h"
#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "support/error.h"

namespace partita::planner {
namespace {

constexpr int64_t kMaxSquares = 512;
constexpr int kStageColours = 6;
constexpr double kTimelineWidth = 1000;  // units of the drawing; it scales with the page
constexpr double kLaneHeight = 16;

std::string square(int rank, size_t stage) {
  return tag("span",
             {{"class", str("device stage", stage % kStageColours)}, {"title", str("rank ", rank)}},
             str(rank));
}

// Rows = all axes but the last, columns = the last.
std::string squares_of(const spec::Mesh& mesh, size_t stage, int64_t& left) {
  const int64_t columns = mesh.axis_count() == 0 ? 1 : mesh.axes().back().size;
  std::string rows;
  for (int64_t cell = 0; cell < mesh.size() && left > 0; cell += columns) {
    std::string row;
    for (int64_t i = 0; i < columns && left > 0; ++i, --left) {
      row += square(mesh.ranks()[static_cast<size_t>(cell + i)], stage);
    }
    rows += tag("div", {{"class", "devices"}}, row);
  }
  return rows;
}

std::string rectangle(const Segment& segment, double scale, double y) {
  const std::string title = segment.label + ", " + seconds_text(segment.seconds);
  return tag("rect",
             {{"class", segment.is_comm ? "comm" : "compute"},
              {"x", number(segment.start_s * scale)},
              {"y", number(y)},
              {"width", number(std::max(0.25, segment.seconds * scale))},
              {"height", number(kLaneHeight - 3)}},
             tag("title", {}, escaped(title)));
}

struct MemoryKind {
  const char* name;
  const char* style;
  int64_t plan::RankMemory::*bytes;
};
constexpr std::array<MemoryKind, 5> kMemoryKinds = {{
    {"weights", "kind0", &plan::RankMemory::weights},
    {"KV cache", "kind1", &plan::RankMemory::kv_cache},
    {"activations", "kind2", &plan::RankMemory::activations},
    {"buffers", "kind3", &plan::RankMemory::communication},
    {"reserve", "kind4", &plan::RankMemory::reserve},
}};

std::string memory_row(const RankGroup& group, size_t stages, int64_t widest) {
  const auto share = [&](int64_t bytes) {
    return number(100 * static_cast<double>(bytes) / static_cast<double>(widest)) + "%";
  };
  std::string bar;
  for (const MemoryKind& kind : kMemoryKinds) {
    const int64_t bytes = group.memory.*kind.bytes;
    bar += tag("span",
               {{"class", str("part ", kind.style)},
                {"style", "width:" + share(bytes)},
                {"title", str(kind.name, " ", bytes_text(bytes))}},
               "");
  }
  if (group.memory.limit > 0) {
    bar += tag("span",
               {{"class", "limit"},
                {"style", "left:" + share(group.memory.limit)},
                {"title", "limit " + bytes_text(group.memory.limit)}},
               "");
  }
  const std::string who =
      str(group.ranks.size() == 1 ? "rank " : "ranks ", ranges_text(group.ranks),
          stages > 1 ? str(", stage ", group.stage) : "");
  const std::string total = bytes_text(group.memory.total()) +
                            (group.memory.limit > 0 ? " of " + bytes_text(group.memory.limit) : "");
  return tag("div", {{"class", "memory"}},
             tag("span", {{"class", "who"}}, escaped(who)) + tag("span", {{"class", "bar"}}, bar) +
                 tag("span", {{"class", "total"}}, total));
}

}  // namespace

std::string mesh_drawing(const plan::Plan& plan, const ir::Graph& graph) {
  std::string blocks;
  int64_t left = kMaxSquares;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const plan::Stage& stage = plan.stages[i];
    const std::string title =
        str(plan.stages.size() > 1 ? str("stage ", i, ": ") : "", mesh_text(stage.mesh));
    const std::string nodes = str(graph.nodes()[static_cast<size_t>(stage.first_node)].name, " .. ",
                                  graph.nodes()[static_cast<size_t>(stage.end_node - 1)].name);
    blocks += tag("div", {{"class", "block"}},
                  tag("strong", {}, escaped(title)) + squares_of(stage.mesh, i, left) +
                      tag("small", {}, escaped(nodes)));
    if (i + 1 < plan.stages.size()) blocks += tag("div", {{"class", "arrow"}}, "&rarr;");
  }
  std::string text = tag("div", {{"class", "mesh"}}, blocks);
  if (plan.ranks() > kMaxSquares) {
    text += tag("p", {}, str("... and ", plan.ranks() - kMaxSquares, " devices more"));
  }
  return text;
}

std::string timeline_drawing(const Timeline& timeline, size_t stages) {
  const double scale = timeline.total_s > 0 ? kTimelineWidth / timeline.total_s : 0;
  const double height = 2 * kLaneHeight * static_cast<double>(stages);
  std::string shapes;
  for (size_t stage = 1; stage < stages; ++stage) {
    const double y = 2 * kLaneHeight * static_cast<double>(stage) - 1.5;
    shapes += tag("line",
                  {{"class", "border"},
                   {"x1", "0"},
                   {"x2", number(kTimelineWidth)},
                   {"y1", number(y)},
                   {"y2", number(y)}},
                  "");
  }
  for (const Segment& segment : timeline.segments) {
    const double lane = 2.0 * segment.stage + (segment.is_comm ? 1 : 0);
    shapes += rectangle(segment, scale, lane * kLaneHeight);
  }
  return tag("svg",
             {{"class", "timeline"},
              {"viewBox", str("0 0 ", number(kTimelineWidth), " ", number(height))},
              {"preserveAspectRatio", "none"},
              {"height", number(std::max(1.5 * height, 48.0))},
              {"role", "img"}},
             shapes);
}

std::string memory_drawing(const std::vector<RankGroup>& ranks, size_t stages) {
  int64_t widest = 1;
  for (const RankGroup& group : ranks) {
    widest = std::max({widest, group.memory.total(), group.memory.limit});
  }
  std::string legend;
  for (const MemoryKind& kind : kMemoryKinds) {
    legend += tag("span", {{"class", "key"}},
                  tag("span", {{"class", str("swatch ", kind.style)}}, "") + kind.name);
  }
  legend +=
      tag("span", {{"class", "key"}},
          tag("span", {{"class", "swatch limit-key"}}, "") + std::string("limit of the device"));
  std::string rows = tag("p", {{"class", "legend"}}, legend);
  for (const RankGroup& group : ranks) rows += memory_row(group, stages, widest);
  return rows;
}

}  // namespace partita::planner
