// SPDX-License-Identifier: Apache-2.0
// Communicator suite: all_reduce and reduce_scatter.
#include <algorithm>
#include <array>
#include <cstring>

#include "comm_suite.h"
#include "comm_suite_values.h"

namespace partita::comm {
namespace {

constexpr std::array kDTypes = {DType::kF32, DType::kBF16, DType::kF16, DType::kI32, DType::kI64,
                                DType::kF64, DType::kU8,   DType::kI8,  DType::kI16};
constexpr std::array kReduceKinds = {ReduceKind::kSum, ReduceKind::kProd, ReduceKind::kMin,
                                     ReduceKind::kMax, ReduceKind::kAvg};
// More than a slot of shared memory, and more than goes in one step over MPI.
constexpr int64_t kLargeCount = 100'003;

void check_all_reduce(
    Communicator& world, int64_t count, DType dtype, ReduceKind kind, bool in_place) {
  Values in = pattern(dtype, count, world.rank());
  Values out(dtype, in_place ? 0 : count);
  Values& result = in_place ? in : out;
  world.all_reduce(in.data(), result.data(), count, dtype, kind);
  expect(result == reduced_pattern(dtype, count, world.size(), kind),
         str("all_reduce ", to_string(kind), " of ", count, " ", to_string(dtype),
             in_place ? " in place" : "", " is wrong"));
}

void all_reduce_of_every_type_and_kind(Communicator& world) {
  for (const DType dtype : kDTypes) {
    for (const ReduceKind kind : kReduceKinds) {
      for (const int64_t count : {0, 1, 7, 1000}) {
        check_all_reduce(world, count, dtype, kind, count == 7);
      }
    }
  }
}

void all_reduce_of_large_tensors(Communicator& world) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kI32, DType::kI64}) {
    check_all_reduce(world, kLargeCount, dtype, ReduceKind::kSum, dtype == DType::kF32);
  }
}

void average_of_rank_times_ones(Communicator& world) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kF64}) {
    Values values(dtype, 4);
    for (int64_t i = 0; i < 4; ++i) values.set(i, world.rank());
    world.all_reduce(values.data(), values.data(), 4, dtype, ReduceKind::kAvg);
    const double expected = (world.size() - 1) / 2.0;  // 0.5 on two ranks
    expect(values.get(3) == expected, str("average is ", values.get(3)));
  }
}

void booleans_reduce_by_max_and_min_only(Communicator& world) {
  Values values(DType::kBool, 2);
  values.set(0, world.rank() == 0 ? 1 : 0);
  world.all_reduce(values.data(), values.data(), 2, DType::kBool, ReduceKind::kMax);
  expect(values.get(0) == 1 && values.get(1) == 0, "or of bool");
  expect_error(ErrorCode::kUnsupported, [&] {
    world.all_reduce(values.data(), values.data(), 2, DType::kBool, ReduceKind::kSum);
  });
}

// The sum must be that of adding rank by rank, for small and for large tensors, each time.
void sums_have_the_bits_of_a_serial_sum_on_every_rank_and_run(Communicator& world) {
  for (const int64_t count : {int64_t{1000}, kLargeCount}) {
    std::vector<float> serial = rough_numbers(count, 0);
    for (int rank = 1; rank < world.size(); ++rank) {
      const std::vector<float> next = rough_numbers(count, rank);
      for (size_t i = 0; i < serial.size(); ++i) serial[i] += next[i];
    }
    const std::vector<float> in = rough_numbers(count, world.rank());
    std::vector<float> out(in.size());
    for (int run = 0; run < 5; ++run) {
      std::fill(out.begin(), out.end(), 0.0F);
      world.all_reduce(in.data(), out.data(), count, DType::kF32, ReduceKind::kSum);
      expect(std::memcmp(out.data(), serial.data(), out.size() * sizeof(float)) == 0,
             str("sum of ", count, " differs from the serial sum in run ", run));
    }
  }
}

