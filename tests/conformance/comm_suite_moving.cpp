// SPDX-License-Identifier: Apache-2.0
// Communicator suite: all_gather, all_to_all, broadcast, send and recv, barrier, and what they
// count.
#include <array>
#include <chrono>

#include "comm_suite.h"
#include "comm_suite_values.h"

namespace partita::comm {
namespace {

constexpr std::array kDTypes = {DType::kF32, DType::kBF16, DType::kF16, DType::kI32,
                                DType::kI64, DType::kU8,   DType::kF64};
constexpr int64_t kLargeCount = 100'003;

int64_t sum(const std::vector<int64_t>& counts) {
  int64_t total = 0;
  for (const int64_t count : counts) total += count;
  return total;
}

// Elements of the piece that `from` sends to `to` are those of pattern(from) from 10 * to on.
Values piece(DType dtype, int64_t count, int from, int to) {
  return pattern(dtype, count, from, int64_t{10} * to);
}

void append(Values& whole, int64_t begin, const Values& part) {
  for (int64_t i = 0; i < part.count(); ++i) whole.set(begin + i, part.get(i));
}

void check_all_gather(Communicator& world, const std::vector<int64_t>& counts, DType dtype) {
  Values expected(dtype, sum(counts));
  int64_t begin = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    const int64_t count = counts[static_cast<size_t>(rank)];
    append(expected, begin, pattern(dtype, count, rank));
    begin += count;
  }
  Values in = pattern(dtype, counts[static_cast<size_t>(world.rank())], world.rank());
  Values out(dtype, sum(counts));
  world.all_gather(in.data(), out.data(), counts, dtype);
  expect(out == expected, str("all_gather of ", sum(counts), " ", to_string(dtype), " is wrong"));
}

void all_gather_of_even_uneven_and_empty_pieces(Communicator& world) {
  const auto ranks = static_cast<size_t>(world.size());
  std::vector<int64_t> uneven(ranks);
  for (size_t rank = 0; rank < ranks; ++rank) uneven[rank] = static_cast<int64_t>(rank * 3 % 5) * 7;
  for (const DType dtype : kDTypes) {
    check_all_gather(world, uneven, dtype);
    check_all_gather(world, std::vector<int64_t>(ranks, 3), dtype);
    check_all_gather(world, std::vector<int64_t>(ranks), dtype);
  }
  uneven.front() = kLargeCount;
  uneven.back() = 70'001;
  check_all_gather(world, uneven, DType::kF32);
}

void check_all_to_all(Communicator& world, int64_t unit, DType dtype) {
  const auto count = [&](int from, int to) { return (from + 2 * to) % 4 * unit; };
  std::vector<int64_t> send_counts;
  std::vector<int64_t> recv_counts;
  for (int peer = 0; peer < world.size(); ++peer) {
    send_counts.push_back(count(world.rank(), peer));
    recv_counts.push_back(count(peer, world.rank()));
  }
  Values in(dtype, sum(send_counts));
  Values expected(dtype, sum(recv_counts));
  int64_t in_begin = 0;
  int64_t out_begin = 0;
  for (int peer = 0; peer < world.size(); ++peer) {
    append(in, in_begin, piece(dtype, count(world.rank(), peer), world.rank(), peer));
    append(expected, out_begin, piece(dtype, count(peer, world.rank()), peer, world.rank()));
    in_begin += count(world.rank(), peer);
    out_begin += count(peer, world.rank());
  }
  Values out(dtype, sum(recv_counts));
  world.all_to_all(in.data(), send_counts, out.data(), recv_counts, dtype);
  expect(out == expected, str("all_to_all of units of ", unit, " ", to_string(dtype), " is wrong"));
}

void all_to_all_of_uneven_and_empty_pieces(Communicator& world) {
  for (const DType dtype : kDTypes) {
    for (const int64_t unit : {0, 1, 13}) check_all_to_all(world, unit, dtype);
  }
  check_all_to_all(world, 30'001, DType::kF32);
}

// From cut by rows to cut by columns of a [2 n, 3 n] matrix: all_to_all of blocks gives what
// all_gather and slicing give, and sends fewer bytes.
void all_to_all_equals_gather_and_slice_with_fewer_bytes(Communicator& world) {
  const int ranks = world.size();
  const int64_t block = int64_t{2} * 3;
  const std::vector<int64_t> counts(static_cast<size_t>(ranks), block * ranks);
  const std::vector<int64_t> blocks(static_cast<size_t>(ranks), block);
  const Values own = pattern(DType::kF32, block * ranks, world.rank());
  Values rows = own;
  Values all(DType::kF32, block * ranks * ranks);
  Values columns(DType::kF32, block * ranks);
  world.reset_counters();
  world.all_gather(rows.data(), all.data(), counts, DType::kF32);
  world.all_to_all(rows.data(), blocks, columns.data(), blocks, DType::kF32);
  for (int from = 0; from < ranks; ++from) {
    for (int64_t i = 0; i < block; ++i) {
      const double sliced = all.get(block * ranks * from + block * world.rank() + i);
      expect(columns.get(block * from + i) == sliced, str("block of rank ", from, " differs"));
    }
  }
  const auto wire = [&](CollectiveKind kind) {
    return world.counters()[static_cast<size_t>(kind)].wire_bytes;
  };
  expect(wire(CollectiveKind::kAllToAll) < wire(CollectiveKind::kAllGather),
         "sends no fewer bytes");
}

void broadcast_from_every_root(Communicator& world) {
  for (int root = 0; root < world.size(); ++root) {
    for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{999}, kLargeCount}) {
      const Values expected = pattern(DType::kF16, count, root);
      Values values = world.rank() == root ? expected : Values(DType::kF16, count);
      world.broadcast(values.data(), count, DType::kF16, root);
      expect(values == expected, str("broadcast of ", count, " from ", root, " is wrong"));
    }
  }
}

