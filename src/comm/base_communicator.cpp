// SPDX-License-Identifier: Apache-2.0
// Checks, limits and counts each call, and hands it to the transport.
#include "comm/base_communicator.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

namespace partita::comm {
namespace {

// Keeps deadlines far from the overflow of the clock.
constexpr std::chrono::milliseconds kLongestTimeout = std::chrono::hours(24 * 365);

int64_t total(std::span<const int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

void copy_bytes(const void* from, void* to, int64_t bytes) {
  if (bytes > 0 && from != to) std::memcpy(to, from, static_cast<size_t>(bytes));
}

void check_counts(std::span<const int64_t> counts, int ranks) {
  CHECK(static_cast<int>(counts.size()) == ranks, "counts of ", counts.size(),
        " ranks in a group of ", ranks);
  for (const int64_t count : counts) CHECK(count >= 0, "count ", count);
}

struct SplitEntry {
  int32_t color;
  int32_t key;
};

SplitGroups make_groups(const std::vector<SplitEntry>& entries) {
  std::map<int, std::vector<int>> members;
  for (size_t rank = 0; rank < entries.size(); ++rank) {
    if (entries[rank].color >= 0) members[entries[rank].color].push_back(static_cast<int>(rank));
  }
  SplitGroups groups;
  for (auto& [color, ranks] : members) {
    std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) {
      return entries[static_cast<size_t>(a)].key < entries[static_cast<size_t>(b)].key;
    });
    groups.push_back(std::move(ranks));
  }
  return groups;
}

// This rank's identity in its new group; nothing when it is in none.
std::optional<GroupIdentity> identity_in(const SplitGroups& groups, const GroupIdentity& parent) {
  for (const std::vector<int>& ranks : groups) {
    const auto place = std::find(ranks.begin(), ranks.end(), parent.rank);
    if (place == ranks.end()) continue;
    GroupIdentity identity = parent;
    identity.rank = static_cast<int>(place - ranks.begin());
    identity.global_ranks.clear();
    for (const int rank : ranks) {
      identity.global_ranks.push_back(parent.global_ranks[static_cast<size_t>(rank)]);
    }
    return identity;
  }
  return std::nullopt;
}

}  // namespace

BaseCommunicator::BaseCommunicator(GroupIdentity identity) : identity_(std::move(identity)) {
  check_rank(identity_.rank, "own rank");
}

template <typename Body>
void BaseCommunicator::guarded(Call& call, Body body) {
  if (is_cancelled()) throw_cancelled(call.name);
  if (failure_) throw Error(*failure_);
  call.start = Call::Clock::now();
  call.deadline =
      call.start + std::clamp(identity_.timeout, std::chrono::milliseconds(0), kLongestTimeout);
  try {
    body(std::as_const(call));
  } catch (const Error& error) {
    failure_ = error;
    throw;
  }
}

template <typename Body>
void BaseCommunicator::run(CollectiveKind kind,
                           int64_t payload_bytes,
                           int64_t wire_bytes,
                           Body body) {
  Call call{kind, to_string(kind), payload_bytes, wire_bytes};
  waited_ = Call::Clock::duration(0);
  guarded(call, body);
  Counter& counter = counters_[static_cast<size_t>(kind)];
  ++counter.calls;
  counter.payload_bytes += payload_bytes;
  counter.wire_bytes += wire_bytes;
  counter.seconds += std::chrono::duration<double>(Call::Clock::now() - call.start).count();
  counter.waiting += std::chrono::duration<double>(waited_).count();
}

void BaseCommunicator::all_reduce(
    const void* in, void* out, int64_t count, DType dtype, ReduceKind kind) {
  CHECK(count >= 0, "count ", count);
  const int64_t bytes = count * size_of(dtype);
  check_reducible({dtype, kind});
  run(CollectiveKind::kAllReduce, bytes, ring_bytes(bytes, 2), [&](const Call& call) {
    if (size() == 1) return copy_bytes(in, out, bytes);
    do_all_reduce(call, static_cast<const std::byte*>(in), static_cast<std::byte*>(out), count,
                  {dtype, kind});
  });
}

void* BaseCommunicator::reserve(int64_t bytes) {
  CHECK(bytes >= 0, "bytes ", bytes);
  return nullptr;
}

bool BaseCommunicator::shows_terms(int64_t bytes) const {
  (void)bytes;
  return false;
}

Terms BaseCommunicator::do_exchange_terms(const Call& call, const float* in, int64_t count) {
  (void)in;
  (void)count;
  CHECK(false, call.name, " has no terms to show");
  return {};
}

Terms BaseCommunicator::exchange_terms(const float* in, int64_t count) {
  CHECK(count >= 0, "count ", count);
  const int64_t bytes = count * size_of(DType::kF32);
  Terms terms;
  if (size() > 1 && !shows_terms(bytes)) return terms;
  run(CollectiveKind::kAllReduce, bytes, ring_bytes(bytes, 2), [&](const Call& call) {
    own_term_ = reinterpret_cast<const std::byte*>(in);
    terms = size() == 1 ? Terms{{&own_term_, 1}, DType::kF32} : do_exchange_terms(call, in, count);
  });
  return terms;
}

void BaseCommunicator::all_gather(const void* in,
                                  void* out,
                                  std::span<const int64_t> counts,
                                  DType dtype) {
  check_counts(counts, size());
  const int64_t bytes = total(counts) * size_of(dtype);
  run(CollectiveKind::kAllGather, bytes, ring_bytes(bytes, 1), [&](const Call& call) {
    if (size() == 1) return copy_bytes(in, out, bytes);
    do_all_gather(call, static_cast<const std::byte*>(in), static_cast<std::byte*>(out),
                  in_bytes(counts, dtype, piece_bytes_));
  });
}