void check_reduce_scatter(Communicator& world,
                          const std::vector<int64_t>& counts,
                          DType dtype,
                          ReduceKind kind) {
  int64_t total = 0;
  int64_t own_begin = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank == world.rank()) own_begin = total;
    total += counts[static_cast<size_t>(rank)];
  }
  const int64_t own_count = counts[static_cast<size_t>(world.rank())];
  Values in = pattern(dtype, total, world.rank());
  Values out(dtype, own_count);
  world.reduce_scatter(in.data(), out.data(), counts, dtype, kind);
  expect(
      out == reduced_pattern(dtype, own_count, world.size(), kind, own_begin),
      str("reduce_scatter ", to_string(kind), " of ", total, " ", to_string(dtype), " is wrong"));
}

void reduce_scatter_of_even_uneven_and_empty_pieces(Communicator& world) {
  const auto ranks = static_cast<size_t>(world.size());
  std::vector<int64_t> uneven(ranks);
  for (size_t rank = 0; rank < ranks; ++rank)
    uneven[rank] = static_cast<int64_t>(rank * 3 % 5) * 11;
  std::vector<int64_t> one_only(ranks);
  one_only.back() = 9;
  for (const DType dtype : kDTypes) {
    for (const ReduceKind kind : kReduceKinds) {
      check_reduce_scatter(world, uneven, dtype, kind);
    }
    check_reduce_scatter(world, std::vector<int64_t>(ranks, 100), dtype, ReduceKind::kSum);
    check_reduce_scatter(world, one_only, dtype, ReduceKind::kSum);
  }
  check_reduce_scatter(world, std::vector<int64_t>(ranks), DType::kF32, ReduceKind::kSum);
}

void reduce_scatter_of_large_uneven_pieces(Communicator& world) {
  std::vector<int64_t> counts(static_cast<size_t>(world.size()), 3);
  counts.front() = kLargeCount;
  counts.back() = 20'001;
  check_reduce_scatter(world, counts, DType::kF32, ReduceKind::kSum);
  check_reduce_scatter(world, counts, DType::kBF16, ReduceKind::kMax);
}

// Two ranks hold [1, 2, 3, 4] and [5, 6, 7, 8]: rank 0 gets [6, 8], rank 1 [10, 12].
void reduce_scatter_consumes_the_rank_dim(Communicator& world) {
  const auto pair = world.split(world.rank() < 2 ? 0 : -1, 0);
  if (!pair) return;
  std::vector<float> in;
  for (int i = 1; i <= 4; ++i) in.push_back(static_cast<float>(i + 4 * pair->rank()));
  std::vector<float> out(2);
  const std::vector<int64_t> counts = {2, 2};
  pair->reduce_scatter(in.data(), out.data(), counts, DType::kF32, ReduceKind::kSum);
  const std::vector<float> expected =
      pair->rank() == 0 ? std::vector<float>{6, 8} : std::vector<float>{10, 12};
  expect(out == expected, str("got ", out[0], ", ", out[1]));
}

constexpr std::array<SuiteCase, 8> kCases = {{
    {"AllReduceOfEveryTypeAndKind", 1, all_reduce_of_every_type_and_kind},
    {"AllReduceOfLargeTensors", 1, all_reduce_of_large_tensors},
    {"AverageOfRankTimesOnes", 1, average_of_rank_times_ones},
    {"BooleansReduceByMaxAndMinOnly", 1, booleans_reduce_by_max_and_min_only},
    {"SumsHaveTheBitsOfASerialSum", 1, sums_have_the_bits_of_a_serial_sum_on_every_rank_and_run},
    {"ReduceScatterOfEvenUnevenAndEmptyPieces", 1, reduce_scatter_of_even_uneven_and_empty_pieces},
    {"ReduceScatterOfLargeUnevenPieces", 1, reduce_scatter_of_large_uneven_pieces},
    {"ReduceScatterConsumesTheRankDim", 2, reduce_scatter_consumes_the_rank_dim},
}};

}  // namespace

std::span<const SuiteCase> reducing_cases() { return kCases; }

std::string run_case(const SuiteCase& suite_case, Communicator& world) {
  if (world.size() < suite_case.least_ranks) return "";
  try {
    suite_case.run(world);
    return "";
  } catch (const std::exception& error) {
    return str(suite_case.name, " on rank ", world.rank(), " of ", world.size(), ": ",
               error.what());
  }
}

}  // namespace partita::comm
