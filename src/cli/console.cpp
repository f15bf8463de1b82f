// SPDX-License-Identifier: Apache-2.0
#include "cli/console.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "support/units.h"

namespace partita::cli {
namespace {

constexpr int kBarWidth = 30;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string speed(int64_t tokens, double seconds) {
  if (tokens == 0 || seconds <= 0) return "-";
  char text[96];
  std::snprintf(text, sizeof(text), "%s per token, %.1f tokens/s",
                format_seconds(seconds / static_cast<double>(tokens)).c_str(),
                static_cast<double>(tokens) / seconds);
  return text;
}

void print_collectives(const RunReport& report) {
  std::printf("  %-5s %-15s %8s %12s %12s %10s %10s\n", "rank", "collective", "calls", "payload",
              "sent", "time", "waiting");
  for (const RankCost& rank : report.ranks) {
    for (const CollectiveCost& row : rank.collectives) {
      if (row.calls == 0) continue;
      std::printf("  %-5d %-15s %8ld %12s %12s %10s %10s\n", rank.rank, row.kind.c_str(),
                  static_cast<long>(row.calls), format_bytes(row.payload_bytes).c_str(),
                  format_bytes(row.wire_bytes).c_str(), format_seconds(row.seconds).c_str(),
                  format_seconds(row.waiting_seconds).c_str());
    }
  }
}

// What is missing to 100 % a rank has waited: for other stages, or for the frontend.
void print_busy(const RunReport& report) {
  const double seconds = report.prefill_seconds + report.decode_seconds;
  std::printf("  busy    ");
  for (const RankCost& rank : report.ranks) {
    if (rank.is_lost) {
      std::printf(" rank %d lost", rank.rank);
    } else {
      std::printf(" rank %d %.1f %%", rank.rank, 100 * rank.busy_seconds / std::max(seconds, 1e-9));
    }
  }
  std::printf("\n");
}

void print_memory(const RunReport& report) {
  std::printf("  %-5s %-8s %-6s %12s %12s %12s %12s %12s %10s\n", "rank", "replica", "stage",
              "weights", "kv cache", "activations", "read", "peak RSS", "load");
  for (const RankCost& rank : report.ranks) {
    if (rank.is_lost) {
      std::printf("  %-5d %-8d lost\n", rank.rank, rank.replica);
      continue;
    }
    std::printf("  %-5d %-8d %-6d %12s %12s %12s %12s %12s %10s\n", rank.rank, rank.replica,
                rank.stage, format_bytes(rank.weight_bytes).c_str(),
                format_bytes(rank.kv_bytes).c_str(), format_bytes(rank.activation_bytes).c_str(),
                format_bytes(rank.bytes_read).c_str(), format_bytes(rank.peak_rss_bytes).c_str(),
                format_seconds(rank.load_seconds).c_str());
  }
}

}  // namespace

ProgressBar::ProgressBar(bool enabled, const char* doing)
    : visible_(enabled && isatty(STDERR_FILENO) != 0), doing_(doing), started_(now_seconds()) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::update(int rank, int64_t bytes, int64_t total_bytes) {
  if (!visible_) return;
  ranks_[rank] = {bytes, total_bytes};
  int64_t loaded = 0;
  int64_t total = 0;
  for (const auto& [unused, counts] : ranks_) {
    loaded += counts.first;
    total += counts.second;
  }
  const double share = total > 0 ? static_cast<double>(loaded) / static_cast<double>(total) : 1;
  const int filled = static_cast<int>(share * kBarWidth);
  const double rate = static_cast<double>(loaded) / 1e9 / std::max(now_seconds() - started_, 1e-6);
  std::fprintf(stderr, "\r%s [%.*s%.*s] %3.0f%% %s, %.2f GB/s ", doing_, filled,
               "##############################", kBarWidth - filled,
               "..............................", share * 100, format_bytes(loaded).c_str(), rate);
  drawn_ = true;
}

void ProgressBar::clear() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
  drawn_ = false;
}

void print_summary(const Plan& plan, const RunReport& report) {
  std::printf("\n--- plan\n%s", plan.explain().c_str());
  std::printf("\n--- time\n");
  std::printf("  start    %s\n", format_seconds(report.start_seconds).c_str());
  std::printf("  prefill  %ld tokens, measured %s\n", static_cast<long>(report.prefill_tokens),
              speed(report.prefill_tokens, report.prefill_seconds).c_str());
  std::printf("  decode   %ld tokens, measured %s; predicted %s per step\n",
              static_cast<long>(report.decode_tokens),
              speed(report.decode_tokens, report.decode_seconds).c_str(),
              format_seconds(plan.predicted_decode_seconds()).c_str());
  print_busy(report);
  std::printf("\n--- collectives\n");
  print_collectives(report);
  std::printf("\n--- memory\n");
  print_memory(report);
}

Json to_json(const RunReport& report, const Plan& plan) {
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
          {"predicted_decode_seconds", plan.predicted_decode_seconds()},
          {"predicted_prefill_seconds", plan.predicted_prefill_seconds()},
          {"ranks", ranks}};
}

}  // namespace partita::cli
