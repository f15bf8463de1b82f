// SPDX-License-Identifier: Apache-2.0
#include "cli/candidate_table.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace partita::cli {
namespace {

constexpr double kBytesPerGb = 1e9;

std::string note_of(const PlanCandidate& candidate) {
  if (!candidate.fits) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "does not fit: %.1f GB too much",
                  static_cast<double>(candidate.rank_bytes - candidate.limit_bytes) / kBytesPerGb);
    return text.data();
  }
  return candidate.keeps_up ? "" : "falls behind the arrivals";
}

std::string line_of(const PlanCandidate& candidate, int mesh_width) {
  std::array<char, 256> text{};
  const char* mark = candidate.is_chosen ? ">" : " ";
  const char* pareto = candidate.is_pareto ? "*" : " ";
  std::snprintf(text.data(), text.size(), "%s%s %-*s %11.3f %11.3f %11.3f %12.1f %9.2f %12lld  ",
                mark, pareto, mesh_width, candidate.mesh.empty() ? "1" : candidate.mesh.c_str(),
                candidate.decode_seconds * 1e3, candidate.prefill_seconds * 1e3,
                candidate.request_seconds * 1e3, candidate.tokens_per_second,
                static_cast<double>(candidate.rank_bytes) / kBytesPerGb,
                static_cast<long long>(candidate.kv_tokens));
  std::string line = text.data() + note_of(candidate);
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string candidate_table(const Plan& plan) {
  size_t width = 4;
  for (const PlanCandidate& candidate : plan.candidates()) {
    width = std::max(width, candidate.mesh.size());
  }
  std::array<char, 256> heading{};
  std::snprintf(heading.data(), heading.size(), "   %-*s %11s %11s %11s %12s %9s %12s\n",
                static_cast<int>(width), "mesh", "decode ms", "prefill ms", "request ms",
                "tokens/s", "rank GB", "KV tokens");
  std::string table = heading.data();
  for (const PlanCandidate& candidate : plan.candidates()) {
    table += line_of(candidate, static_cast<int>(width));
  }
  return table + ">  chosen   *  no other is as good in latency, throughput and memory\n";
}

}  // namespace partita::cli
