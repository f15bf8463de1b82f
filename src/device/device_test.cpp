// SPDX-License-Identifier: Apache-2.0
// Host memory as a device, core binding, and the missing CUDA device.
#include "device/device.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

#include "device/cpu/affinity.h"
#include "device/cpu/cpu_device.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita::device {
namespace {

uintptr_t misalignment(const Buffer& buffer, int64_t alignment) {
  return reinterpret_cast<uintptr_t>(buffer.data()) % static_cast<uintptr_t>(alignment);
}

TEST(CpuDevice, AlignsSmallBuffersToACacheLineAndLargeOnesToAHugePage) {
  const auto device = make_cpu_device();
  for (const int64_t bytes : {int64_t{0}, int64_t{1}, int64_t{1000}}) {
    const Buffer buffer = device->allocate(bytes);
    EXPECT_EQ(buffer.bytes(), bytes);
    ASSERT_NE(buffer.data(), nullptr);
    EXPECT_EQ(misalignment(buffer, kCacheLineBytes), 0U);
  }
  EXPECT_EQ(misalignment(device->allocate(kHugePageBytes + 1), kHugePageBytes), 0U);
}

TEST(CpuDevice, CopiesBytes) {
  const auto device = make_cpu_device();
  const std::vector<int> values = {1, 2, 3};
  const Buffer buffer = device->allocate(3 * sizeof(int));
  std::vector<int> back(3);
  device->copy(buffer.data(), values.data(), buffer.bytes());
  device->copy(back.data(), buffer.data(), buffer.bytes());
  device->synchronize();
  EXPECT_EQ(back, values);
}

TEST(CpuDevice, KnowsItsNameAndMemory) {
  const auto device = make_cpu_device();
  EXPECT_EQ(to_string(device->kind()), "cpu");
  EXPECT_FALSE(device->name().empty());
  EXPECT_GT(device->memory_bytes(), int64_t{1} << 20);
}

TEST(CpuDevice, RefusesMoreThanTheHostHas) {
  const auto device = make_cpu_device();
  for (const int64_t bytes : {int64_t{1} << 60, std::numeric_limits<int64_t>::max()}) {
    try {
      (void)device->allocate(bytes);
      FAIL() << bytes;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    }
  }
}

TEST(Buffer, MovesItsMemory) {
  const auto device = make_cpu_device();
  Buffer first = device->allocate(8);
  const std::byte* data = first.data();
  Buffer second = std::move(first);
  EXPECT_EQ(second.data(), data);
  second = device->allocate(16);
  EXPECT_EQ(second.bytes(), 16);
}

TEST(Cuda, SaysThatItWasNotBuilt) {
  if (cuda_built()) GTEST_SKIP() << "built with CUDA";
  try {
    (void)make_cuda_device(0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("CUDA"), std::string::npos);
  }
}

TEST(Affinity, BindsToEachAllowedCoreAndReadsItBack) {
  const std::vector<int> cores = allowed_cores();
  ASSERT_EQ(usable_cores(), static_cast<int>(cores.size()));
  for (size_t index = 0; index < cores.size(); ++index) {
    std::thread([&] {
      EXPECT_EQ(bind_to_core(static_cast<int>(index)), cores[index]);
      EXPECT_EQ(allowed_cores(), std::vector<int>{cores[index]});
      bind_to_cores(cores);
      EXPECT_EQ(allowed_cores(), cores);
    }).join();
  }
}

TEST(Affinity, RefusesACoreThatIsNotThere) {
  EXPECT_THROW(bind_to_core(usable_cores()), Error);
  EXPECT_THROW(bind_to_core(-1), Error);
  EXPECT_THROW(bind_to_cores({}), Error);
}

TEST(Placement, FollowsTheRoundTrip) {
  EXPECT_EQ(placement_of(0), Placement::kOneCore);
  EXPECT_EQ(placement_of(50), Placement::kSiblings);
  EXPECT_EQ(placement_of(115), Placement::kSharedCache);
  EXPECT_EQ(placement_of(530), Placement::kFarApart);
  EXPECT_EQ(placement_of(round_trip_ns()) == Placement::kOneCore, usable_cores() < 2);
}

}  // namespace
}  // namespace partita::device
