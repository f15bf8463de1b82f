// SPDX-License-Identifier: Apache-2.0
#include "cli/run_report.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "support/units.h"

namespace partita::cli {
namespace {

// A line of at most 255 characters as printf() makes it.
[[gnu::format(printf, 1, 2)]] std::string line_of(const char* format, ...) {
  std::array<char, 256> text{};
  va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  return text.data();
}

std::string speed(int64_t tokens, double seconds) {
  if (tokens == 0 || seconds <= 0) return "-";
  return line_of("%s per token, %.1f tokens/s",
                 format_seconds(seconds / static_cast<double>(tokens)).c_str(),
                 static_cast<double>(tokens) / seconds);
}

std::string time_text(const RunReport& report, double predicted_decode_seconds) {
  return line_of("  start    %s\n", format_seconds(report.start_seconds).c_str()) +
         line_of("  prefill  %ld tokens, measured %s\n", static_cast<long>(report.prefill_tokens),
                 speed(report.prefill_tokens, report.prefill_seconds).c_str()) +
         line_of("  decode   %ld tokens, measured %s; predicted %s per step\n",
                 static_cast<long>(report.decode_tokens),
                 speed(report.decode_tokens, report.decode_seconds).c_str(),
                 format_seconds(predicted_decode_seconds).c_str());
}

// What is missing to 100 % a rank has waited: for other stages, or for the frontend.
std::string busy_text(const RunReport& report) {
  const double seconds = report.prefill_seconds + report.decode_seconds;
  std::string text = "  busy    ";
  for (const RankCost& rank : report.ranks) {
    text += rank.is_lost ? line_of(" rank %d lost", rank.rank)
                         : line_of(" rank %d %.1f %%", rank.rank,
                                   100 * rank.busy_seconds / std::max(seconds, 1e-9));
  }
  return text + "\n";
}

std::string collectives_text(const RunReport& report) {
  std::string text = line_of("  %-5s %-15s %8s %12s %12s %10s %10s\n", "rank", "collective",
                             "calls", "payload", "sent", "time", "waiting");
  for (const RankCost& rank : report.ranks) {
    for (const CollectiveCost& row : rank.collectives) {
      if (row.calls == 0) continue;
      text += line_of("  %-5d %-15s %8ld %12s %12s %10s %10s\n", rank.rank, row.kind.c_str(),
                      static_cast<long>(row.calls), format_bytes(row.payload_bytes).c_str(),
                      format_bytes(row.wire_bytes).c_str(), format_seconds(row.seconds).c_str(),
                      format_seconds(row.waiting_seconds).c_str());
    }
  }
  return text;
}

std::string memory_text(const RunReport& report) {
  std::string text =
      line_of("  %-5s %-8s %-6s %12s %12s %12s %12s %12s %10s\n", "rank", "replica", "stage",
              "weights", "kv cache", "activations", "read", "peak RSS", "load");
  for (const RankCost& rank : report.ranks) {
    if (rank.is_lost) {
      text += line_of("  %-5d %-8d lost\n", rank.rank, rank.replica);
      continue;
    }
    text += line_of(
        "  %-5d %-8d %-6d %12s %12s %12s %12s %12s %10s\n", rank.rank, rank.replica, rank.stage,
        format_bytes(rank.weight_bytes).c_str(), format_bytes(rank.kv_bytes).c_str(),
        format_bytes(rank.activation_bytes).c_str(), format_bytes(rank.bytes_read).c_str(),
        format_bytes(rank.peak_rss_bytes).c_str(), format_seconds(rank.load_seconds).c_str());
  }
  return text;
}

}  // namespace

std::string report_text(const RunReport& report, const PredictedSeconds& predicted) {
  return "--- time\n" + time_text(report, predicted.decode) + busy_text(report) +
         "\n--- collectives\n" + collectives_text(report) + "\n--- memory\n" + memory_text(report);
}

Json to_json(const RunReport& report, const PredictedSeconds& predicted) {
  Json ranks = Json::array();
  for (const RankCost& rank : report.ranks) {
    Json collectives = Json::array();
    for (const CollectiveCost& row : rank.collectives) {
      collectives.push_back({{"kind", row.kind},
                             {"calls", row.calls},
                             {"payload_bytes", row.payload_bytes},
                             {"wire_bytes", row.wire_bytes},
                             {"seconds", row.seconds},
                             {"waiting_seconds", row.waiting_seconds}});
    }
    ranks.push_back({{"rank", rank.rank},
                     {"replica", rank.replica},
                     {"is_lost", rank.is_lost},
                     {"stage", rank.stage},
                     {"pid", rank.pid},
                     {"weight_bytes", rank.weight_bytes},
                     {"kv_bytes", rank.kv_bytes},
                     {"activation_bytes", rank.activation_bytes},
                     {"bytes_read", rank.bytes_read},
                     {"peak_rss_bytes", rank.peak_rss_bytes},
                     {"load_seconds", rank.load_seconds},
                     {"busy_seconds", rank.busy_seconds},
                     {"collectives", collectives}});
  }
  return {{"start_seconds", report.start_seconds},
          {"prefill_tokens", report.prefill_tokens},
          {"prefill_seconds", report.prefill_seconds},
          {"decode_tokens", report.decode_tokens},
          {"decode_steps", report.decode_steps},
          {"decode_seconds", report.decode_seconds},
          {"predicted_decode_seconds", predicted.decode},
          {"predicted_prefill_seconds", predicted.prefill},
          {"ranks", ranks}};
}

}  // namespace partita::cli