void BaseCommunicator::reduce_scatter(
    const void* in, void* out, std::span<const int64_t> counts, DType dtype, ReduceKind kind) {
  check_counts(counts, size());
  check_reducible({dtype, kind});
  const int64_t bytes = total(counts) * size_of(dtype);
  run(CollectiveKind::kReduceScatter, bytes, ring_bytes(bytes, 1), [&](const Call& call) {
    if (size() == 1) return copy_bytes(in, out, bytes);
    do_reduce_scatter(call, static_cast<const std::byte*>(in), static_cast<std::byte*>(out), counts,
                      {dtype, kind});
  });
}

void BaseCommunicator::all_to_all(const void* in,
                                  std::span<const int64_t> send_counts,
                                  void* out,
                                  std::span<const int64_t> recv_counts,
                                  DType dtype) {
  check_counts(send_counts, size());
  check_counts(recv_counts, size());
  const auto self = static_cast<size_t>(rank());
  CHECK(send_counts[self] == recv_counts[self], "own piece: sends ", send_counts[self], ", gets ",
        recv_counts[self]);
  const int64_t bytes = total(send_counts) * size_of(dtype);
  const int64_t wire = bytes - send_counts[self] * size_of(dtype);
  run(CollectiveKind::kAllToAll, bytes, wire, [&](const Call& call) {
    if (size() == 1) return copy_bytes(in, out, bytes);
    do_all_to_all(call, static_cast<const std::byte*>(in),
                  in_bytes(send_counts, dtype, piece_bytes_), static_cast<std::byte*>(out),
                  in_bytes(recv_counts, dtype, recv_bytes_));
  });
}

void BaseCommunicator::broadcast(void* data, int64_t count, DType dtype, int root) {
  CHECK(count >= 0, "count ", count);
  check_rank(root, "root");
  const int64_t bytes = count * size_of(dtype);
  run(CollectiveKind::kBroadcast, bytes, ring_bytes(bytes, 1), [&](const Call& call) {
    if (size() > 1) do_broadcast(call, static_cast<std::byte*>(data), bytes, root);
  });
}

void BaseCommunicator::send(const void* data, int64_t count, DType dtype, int to) {
  CHECK(count >= 0, "count ", count);
  check_rank(to, "destination");
  const int64_t bytes = count * size_of(dtype);
  run(CollectiveKind::kSend, bytes, bytes,
      [&](const Call& call) { do_send(call, static_cast<const std::byte*>(data), bytes, to); });
}

void BaseCommunicator::recv(void* data, int64_t count, DType dtype, int from) {
  CHECK(count >= 0, "count ", count);
  check_rank(from, "source");
  const int64_t bytes = count * size_of(dtype);
  run(CollectiveKind::kRecv, bytes, 0,
      [&](const Call& call) { do_recv(call, static_cast<std::byte*>(data), bytes, from); });
}

void BaseCommunicator::barrier() {
  run(CollectiveKind::kBarrier, 0, 0, [&](const Call& call) {
    if (size() > 1) do_barrier(call);
  });
}

std::unique_ptr<Communicator> BaseCommunicator::split(int color, int key) {
  Call call{CollectiveKind::kAllGather, "split"};
  std::unique_ptr<Communicator> group;
  guarded(call, [&](const Call& running) {
    const SplitEntry own{color, key};
    std::vector<SplitEntry> entries(static_cast<size_t>(size()), own);
    if (size() > 1) {
      const std::vector<int64_t> bytes(entries.size(), int64_t{sizeof(SplitEntry)});
      do_all_gather(running, reinterpret_cast<const std::byte*>(&own),
                    reinterpret_cast<std::byte*>(entries.data()), bytes);
    }
    const SplitGroups groups = make_groups(entries);
    group = do_split(running, groups, identity_in(groups, identity_), color, key);
  });
  return group;
}

std::string BaseCommunicator::describe(int rank) const {
  return str("rank ", rank, " (global rank ", identity_.global_ranks[static_cast<size_t>(rank)],
             ")");
}

void BaseCommunicator::throw_deadline(const Call& call, std::span<const int> missing) const {
  std::string names;
  for (const int rank : missing) names += str(names.empty() ? "" : ", ", describe(rank));
  throw Error(ErrorCode::kDeadlineExceeded,
              str("[comm] ", call.name, " on ", describe(rank()), " of ", size(),
                  " ranks is not complete after ", identity_.timeout.count(), " ms: ", names,
                  missing.size() == 1 ? " has" : " have",
                  " not arrived; look whether that process lives, or allow more time"));
}

void BaseCommunicator::throw_cancelled(std::string_view name) const {
  throw Error(ErrorCode::kCancelled,
              str("[comm] ", name, " on ", describe(rank()), " was cancelled"));
}

void BaseCommunicator::throw_mismatch(const Call& call, int peer, const std::string& what) const {
  throw Error(ErrorCode::kInvalidArgument,
              str("[comm] ", call.name, " of ", call.payload_bytes, " bytes on ", describe(rank()),
                  ": ", describe(peer), " ", what,
                  "; all ranks of a group must make the same calls with agreeing sizes"));
}

std::span<const int64_t> BaseCommunicator::in_bytes(Pieces counts,
                                                    DType dtype,
                                                    std::vector<int64_t>& storage) const {
  storage.assign(counts.begin(), counts.end());
  for (int64_t& piece : storage) piece *= size_of(dtype);
  return storage;
}

int64_t BaseCommunicator::ring_bytes(int64_t payload_bytes, int64_t passes) const {
  return passes * payload_bytes * (size() - 1) / size();
}

void BaseCommunicator::check_rank(int rank, std::string_view what) const {
  CHECK(rank >= 0 && rank < size(), what, " ", rank, " in a group of ", size());
}

}  // namespace partita::comm
