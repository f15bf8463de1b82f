// SPDX-License-Identifier: Apache-2.0
// Measuring this machine: no test here depends on how fast it is.
// ctest-label: slow
#include "partita/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "api/calibrate/host_state.h"
#include "api/calibrate/kernel_cases.h"
#include "api/calibrate/measure_collectives.h"
#include "api/calibrate/measure_profile.h"
#include "api/calibrate/rank_team.h"
#include "cost/op_cost.h"
#include "device/cpu/placement.h"
#include "formats/test_directory.h"
#include "support/error.h"

namespace partita::api {
namespace {

TEST(KernelCases, CountOperationsAsTheOperatorsDeclareThem) {
  bool has_attention = false;
  for (const KernelCase& given : kernel_cases(false)) {
    ASSERT_FALSE(given.runs.empty()) << given.op;
    for (size_t run = 0; run < given.runs.size(); ++run) EXPECT_GT(given.flops(run), 0) << given.op;
    if (given.op != "attention" || given.size == KernelCase::Size::kEmpty) continue;
    has_attention = true;
    // 8 heads of 64 see 512 positions; 512 tokens see 256 positions on average.
    EXPECT_EQ(given.flops(0), 4.0 * 8 * 64 * 512);
    EXPECT_EQ(given.flops(1), 4.0 * 512 * 8 * 64 * 256);
  }
  EXPECT_TRUE(has_attention);
}

TEST(KernelCases, RowsOfExpertsAreTokensPerExpert) {
  int cases = 0;
  for (const KernelCase& given : kernel_cases(true)) {
    if (given.op != "experts" || given.size != KernelCase::Size::kMiddle) continue;
    ++cases;
    // One expert of 2048 x f: gate, up and down, and 4 operations per element inside.
    const double per_row = given.flops(0);
    for (size_t run = 0; run < given.runs.size(); ++run) {
      EXPECT_DOUBLE_EQ(given.flops(run), per_row * static_cast<double>(given.runs[run].rows));
    }
  }
  EXPECT_EQ(cases, 4);
}

TEST(RankTeam, RunsAllRanksAtOnceAndReportsTheFirstError) {
  std::atomic<int> arrived{0};
  run_as_ranks({4, 3}, [&](int, StartLine& line) {
    for (int round = 0; round < 5; ++round) {
      arrived.fetch_add(1);
      line.wait();
      EXPECT_EQ(arrived.load() / 3, round + 1);
      line.wait();
    }
  });
  EXPECT_EQ(arrived.load(), 15);
  EXPECT_THROW(run_as_ranks({2, 1}, [](int, StartLine&) { throw Error(ErrorCode::kSystem, "no"); }),
               Error);
}

TEST(RankTeam, LowerQuartile) {
  EXPECT_EQ(lower_quartile({3}), 3);
  EXPECT_EQ(lower_quartile({9, 1, 2, 8}), 2);
}

TEST(HostState, IsWithinItsRange) {
  EXPECT_GE(busy_share(), 0);
  EXPECT_LE(busy_share(), 1);
  EXPECT_GE(device::round_trip_ns(), 0);
  EXPECT_GT(host_memory_bytes(), 1 << 26);
}

class MeasuredProfile : public testing::Test {
 protected:
  static void SetUpTestSuite() { profile_ = new cost::Profile(measure_profile(2, true)); }
  static void TearDownTestSuite() { delete profile_; }
  static cost::Profile* profile_;
};
cost::Profile* MeasuredProfile::profile_ = nullptr;

TEST_F(MeasuredProfile, HasEveryTable) {
  const cost::Device& device = profile_->device;
  EXPECT_GT(device.memory_bandwidth, 0);
  EXPECT_GT(device.f32_flops, 0);
  ASSERT_EQ(device.shared_bandwidth.size(), 2);
  EXPECT_EQ(device.shared_bandwidth[1].ranks, 2);
  const auto has = [&](const char* op, DType dtype, int64_t ranks) {
    return std::any_of(device.kernels.begin(), device.kernels.end(), [&](const auto& rates) {
      return rates.op == op && rates.dtype == dtype && rates.ranks == ranks && rates.launch_s;
    });
  };
  for (const char* op : {"linear", "experts", "router", "matmul", "conv2d", "attention", "rope",
                         "rms_norm", "silu", "gated", "add", "top_k"}) {
    EXPECT_TRUE(has(op, DType::kF32, 1)) << op;
    EXPECT_TRUE(has(op, DType::kF32, 2)) << op;
  }
  for (const DType dtype : {DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    for (const char* op : {"linear", "experts"}) {
      EXPECT_TRUE(has(op, dtype, 1)) << op << " " << to_string(dtype);
      EXPECT_TRUE(has(op, dtype, 2)) << op << " " << to_string(dtype);
    }
  }
  for (const char* op : {"router", "matmul", "attention"}) EXPECT_TRUE(has(op, DType::kBF16, 1));
  EXPECT_TRUE(has("attention", DType::kF16, 1));
  ASSERT_EQ(profile_->collectives.size(), 6);
  for (const cost::CollectiveTable& table : profile_->collectives) {
    EXPECT_EQ(table.points.size(), measured_payloads(true).size());
    EXPECT_EQ(table.transport, &table == &profile_->collectives.back() ? "shm-bf16" : "shm");
  }
}

TEST_F(MeasuredProfile, SurvivesAFile) {
  EXPECT_EQ(cost::parse_profile(to_toml(*profile_), "again"), *profile_);
}

TEST_F(MeasuredProfile, PricesMoreWorkNoLower) {
  double before = 0;
  for (int64_t rows = 1; rows <= 1024; rows *= 2) {
    const cost::Work work = {.flops = 1e6 * static_cast<double>(rows),
                             .op = "linear",
                             .rows = static_cast<double>(rows)};
    EXPECT_GE(cost::seconds_of(work, profile_->device, {2, 0}), before);
    before = cost::seconds_of(work, profile_->device, {2, 0});
  }
}

// Tables are read as for linear: log-log between points, and no lower for more tokens.
TEST_F(MeasuredProfile, PricesMoreTokensPerExpertNoLower) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    double before = 0;
    for (double rows = 1; rows <= 1024; rows *= 1.5) {
      const cost::Work work = {.flops = 1e6 * rows, .dtype = dtype, .op = "experts", .rows = rows};
      const double seconds = cost::seconds_of(work, profile_->device, {2, 0});
      EXPECT_GE(seconds, before * (1 - 1e-12)) << rows;
      before = seconds;
    }
  }
}

TEST(Calibrate, WritesTheProfileThatItDescribes) {
  const formats::TestDirectory folder;
  const auto file = folder.path() / "machine.toml";
  const auto results =
      calibrate({.ranks = {1}, .transports = {"shm"}, .is_quick = true, .output = file});
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results[0].file, file);
  EXPECT_EQ(cost::load_profile(file).id(), results[0].profile_id);
  EXPECT_THAT(results[0].summary, testing::HasSubstr("attention"));
}

TEST(Calibrate, RefusesWhatCannotBeMeasured) {
  EXPECT_THROW((void)calibrate({.ranks = {}, .transports = {"shm"}, .output = {}}), Error);
  EXPECT_THROW((void)calibrate({.ranks = {0}, .transports = {"shm"}, .output = "/tmp/x"}), Error);
  EXPECT_THROW((void)calibrate({.ranks = {1}, .transports = {"smoke"}, .output = {}}), Error);
  EXPECT_THROW((void)calibrate({.ranks = {1, 2}, .transports = {"shm"}, .output = "x"}), Error);
}

}  // namespace
}  // namespace partita::api
