// SPDX-License-Identifier: Apache-2.0
// Properties of the cost formulas: monotone, and equal to a hand count on small cases.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

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
constexpr ReshardKind kKinds[] = {ReshardKind::kSlice,         ReshardKind::kAllGather,
                                  ReshardKind::kReduceScatter, ReshardKind::kAllReduce,
                                  ReshardKind::kAllToAll,      ReshardKind::kPermute,
                                  ReshardKind::kTerm};

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

// Measured points as a noisy machine gives them: they fall here and there.
Profile noisy_profile(uint32_t seed) {
  std::mt19937 random(seed);
  const auto noise = [&] { return 0.5 + static_cast<double>(random() % 1000) / 1000; };
  Profile profile;
  profile.device = kDevice;
  profile.links = {{"*", 1e-5, 1e9}};
  for (const CollectiveKind kind :
       {CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter,
        CollectiveKind::kAllToAll, CollectiveKind::kSend}) {
    for (const int64_t ranks : {2, 3, 8}) {
      CollectiveTable table = {kind, "shm", "*", ranks, {}};
      for (int64_t bytes = 1024; bytes <= (4 << 20); bytes *= 4) {
        table.points.push_back({bytes, noise() * (1e-6 + static_cast<double>(bytes) * 1e-9)});
      }
      profile.collectives.push_back(table);
    }
  }
  return profile;
}

TEST(CollectiveTables, AreMonotoneInBytesAndGroupWhateverWasMeasured) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const Profile profile = noisy_profile(seed);
    const std::vector<int> axes = {0};
    const auto seconds = [&](ReshardKind kind, int64_t group, double bytes) {
      const spec::Mesh mesh({{"tp", group}});
      return collective_seconds(profile, mesh, {kind, axes, {bytes, bytes}});
    };
    for (const ReshardKind kind : kKinds) {
      for (int64_t group = 2; group <= 20; ++group) {
        for (double bytes = 1; bytes < 1e9; bytes *= 1.7) {
          const double now = seconds(kind, group, bytes);
          EXPECT_GT(now, 0);
          EXPECT_LE(now, seconds(kind, group, bytes * 1.3) * (1 + 1e-12));
          EXPECT_LE(now, seconds(kind, group + 1, bytes) * (1 + 1e-12));
        }
      }
    }
    for (double bytes = 1; bytes < 1e9; bytes *= 1.7) {
      EXPECT_LE(transfer_seconds(bytes, profile, "pp"),
                transfer_seconds(bytes * 1.3, profile, "pp") * (1 + 1e-12));
    }
  }
}

