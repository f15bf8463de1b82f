// SPDX-License-Identifier: Apache-2.0
// Properties of the cost formulas: monotone, and equal to a hand count on small cases.
#include <gtest/gtest.h>

#include "cost/collective_cost.h"
#include "cost/memory.h"
#include "cost/op_cost.h"

namespace partita::cost {
namespace {

const Device kDevice = {.memory_bytes = 1'000'000'000,
                        .reserve_bytes = 0,
                        .memory_bandwidth = 1e9,
                        .f32_flops = 1e10,
                        .bf16_flops = 4e10,
                        .launch_s = 1e-6};

using spec::ReshardKind;
constexpr ReshardKind kKinds[] = {ReshardKind::kSlice, ReshardKind::kAllGather,
                                  ReshardKind::kReduceScatter, ReshardKind::kAllReduce,
                                  ReshardKind::kAllToAll};

// More bytes, more ranks, a slower link: never cheaper. Total payload stays when the group grows.
TEST(CollectiveCost, IsMonotoneInBytesRanksAndLink) {
  for (const ReshardKind kind : kKinds) {
    for (const double latency : {1e-7, 1e-5, 1e-3}) {
      for (const double bandwidth : {1e8, 1e10, 1e12}) {
        for (int64_t group = 2; group <= 256; group *= 2) {
          for (double bytes = 1; bytes < 1e10; bytes *= 7) {
            const GroupLink link = {latency, bandwidth};
            const double seconds = collective_seconds(kind, group, {bytes, bytes}, link, kDevice);
            EXPECT_GT(seconds, 0);
            EXPECT_LE(seconds,
                      collective_seconds(kind, group, {bytes * 2, bytes * 2}, link, kDevice));
            EXPECT_LE(seconds, collective_seconds(kind, group * 2, {bytes, bytes}, link, kDevice));
            EXPECT_LE(seconds, collective_seconds(kind, group, {bytes, bytes},
                                                  {latency * 2, bandwidth}, kDevice));
            EXPECT_LE(seconds, collective_seconds(kind, group, {bytes, bytes},
                                                  {latency, bandwidth / 2}, kDevice));
          }
        }
      }
    }
  }
}

// An all-reduce is never dearer than the reduce-scatter and all-gather it stands for, and moves the
// same bytes; it saves a launch and a meeting of the ranks.
TEST(CollectiveCost, AllReduceSavesALaunchOverItsTwoHalves) {
  const GroupLink link = {1e-5, 1e9};
  const double bytes = 1e6;
  const double halves =
      collective_seconds(ReshardKind::kReduceScatter, 4, {bytes, bytes / 4}, link, kDevice) +
      collective_seconds(ReshardKind::kAllGather, 4, {bytes / 4, bytes}, link, kDevice);
  const double whole =
      collective_seconds(ReshardKind::kAllReduce, 4, {bytes, bytes}, link, kDevice);
  EXPECT_NEAR(halves - whole, kDevice.launch_s + link.latency_s, 1e-12);
}

TEST(PeakLiveBytes, CountsBothEndsOfALife) {
  const std::vector<LiveValue> values = {{0, 1, 10}, {1, 2, 5}, {2, 2, 7}};
  EXPECT_EQ(peak_live_bytes(values, 3), 15);
  EXPECT_EQ(peak_live_bytes({}, 0), 0);
}

TEST(LocalBytes, OfUnevenPiecesAndTheLargest) {
  const spec::Mesh mesh({{"tp", 3}});
  const ir::TensorType type = {DType::kBF16, {"t", 7}};
  spec::TensorSpec split = spec::TensorSpec::replicated(2);
  split.dims[1] = {{0}, {{0, 3}, {3, 5}, {5, 7}}};
  const ir::SymbolSizes symbols = {{"t", 10}};
  EXPECT_EQ(largest_local_bytes(type, split, symbols), 2 * 10 * 3);
  EXPECT_EQ(local_bytes(type, split, mesh, 2, symbols), 2 * 10 * 2);
  EXPECT_EQ(largest_local_bytes(type, spec::TensorSpec::replicated(2), symbols), 2 * 10 * 7);
}

class LinearWork : public testing::Test {
 protected:
  LinearWork()
      : notation_(spec::parse_notation("y[t,n] += x[t,k] * w[n,k]; map t n; sum k; linear x | w")) {
    const std::vector<std::vector<int64_t>> shapes = {{-1, 12}, {9, 12}};
    spec::bind(notation_, shapes, "linear");
  }

  Work work(const spec::Mesh& mesh, const std::vector<int>& axis_factor, int64_t tokens) const {
    const ir::SymbolSizes symbols = {{"t", tokens}};
    const ops::OpCall call = {"linear", attributes_, inputs_};
    const auto strategy = spec::make_strategy(notation_, mesh, axis_factor);
    return local_work({call, outputs_, notation_}, whole_work(call, symbols), strategy, symbols);
  }

  [[nodiscard]] int factor(std::string_view name) const {
    for (size_t i = 0; i < notation_.factors.size(); ++i) {
      if (notation_.factors[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }

  spec::Notation notation_;
  ir::Attributes attributes_;
  std::vector<ir::TensorType> inputs_ = {{DType::kF32, {"t", 12}}, {DType::kBF16, {9, 12}}};
  std::vector<ir::TensorType> outputs_ = {{DType::kF32, {"t", 9}}};
};

TEST_F(LinearWork, IsThatOfTheLargestPiece) {
  const spec::Mesh mesh({{"tp", 2}});
  const Work whole = work(mesh, {spec::Strategy::kNone}, 4);
  EXPECT_EQ(whole.flops, 2.0 * 4 * 9 * 12);
  EXPECT_EQ(whole.bytes, 4.0 * 4 * 12 + 2.0 * 9 * 12 + 4.0 * 4 * 9);
  EXPECT_EQ(whole.dtype, DType::kBF16);
  // 9 outputs over 2 ranks: 5 on the first; x is read whole.
  const Work split = work(mesh, {factor("n")}, 4);
  EXPECT_NEAR(split.flops, whole.flops * 5 / 9, 1e-9);
  EXPECT_EQ(split.bytes, 4.0 * 4 * 12 + 2.0 * 5 * 12 + 4.0 * 4 * 5);
}

TEST_F(LinearWork, MoreTokensNeverTakeLess) {
  const spec::Mesh mesh({{"tp", 3}});
  Profile profile;
  profile.device = kDevice;
  double before = 0;
  for (int64_t tokens = 1; tokens < 4096; tokens *= 2) {
    const double seconds = seconds_of(work(mesh, {factor("k")}, tokens), profile);
    EXPECT_GE(seconds, before);
    before = seconds;
  }
  EXPECT_GT(before, kDevice.launch_s);
}

}  // namespace
}  // namespace partita::cost
