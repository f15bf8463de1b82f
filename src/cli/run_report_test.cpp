// SPDX-License-Identifier: Apache-2.0
// The lines that a run ends with, also of ranks that were lost.
#include "cli/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

namespace partita::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

RankCost cost_of(int rank, int replica, int stage) {
  RankCost cost;
  cost.rank = rank;
  cost.replica = replica;
  cost.stage = stage;
  cost.pid = 100 + rank;
  cost.weight_bytes = 3 << 20;
  cost.kv_bytes = 2 << 20;
  cost.activation_bytes = 1 << 20;
  cost.bytes_read = 4 << 20;
  cost.peak_rss_bytes = 9 << 20;
  cost.load_seconds = 0.5;
  cost.busy_seconds = 1.5;
  cost.collectives = {{.kind = "all_reduce",
                       .calls = 7,
                       .payload_bytes = 4096,
                       .wire_bytes = 2048,
                       .seconds = 0.25,
                       .waiting_seconds = 0.125},
                      {.kind = "broadcast"}};
  return cost;
}

RankCost lost(int rank, int replica) {
  RankCost cost;
  cost.rank = rank;
  cost.replica = replica;
  cost.is_lost = true;
  return cost;
}

RunReport report_of(std::vector<RankCost> ranks) {
  RunReport report;
  report.start_seconds = 2;
  report.prefill_tokens = 10;
  report.prefill_seconds = 1;
  report.decode_tokens = 40;
  report.decode_steps = 20;
  report.decode_seconds = 2;
  report.ranks = std::move(ranks);
  return report;
}

// Without the heading, words with one space between them.
std::vector<std::string> rows_of(const std::string& text, const std::string& section) {
  std::istringstream lines(text.substr(text.find("--- " + section + "\n")));
  std::vector<std::string> rows;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && !line.empty()) {
    std::istringstream words(line);
    std::string row;
    for (std::string word; words >> word;) row += (row.empty() ? "" : " ") + word;
    rows.push_back(row);
  }
  return rows;
}

TEST(RunReport, EveryRankHasItsRows) {
  const std::string text =
      report_text(report_of({cost_of(0, 0, 0), cost_of(1, 0, 1)}), {.prefill = 1, .decode = 0.25});
  EXPECT_THAT(
      rows_of(text, "time"),
      ElementsAre("start 2.00 s", "prefill 10 tokens, measured 100.00 ms per token, 10.0 tokens/s",
                  "decode 40 tokens, measured 50.00 ms per token, 20.0 tokens/s; predicted "
                  "250.00 ms per step",
                  "busy rank 0 50.0 % rank 1 50.0 %"));
  // What was never called is not listed.
  EXPECT_THAT(rows_of(text, "collectives"),
              ElementsAre("rank collective calls payload sent time waiting",
                          "0 all_reduce 7 4.0 KiB 2.0 KiB 250.00 ms 125.00 ms",
                          "1 all_reduce 7 4.0 KiB 2.0 KiB 250.00 ms 125.00 ms"));
  EXPECT_THAT(rows_of(text, "memory"),
              ElementsAre("rank replica stage weights kv cache activations read peak RSS load",
                          "0 0 0 3.0 MiB 2.0 MiB 1.0 MiB 4.0 MiB 9.0 MiB 500.00 ms",
                          "1 0 1 3.0 MiB 2.0 MiB 1.0 MiB 4.0 MiB 9.0 MiB 500.00 ms"));
}

// Zeros would look as if they had been measured.
TEST(RunReport, LostRanksSayThatAndNothingElse) {
  const std::string text =
      report_text(report_of({lost(0, 0), lost(1, 0), cost_of(2, 1, 0), cost_of(3, 1, 1)}), {});
  EXPECT_EQ(rows_of(text, "time").back(),
            "busy rank 0 lost rank 1 lost rank 2 50.0 % rank 3 50.0 %");
  EXPECT_THAT(rows_of(text, "memory"),
              ElementsAre(HasSubstr("replica"), "0 0 lost", "1 0 lost",
                          "2 1 0 3.0 MiB 2.0 MiB 1.0 MiB 4.0 MiB 9.0 MiB 500.00 ms",
                          "3 1 1 3.0 MiB 2.0 MiB 1.0 MiB 4.0 MiB 9.0 MiB 500.00 ms"));
  EXPECT_THAT(
      rows_of(text, "collectives"),
      ElementsAre(HasSubstr("calls"), HasSubstr("2 all_reduce"), HasSubstr("3 all_reduce")));
}

TEST(RunReport, WhatWasNotDoneHasNoSpeed) {
  const std::string text = report_text({}, {});
  EXPECT_THAT(text, AllOf(HasSubstr("prefill  0 tokens, measured -\n"),
                          HasSubstr("decode   0 tokens, measured -;"), Not(HasSubstr("nan"))));
}

TEST(RunReport, JsonSaysWhichRanksAreLost) {
  const Json json =
      to_json(report_of({lost(0, 0), cost_of(1, 1, 0)}), {.prefill = 0.5, .decode = 0.25});
  EXPECT_EQ(json.at("predicted_prefill_seconds"), 0.5);
  EXPECT_EQ(json.at("predicted_decode_seconds"), 0.25);
  const Json& ranks = json.at("ranks");
  ASSERT_EQ(ranks.size(), 2U);
  EXPECT_EQ(ranks[0].at("is_lost"), true);
  EXPECT_EQ(ranks[0].at("replica"), 0);
  EXPECT_THAT(ranks[0].at("collectives"), IsEmpty());
  EXPECT_EQ(ranks[1].at("is_lost"), false);
  EXPECT_EQ(ranks[1].at("collectives")[0].at("waiting_seconds"), 0.125);
}

}  // namespace
}  // namespace partita::cli
