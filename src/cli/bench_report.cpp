// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_report.h"

#include <cstdio>

#include "support/json.h"
#include "support/units.h"

namespace partita::cli {
namespace {

Json to_json(const BenchLine& line) {
  return {{"case", line.name},
          {"median_s", line.seconds},
          {"best_s", line.best_seconds},
          {"spread", line.spread},
          {"bytes", line.bytes},
          {"operations", line.operations},
          {"limit", line.limit},
          {"ratio", line.ratio},
          {"placement", {line.placement_before, line.placement_after}},
          {"round_trip_ns", {line.round_trip_before_ns, line.round_trip_after_ns}}};
}

Json to_json(const BenchReport& report) {
  Json lines = Json::array();
  for (const BenchLine& line : report.lines) lines.push_back(to_json(line));
  return {{"bench", report.bench},
          {"threads", report.threads},
          {"instructions", report.instructions},
          {"busy_share", report.busy_share},
          {"is_quiet", report.is_quiet},
          {"read_gb_s", report.read_bytes_per_second / 1e9},
          {"f32_gop_s", report.f32_operations_per_second / 1e9},
          {"bf16_gop_s", report.bf16_operations_per_second / 1e9},
          {"int8_gop_s", report.int8_operations_per_second / 1e9},
          {"cases", lines}};
}

void print_line(const BenchLine& line) {
  std::fprintf(stderr, "%-24s %10s  +-%4.1f %%", line.name.c_str(),
               format_seconds(line.seconds).c_str(), 50 * line.spread);
  std::fprintf(stderr, " %7.1f GB/s %8.1f GOP/s", line.bytes / line.seconds / 1e9,
               line.operations / line.seconds / 1e9);
  if (!line.limit.empty()) std::fprintf(stderr, "  %.2f of %s", line.ratio, line.limit.c_str());
  std::fprintf(stderr, "  %s%s\n", line.placement_before.c_str(),
               line.is_placement_steady() ? "" : (" -> " + line.placement_after).c_str());
}

}  // namespace

void print_bench_report(const BenchReport& report) {
  std::fprintf(stderr,
               "%s, %d thread%s, %s: reads %.1f GB/s, computes f32 %.0f, bf16 %.0f, int8 %.0f "
               "GOP/s\n",
               report.bench.c_str(), report.threads, report.threads == 1 ? "" : "s",
               report.instructions.c_str(), report.read_bytes_per_second / 1e9,
               report.f32_operations_per_second / 1e9, report.bf16_operations_per_second / 1e9,
               report.int8_operations_per_second / 1e9);
  for (const BenchLine& line : report.lines) print_line(line);
  if (!report.is_quiet) {
    std::fprintf(stderr,
                 "warning: other programs used %.0f %% of the processors; measure again on a quiet "
                 "machine\n",
                 100 * report.busy_share);
  }
  std::printf("%s\n", to_json(report).dump().c_str());
  std::fflush(stdout);
}

}  // namespace partita::cli
