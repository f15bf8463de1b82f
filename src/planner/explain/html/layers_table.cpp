// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/html/layers_table.h"

#include "planner/explain/html/markup.h"
#include "planner/explain/human_text.h"
#include "planner/explain/names.h"
#include "support/error.h"

namespace partita::planner {
namespace {

std::string cell(const std::string& markup) { return tag("td", {}, markup); }
std::string number_cell(const std::string& text) {
  return tag("td", {{"class", "number"}}, escaped(text));
}

std::string pin_markup(const std::string& source) {
  return source.empty() ? "" : " " + tag("span", {{"class", "pin"}}, escaped("pin " + source));
}

std::string collective_markup(const CollectiveRow& row) {
  std::string what = escaped(str(row.path, " of ", row.value, " to ")) + spec_markup(row.to);
  if (!row.readers.empty()) what += escaped(" for " + row.readers);
  return tag("tr", {{"class", "collective"}},
             tag("td", {{"colspan", "3"}}, what) + number_cell(bytes_text(row.decode_bytes)) +
                 number_cell(seconds_text(row.decode_s)) +
                 number_cell(seconds_text(row.prefill_s)));
}

std::string row_markup(const OpRow& row) {
  std::string stored;
  for (const StoredRow& entry : row.stored) {
    stored += (stored.empty() ? "" : "<br>") + escaped(entry.name) + " " + spec_markup(entry.spec) +
              pin_markup(entry.source);
  }
  std::string text =
      tag("tr", {},
          cell(escaped(row.name) + " " + tag("span", {{"class", "soft"}}, escaped(row.op))) +
              cell(strategy_markup(row.strategy) + pin_markup(row.source) + " &rarr; " +
                   spec_markup(row.result)) +
              cell(stored) + number_cell("") + number_cell(seconds_text(row.decode_s)) +
              number_cell(seconds_text(row.prefill_s)));
  for (const CollectiveRow& collective : row.collectives) text += collective_markup(collective);
  return text;
}

std::string title_of(const LayerGroup& group) {
  if (group.layers.empty()) {
    return str("outside of layers: ", group.rows.front().name,
               group.rows.size() > 1 ? " .. " + group.rows.back().name : "");
  }
  if (group.layers.size() == 1) return str("layer ", *group.layers.begin());
  return str("layers ", ranges_text(group.layers), ", ", group.layers.size(), " alike");
}

std::string times_of(const LayerGroup& group) {
  double decode_s = 0;
  double comm_s = 0;
  for (const OpRow& row : group.rows) {
    decode_s += row.decode_s;
    for (const CollectiveRow& collective : row.collectives) comm_s += collective.decode_s;
  }
  return str(" (decode ", group.layers.size() > 1 ? "each " : "", seconds_text(decode_s),
             " compute, ", seconds_text(comm_s), " communication)");
}

std::string group_markup(const LayerGroup& group, bool is_open) {
  std::string rows =
      "<tr><th>operator</th><th>split &rarr; result</th><th>weights and caches</th>"
      "<th class=\"number\">bytes sent</th><th class=\"number\">decode</th>"
      "<th class=\"number\">prefill</th></tr>";
  for (const OpRow& row : group.rows) rows += row_markup(row);
  const std::string content =
      tag("summary", {},
          escaped(title_of(group)) + tag("span", {{"class", "soft"}}, escaped(times_of(group)))) +
      tag("div", {{"class", "scroll"}}, tag("table", {}, rows));
  return is_open ? tag("details", {{"open", ""}}, content) : tag("details", {}, content);
}

}  // namespace

std::string layers_table(const PageFacts& facts) {
  std::string legend;
  for (size_t i = 0; i < facts.axes.size(); ++i) {
    const SpecPart axis = {"axis " + facts.axes[i], static_cast<int>(i)};
    legend += tag("span", {{"class", "key"}}, strategy_markup({axis}));
  }
  std::string text = tag("p", {{"class", "legend"}}, legend);
  // The first group of layers is what people come for.
  bool has_opened = false;
  for (const LayerGroup& group : facts.groups) {
    const bool is_open = !has_opened && (!group.layers.empty() || facts.groups.size() == 1);
    has_opened = has_opened || is_open;
    text += group_markup(group, is_open);
  }
  return text;
}

}  // namespace partita::planner
