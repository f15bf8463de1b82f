// SPDX-License-Identifier: Apache-2.0
// Reading ahead: every byte arrives, in parts where weights are large, and errors come out where
// they belong.
#include "runtime/weight_stream.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>

#include "support/error.h"

namespace partita::runtime {
namespace {

ir::Value weight_of(const std::string& name, int64_t rows, int64_t width) {
  ir::Value weight;
  weight.name = name;
  weight.type = {DType::kF32, {rows, width}};
  weight.kind = ir::ValueKind::kWeight;
  weight.source = ir::WeightSource::from_tensor(name);
  return weight;
}

// Element i of row r is 1000 r + i, from the rows that the source names.
void read_numbers(const ir::Value& weight, std::byte* to) {
  const bool is_part = weight.source.kind == ir::WeightSource::Kind::kSlice;
  const int64_t first = is_part ? weight.source.range.begin : 0;
  const std::vector<int64_t> shape = weight.type.shape();
  auto* values = reinterpret_cast<float*>(to);
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t i = 0; i < shape[1]; ++i) *values++ = static_cast<float>(1000 * (first + row) + i);
  }
}

class Stream : public testing::TestWithParam<int> {};

TEST_P(Stream, EveryRowOfLargeAndSmallWeightsArrives) {
  std::atomic<int> parts = 0;
  const WeightReader read = [&](const ir::Value& weight, std::byte* to) {
    ++parts;
    read_numbers(weight, to);
  };
  std::vector<ir::Value> weights;
  std::vector<std::vector<float>> data;
  for (int i = 0; i < 6; ++i) {
    const int64_t rows = i % 2 == 0 ? 3000 : 3;  // 11.4 MiB, or one part
    weights.push_back(weight_of(str("w", i), rows, 999));
    data.emplace_back(static_cast<size_t>(rows * 999), -1.0F);
  }
  WeightStream stream(read, GetParam());
  for (size_t i = 0; i < weights.size(); ++i) {
    stream.add(weights[i], reinterpret_cast<std::byte*>(data[i].data()));
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    stream.wait();
    std::vector<float> expected(data[i].size());
    read_numbers(weights[i], reinterpret_cast<std::byte*>(expected.data()));
    EXPECT_EQ(data[i], expected) << i;
  }
  EXPECT_EQ(parts, 3 * 3 + 3);
}

TEST_P(Stream, AnErrorComesOutOfTheWaitForItsWeight) {
  const WeightReader read = [](const ir::Value& weight, std::byte*) {
    if (weight.name == "bad") throw Error(ErrorCode::kInvalidFile, "broken");
  };
  const ir::Value good = weight_of("good", 2, 2);
  const ir::Value bad = weight_of("bad", 3000, 999);
  std::vector<std::byte> to(static_cast<size_t>(bad.type.bytes()));
  WeightStream stream(read, GetParam());
  stream.add(good, to.data());
  stream.add(bad, to.data());
  stream.add(good, to.data());
  stream.wait();
  EXPECT_THROW(stream.wait(), Error);
  stream.wait();
}

TEST_P(Stream, MayBeLeftBeforeAllIsRead) {
  const WeightReader read = read_numbers;
  const ir::Value weight = weight_of("w", 3000, 999);
  std::vector<std::byte> to(static_cast<size_t>(weight.type.bytes()));
  WeightStream stream(read, GetParam());
  stream.add(weight, to.data());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// With as much address space as a few more threads take, most of them cannot start.
TEST(WeightStream, GoesOnWithTheThreadsThatTheSystemGives) {
  const WeightReader read = read_numbers;
  const ir::Value weight = weight_of("w", 3000, 999);
  std::vector<float> data(3000 * 999);
  std::vector<float> expected(data.size());
  read_numbers(weight, reinterpret_cast<std::byte*>(expected.data()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(pages * getpagesize() + (int64_t{256} << 20));
  ASSERT_EQ(setrlimit(RLIMIT_AS, &tight), 0);
  {
    WeightStream stream(read, 1000);
    stream.add(weight, reinterpret_cast<std::byte*>(data.data()));
    stream.wait();
  }
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(data, expected);
}
#endif

INSTANTIATE_TEST_SUITE_P(Threads, Stream, testing::Values(0, 1, 4));

}  // namespace
}  // namespace partita::runtime
