// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/page.h"

#include <algorithm>

#include "planner/explain/html/drawings.h"
#include "planner/explain/html/layers_table.h"
#include "planner/explain/html/markup.h"
#include "planner/explain/html/page_data.h"
#include "planner/explain/html/style.h"
#include "planner/explain/html/transfers.h"
#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "planner/explain/summary.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string section(const char* title, const std::string& content) {
  return tag("section", {}, tag("h2", {}, title) + content);
}

std::string tile(const std::string& name, const std::string& value, const std::string& more) {
  return tag("div", {{"class", "tile"}},
             tag("small", {}, escaped(name)) + tag("strong", {}, escaped(value)) +
                 tag("small", {}, escaped(more)));
}

const plan::RankMemory& fullest_of(const plan::Plan& plan) {
  static const plan::RankMemory none;
  const auto fullest =
      std::max_element(plan.memory.begin(), plan.memory.end(),
                       [](const auto& a, const auto& b) { return a.total() < b.total(); });
  return fullest == plan.memory.end() ? none : *fullest;
}

std::string head_of(const plan::Plan& plan) {
  const plan::CostTerms& time = plan.predicted;
  const plan::Workload& work = plan.workload;
  const plan::RankMemory& fullest = fullest_of(plan);
  const double decode = time.decode_compute_s + time.decode_comm_s;
  const double prefill = time.prefill_compute_s + time.prefill_comm_s;
  const double chunks =
      static_cast<double>(work.prompt_tokens) / static_cast<double>(work.max_step_tokens);
  const double request = decode * static_cast<double>(work.output_tokens) + prefill * chunks;
  std::string tiles;
  tiles += tile("decode step", seconds_text(decode),
                str(work.concurrency, work.concurrency == 1 ? " sequence, " : " sequences, ",
                    seconds_text(time.decode_comm_s), " communication"));
  tiles += tile(
      "prefill chunk", seconds_text(prefill),
      str(work.max_step_tokens, " tokens, ", seconds_text(time.prefill_comm_s), " communication"));
  tiles += tile("request", seconds_text(request),
                str(work.prompt_tokens, " tokens in, ", work.output_tokens, " out"));
  tiles += tile("fullest rank", bytes_text(fullest.total()),
                fullest.limit > 0 ? "of " + bytes_text(fullest.limit) : "no limit");
  tiles +=
      tile("gap to the best possible", plan.gap == 0 ? "0 %" : fixed_text(plan.gap * 100, 3) + " %",
           (plan.gap == 0 ? "proven by " : "at most, by ") + plan.solver);
  const std::string line =
      str(plan.dtype, " weights, ", plan.cache_dtype, " KV cache, ", plan.ranks(),
          plan.ranks() == 1 ? " rank" : " ranks",
          plan.replicas > 1 ? str(" in each of ", plan.replicas, " replicas") : "", ", profile ",
          plan.profile, ", graph ", plan.graph_hash);
  return tag("h1", {}, escaped(str(plan.model, " on ", mesh_text_of(plan)))) +
         tag("p", {{"class", "soft"}}, escaped(line)) + tag("div", {{"class", "tiles"}}, tiles);
}

std::string timeline_section(const char* what, const Timeline& timeline, size_t stages) {
  return tag("p", {}, tag("strong", {}, what)) + timeline_drawing(timeline, stages) +
         tag("div", {{"class", "ends soft"}},
             tag("span", {}, "0") + tag("span", {}, seconds_text(timeline.total_s)));
}

std::string timelines(const PageFacts& facts, size_t stages) {
  const auto key = [](const char* style, const char* name) {
    return tag("span", {{"class", "key"}},
               tag("span", {{"class", str("swatch ", style)}}, "") + name);
  };
  std::string text = tag("p", {{"class", "legend"}},
                         key("compute", "compute (upper lane of a stage)") +
                             key("comm", "communication (lower lane)"));
  text += timeline_section("one decode step", facts.decode, stages);
  text += timeline_section("one prefill chunk", facts.prefill, stages);
  return text;
}

std::string number_cell(const std::string& text) {
  return tag("td", {{"class", "number"}}, escaped(text));
}

std::string collectives_table(const plan::Plan& plan, const ir::Graph& graph) {
  std::map<std::string, CollectiveCount> sums;
  for (const auto& [key, count] : collectives_per_layer(plan, graph)) {
    sums[key.second].calls += count.calls;
    sums[key.second].decode_bytes += count.decode_bytes;
  }
  if (sums.empty()) return tag("p", {}, "none: nothing is sent between the ranks of a stage");
  std::string rows =
      "<tr><th>kind</th><th class=\"number\">calls per step</th>"
      "<th class=\"number\">bytes per decode step and rank</th></tr>";
  for (const auto& [kind, count] : sums) {
    rows += tag("tr", {},
                tag("td", {}, escaped(kind)) + number_cell(str(count.calls)) +
                    number_cell(bytes_text(count.decode_bytes)));
  }
  return tag("table", {}, rows);
}

std::string candidates_table(std::span<const PageCandidate> candidates) {
  std::string rows =
      "<tr><th>mesh</th><th class=\"number\">request</th><th class=\"number\">decode step</th>"
      "<th class=\"number\">prefill chunk</th><th class=\"number\">fullest rank</th>"
      "<th>verdict</th></tr>";
  for (const PageCandidate& candidate : candidates) {
    const auto known = [&](const std::string& text) {
      return candidate.is_estimate ? std::string("-") : text;
    };
    rows += tag("tr", {{"class", candidate.is_chosen ? "chosen" : "other"}},
                tag("td", {}, tag("code", {}, escaped(candidate.mesh))) +
                    number_cell(seconds_text(candidate.request_s)) +
                    number_cell(known(seconds_text(candidate.decode_s))) +
                    number_cell(known(seconds_text(candidate.prefill_s))) +
                    number_cell(known(bytes_text(candidate.rank_bytes))) +
                    tag("td", {}, escaped(candidate.verdict)));
  }
  return tag("div", {{"class", "scroll"}}, tag("table", {}, rows));
}

}  // namespace

std::string plan_page(const PageInput& input) {
  const PageFacts facts = page_facts(input.plan, input.graph);
  const size_t stages = input.plan.stages.size();
  std::string body = head_of(input.plan);
  body += section("Devices", mesh_drawing(input.plan, input.graph));
  body += section("Predicted time", timelines(facts, stages));
  body += section("Memory per rank", memory_drawing(facts.ranks, stages));
  body += section("Layers", layers_table(facts));
  body += section("Collectives", collectives_table(input.plan, input.graph));
  if (stages > 1) {
    body += section("Between stages",
                    transfers_table(transfers_of(input.plan, input.graph), input.plan));
  }
  if (!input.candidates.empty()) {
    body += section("Meshes that were tried", candidates_table(input.candidates));
  }
  body += tag("script", {{"type", "application/json"}, {"id", "plan-data"}},
              script_json(page_data(input, facts)));
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">" +
         tag("title", {}, escaped("Plan of " + input.plan.model)) + tag("style", {}, kPageStyle) +
         "</head>" + tag("body", {}, body) + "</html>\n";
}

}  // namespace partita::planner