TEST(CollectiveTables, PointsAreHitAndTheLastSlopeGoesOn) {
  Profile profile;
  profile.device = kDevice;
  profile.links = {{"*", 1e-5, 1e9}};
  profile.collectives = {
      {CollectiveKind::kAllReduce, "shm", "*", 2, {{1000, 1e-6}, {100'000, 1e-5}}},
      {CollectiveKind::kAllReduce, "mpi", "*", 2, {{1000, 1e-3}}},
      {CollectiveKind::kAllGather, "shm", "tp", 2, {{1000, 2e-6}}}};
  const spec::Mesh mesh({{"tp", 2}, {"pp", 2}});
  const std::vector<int> tp = {0};
  const std::vector<int> both = {0, 1};
  const auto all_reduce = [&](double bytes) {
    return collective_seconds(profile, mesh, {ReshardKind::kAllReduce, tp, {bytes, bytes}});
  };
  EXPECT_DOUBLE_EQ(all_reduce(10), 1e-6);
  EXPECT_DOUBLE_EQ(all_reduce(1000), 1e-6);
  // Half way between on both logarithmic scales.
  EXPECT_NEAR(all_reduce(10'000), std::sqrt(1e-6 * 1e-5), 1e-12);
  EXPECT_DOUBLE_EQ(all_reduce(100'000), 1e-5);
  EXPECT_NEAR(all_reduce(199'000), 1e-5 + 9e-6, 1e-12);
  // The table of axis tp says nothing about a group over both axes: the formula serves.
  const Payload payload = {250, 1000};
  EXPECT_DOUBLE_EQ(collective_seconds(profile, mesh, {ReshardKind::kAllGather, tp, payload}), 2e-6);
  EXPECT_DOUBLE_EQ(collective_seconds(profile, mesh, {ReshardKind::kAllGather, both, payload}),
                   collective_seconds(ReshardKind::kAllGather, 4, payload, {1e-5, 1e9}, kDevice));
}

Device device_with_tables() {
  Device device = kDevice;
  device.shared_bandwidth = {{1, 1e9}, {2, 0.6e9}};
  device.caches = {{1'000'000, 100e9}, {30'000'000, 20e9}};
  device.kernels = {{"linear", DType::kF32, 1, 2e-6, {{1, 1e9}, {16, 10e9}, {64, 19e9}}},
                    {"linear", DType::kF32, 2, 3e-6, {{1, 0.5e9}, {16, 7e9}}}};
  return device;
}

TEST(OpCost, ActivationsAreChargedTheCacheThatHoldsThem) {
  const Device device = device_with_tables();
  Work work = {.flops = 0, .bytes = 900'000, .activation_bytes = 900'000};
  EXPECT_NEAR(seconds_of(work, device), 9e5 / 100e9 + device.launch_s, 1e-15);
  work.bytes = work.activation_bytes = 9e6;
  EXPECT_NEAR(seconds_of(work, device), 9e6 / 20e9 + device.launch_s, 1e-15);
  work.bytes = work.activation_bytes = 9e7;
  EXPECT_NEAR(seconds_of(work, device), 9e7 / 1e9 + device.launch_s, 1e-15);
  // Weights come from memory, unless all that the rank reads in a step fits in a cache.
  work.bytes = 900'000;
  work.activation_bytes = 0;
  EXPECT_NEAR(seconds_of(work, device), 9e5 / 1e9 + device.launch_s, 1e-15);
  EXPECT_NEAR(seconds_of(work, device, {2, 1e8}), 9e5 / 0.6e9 + device.launch_s, 1e-15);
  EXPECT_NEAR(seconds_of(work, device, {2, 2e7}), 9e5 / 20e9 + device.launch_s, 1e-15);
  // Four ranks share what two had.
  EXPECT_NEAR(seconds_of(work, device, {4, 1e8}), 9e5 / 0.3e9 + device.launch_s, 1e-15);
}

TEST(OpCost, MeasuredRatesCountByRowsAndRanksAtOnce) {
  const Device device = device_with_tables();
  Work work = {.flops = 2e6, .op = "linear", .rows = 1};
  EXPECT_NEAR(seconds_of(work, device), 2e6 / 1e9 + 2e-6, 1e-12);
  EXPECT_NEAR(seconds_of(work, device, {2, 0}), 2e6 / 0.5e9 + 3e-6, 1e-12);
  EXPECT_NEAR(seconds_of(work, device, {7, 0}), 2e6 / 0.5e9 + 3e-6, 1e-12);
  work.rows = 16;
  EXPECT_NEAR(seconds_of(work, device), 2e6 / 10e9 + 2e-6, 1e-12);
  work.rows = 1000;  // the rate of the last point
  EXPECT_NEAR(seconds_of(work, device), 2e6 / 19e9 + 2e-6, 1e-12);
  work.op = "matmul";  // not measured
  EXPECT_NEAR(seconds_of(work, device), 2e6 / 1e10 + 1e-6, 1e-12);
}

TEST(OpCost, AViewOfItsInputStartsNothing) {
  const ir::TensorType input = {DType::kF32, {4, 6}};
  ir::Attributes attributes;
  attributes.set("shape", std::vector<int64_t>{2, 12});
  EXPECT_EQ(seconds_of(whole_work({"reshape", attributes, {&input, 1}}, {}), kDevice), 0);
  ir::Attributes none;
  EXPECT_GT(seconds_of(whole_work({"silu", none, {&input, 1}}, {}), kDevice), kDevice.launch_s);
}

TEST(OpCost, MoreRowsOrBytesNeverTakeLessWhateverWasMeasured) {
  std::mt19937 random(5);
  const auto noise = [&] { return 0.2 + static_cast<double>(random() % 1000) / 500; };
  for (int trial = 0; trial < 50; ++trial) {
    Device device = kDevice;
    KernelRates rates = {"linear", DType::kF32, 1, {}, {}};
    for (int64_t rows = 1; rows <= 512; rows *= 4) rates.points.push_back({rows, 1e9 * noise()});
    device.kernels = {rates};
    device.caches = {{1000, 1e10 * noise()}, {100'000, 3e9 * noise()}, {1'000'000, 1e9 * noise()}};
    device.shared_bandwidth = {{1, 1e9 * noise()}, {2, 1e9 * noise()}, {4, 1e9 * noise()}};
    double before = 0;
    for (int64_t rows = 1; rows < 3000; rows += 1 + rows / 3) {
      const Work work = {.flops = 1e5 * static_cast<double>(rows),
                         .op = "linear",
                         .rows = static_cast<double>(rows)};
      EXPECT_GE(seconds_of(work, device), before * (1 - 1e-12));
      before = seconds_of(work, device);
    }
    before = 0;
    for (double bytes = 1; bytes < 1e8; bytes *= 1.3) {
      const Work work = {.bytes = bytes, .activation_bytes = bytes};
      EXPECT_GE(seconds_of(work, device), before);
      before = seconds_of(work, device);
      for (int64_t ranks = 1; ranks < 10; ++ranks) {
        EXPECT_GE(bandwidth_for(device, bytes, ranks), bandwidth_for(device, bytes, ranks + 1));
      }
    }
  }
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

TEST(LocalBytes, OfBlocks) {
  const spec::Mesh mesh({{"tp", 2}});
  const ir::TensorType type = {DType::kQ8_0, {5, 96}};
  spec::TensorSpec split = spec::TensorSpec::replicated(2);
  split.dims[1] = {{0}, {{0, 64}, {64, 96}}};
  EXPECT_EQ(largest_local_bytes(type, split, {}), 5 * 2 * 34);
  EXPECT_EQ(local_bytes(type, split, mesh, 1, {}), 5 * 34);
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

// One decoded token of 4 heads of 8, 32 positions behind it, over a KV cache of `dtype`.
Work attention_work(DType dtype) {
  const ir::TensorType row = {DType::kF32, {1, 4, 8}};
  const ir::TensorType index = {DType::kI32, {1}};
  const std::vector<ir::TensorType> inputs = {row,
                                              row,
                                              row,
                                              {dtype, {4, 2, 8, 16}},
                                              {dtype, {4, 2, 16, 8}},
                                              index,
                                              index,
                                              {DType::kI32, {1, 2}}};
  ir::Attributes attributes;
  attributes.set("scale", 0.5);
  return whole_work({"attention", attributes, inputs}, {});
}

TEST(AttentionWork, ReadsTheBytesOfItsCache) {
  const Work f32 = attention_work(DType::kF32);
  const double positions = 1 + 32;  // one is written, all are read
  EXPECT_EQ(f32.bytes, 4 * 4 * 4.0 * 8 + 2 * positions * 4 * 8 * 4);
  for (const DType half : {DType::kBF16, DType::kF16}) {
    const Work work = attention_work(half);
    EXPECT_EQ(work.dtype, half);
    EXPECT_EQ(f32.bytes - work.bytes, 2 * positions * 4 * 8 * 2) << to_string(half);
    EXPECT_EQ(work.flops, f32.flops);
  }
}

TEST(AttentionWork, IsPricedByTheTableOfItsCache) {
  Device device = kDevice;
  const auto add = [&](DType dtype, double rate) {
    device.kernels.push_back({"attention", dtype, 1, 0.0, {{1, rate}}});
  };
  const auto rate = [&](DType dtype) {
    const Work work = attention_work(dtype);
    return work.flops / compute_seconds(work, device, 1);
  };
  add(DType::kF32, 1e9);
  add(DType::kBF16, 2e9);
  EXPECT_DOUBLE_EQ(rate(DType::kF32), 1e9);
  EXPECT_DOUBLE_EQ(rate(DType::kBF16), 2e9);
  EXPECT_DOUBLE_EQ(rate(DType::kF16), 2e9);  // not measured: as bf16
  add(DType::kF16, 3e9);
  EXPECT_DOUBLE_EQ(rate(DType::kF16), 3e9);
  EXPECT_DOUBLE_EQ(rate(DType::kBF16), 2e9);
}

TEST_F(LinearWork, MoreTokensNeverTakeLess) {
  const spec::Mesh mesh({{"tp", 3}});
  double before = 0;
  for (int64_t tokens = 1; tokens < 4096; tokens *= 2) {
    const double seconds = seconds_of(work(mesh, {factor("k")}, tokens), kDevice);
    EXPECT_GE(seconds, before);
    before = seconds;
  }
  EXPECT_GT(before, kDevice.launch_s);
}

}  // namespace
}  // namespace partita::cost