// All ranks send before they receive: a message of kEagerBytes does not wait for its receiver.
void messages_go_round_a_ring(Communicator& world) {
  const int next = (world.rank() + 1) % world.size();
  const int previous = (world.rank() + world.size() - 1) % world.size();
  const auto most = static_cast<int64_t>(kEagerBytes / sizeof(float));
  for (const int64_t count : {int64_t{0}, int64_t{1}, int64_t{1000}, most}) {
    for (const bool forward : {true, false}) {
      Values out = pattern(DType::kF32, count, world.rank());
      Values in(DType::kF32, count);
      const int from = forward ? previous : next;
      world.send(out.data(), count, DType::kF32, forward ? next : previous);
      world.recv(in.data(), count, DType::kF32, from);
      expect(in == pattern(DType::kF32, count, from), str("message of ", count, " is wrong"));
    }
  }
}

void messages_keep_their_order_and_may_be_large(Communicator& world) {
  const std::vector<int64_t> lengths = {1, 0, 5000, kLargeCount, 2, 30'000, 0, 7};
  const int last = world.size() - 1;
  for (const int64_t count : lengths) {
    Values out = pattern(DType::kI32, count, static_cast<int>(count % 7));
    Values in(DType::kI32, count);
    if (world.rank() == 0) world.send(out.data(), count, DType::kI32, last);
    if (world.rank() == last) world.recv(in.data(), count, DType::kI32, 0);
    if (world.rank() == last) expect(in == out, str("message of ", count, " is wrong"));
  }
}

// What a rank has sent before the barrier is there after it, so that no time is needed to receive
// it.
void barrier_holds_all_ranks(Communicator& world) {
  const int next = (world.rank() + 1) % world.size();
  const int previous = (world.rank() + world.size() - 1) % world.size();
  for (int32_t step = 0; step < 50; ++step) {
    world.send(&step, 1, DType::kI32, next);
    world.barrier();
    int32_t value = -1;
    world.set_timeout(std::chrono::milliseconds(0));
    world.recv(&value, 1, DType::kI32, previous);
    world.set_timeout(std::chrono::seconds(10));
    expect(value == step, str("message ", value, " after barrier ", step));
  }
}

void expect_counter(Communicator& world, CollectiveKind kind, Counter expected) {
  const Counter& counter = world.counters()[static_cast<size_t>(kind)];
  expect(counter.calls == expected.calls && counter.payload_bytes == expected.payload_bytes &&
             counter.wire_bytes == expected.wire_bytes && counter.seconds >= 0,
         str(to_string(kind), ": ", counter.calls, " calls, ", counter.payload_bytes, " and ",
             counter.wire_bytes, " bytes; expected ", expected.calls, ", ", expected.payload_bytes,
             " and ", expected.wire_bytes));
}

void counters_follow_the_formulas(Communicator& world) {
  const int64_t ranks = world.size();
  const std::vector<int64_t> counts(static_cast<size_t>(ranks), 6);
  Values in(DType::kF32, 6 * ranks);
  Values out(DType::kF32, 6 * ranks);
  const int64_t bytes = 24 * ranks;
  world.reset_counters();
  world.all_reduce(in.data(), out.data(), 6 * ranks, DType::kF32, ReduceKind::kSum);
  world.all_reduce(in.data(), out.data(), 6 * ranks, DType::kF32, ReduceKind::kSum);
  world.all_gather(in.data(), out.data(), counts, DType::kF32);
  world.reduce_scatter(in.data(), out.data(), counts, DType::kF32, ReduceKind::kSum);
  world.all_to_all(in.data(), counts, out.data(), counts, DType::kF32);
  world.broadcast(in.data(), 6 * ranks, DType::kF32, 0);
  world.send(in.data(), 5, DType::kBF16, static_cast<int>((world.rank() + 1) % ranks));
  world.recv(out.data(), 5, DType::kBF16, static_cast<int>((world.rank() + ranks - 1) % ranks));
  world.barrier();
  const int64_t others = 24 * (ranks - 1);  // = bytes (n - 1) / n
  expect_counter(world, CollectiveKind::kAllReduce, {2, 2 * bytes, 4 * others});
  expect_counter(world, CollectiveKind::kAllGather, {1, bytes, others});
  expect_counter(world, CollectiveKind::kReduceScatter, {1, bytes, others});
  expect_counter(world, CollectiveKind::kAllToAll, {1, bytes, others});
  expect_counter(world, CollectiveKind::kBroadcast, {1, bytes, others});
  expect_counter(world, CollectiveKind::kSend, {1, 10, 10});
  expect_counter(world, CollectiveKind::kRecv, {1, 10, 0});
  expect_counter(world, CollectiveKind::kBarrier, {1, 0, 0});
  world.reset_counters();
  expect_counter(world, CollectiveKind::kAllReduce, {});
}

constexpr std::array<SuiteCase, 8> kCases = {{
    {"AllGatherOfEvenUnevenAndEmptyPieces", 1, all_gather_of_even_uneven_and_empty_pieces},
    {"AllToAllOfUnevenAndEmptyPieces", 1, all_to_all_of_uneven_and_empty_pieces},
    {"AllToAllEqualsGatherAndSlice", 2, all_to_all_equals_gather_and_slice_with_fewer_bytes},
    {"BroadcastFromEveryRoot", 1, broadcast_from_every_root},
    {"MessagesGoRoundARing", 1, messages_go_round_a_ring},
    {"MessagesKeepTheirOrderAndMayBeLarge", 2, messages_keep_their_order_and_may_be_large},
    {"BarrierHoldsAllRanks", 1, barrier_holds_all_ranks},
    {"CountersFollowTheFormulas", 1, counters_follow_the_formulas},
}};

}  // namespace

std::span<const SuiteCase> moving_cases() { return kCases; }

}  // namespace partita::comm
