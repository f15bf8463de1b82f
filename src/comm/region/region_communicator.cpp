// SPDX-License-Identifier: Apache-2.0
// Exchanges through slots, and what moves data by them.
#include "comm/region/region_communicator.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "comm/region/parts.h"
#include "support/integers.h"

namespace partita::comm {
namespace {

// What is copied into a slot goes in parts of this size: two of them should fit into the
// second-level cache of a rank.
constexpr int64_t kCopiedBytes = int64_t{256} << 10;

CallStamp stamp_of(const Call& call) {
  return {static_cast<uint32_t>(call.kind), 0, call.payload_bytes};
}

int64_t largest(std::span<const int64_t> values) {
  return *std::max_element(values.begin(), values.end());
}

int64_t sum_before(int rank, std::span<const int64_t> values) {
  return std::accumulate(values.begin(), values.begin() + rank, int64_t{0});
}

}  // namespace

RegionCommunicator::RegionCommunicator(std::shared_ptr<Region> region,
                                       GroupMemory memory,
                                       GroupIdentity identity)
    : BaseCommunicator(std::move(identity)),
      region_(std::move(region)),
      memory_(memory),
      sent_(static_cast<size_t>(size())),
      received_(static_cast<size_t>(size())),
      sources_(static_cast<size_t>(size())) {}

int64_t RegionCommunicator::copied_part_bytes() const {
  return std::min(memory_.slot_bytes(), std::max(kCopiedBytes, kLine * kLine * size()));
}

void RegionCommunicator::exchange(const Call& call, CallStamp stamp) {
  ++round_;
  RankLine& own = memory_.line(rank());
  own.stamps[round_ % 2] = stamp;
  own.round.publish(round_);
  // From the right neighbour on, so that not all ranks pull the same line at once.
  for (int step = 1; step < size(); ++step) {
    const int peer = (rank() + step) % size();
    if (!wait_for(call, memory_.line(peer).round, round_)) throw_missing(call);
    const CallStamp& theirs = memory_.line(peer).stamps[round_ % 2];
    if (theirs != stamp) {
      const auto kind = std::min<uint32_t>(theirs.kind, kCollectiveKinds - 1);
      throw_mismatch(
          call, peer,
          str("calls ", to_string(static_cast<CollectiveKind>(kind)), " of ", theirs.bytes,
              " bytes", theirs.kind == stamp.kind ? " with other arguments" : ""));
    }
  }
}

bool RegionCommunicator::wait_for(const Call& call, Progress& progress, uint64_t target) {
  if (progress.value() >= target) return true;
  const Call::Clock::time_point begin = Call::Clock::now();
  const WaitLimit limit{region_->spins(), call.deadline, identity().cancelled.get()};
  const WaitResult result = wait_until(progress, target, limit);
  note_waiting(Call::Clock::now() - begin);
  if (result == WaitResult::kCancelled) throw_cancelled(call.name);
  return result == WaitResult::kReached;
}

void RegionCommunicator::throw_missing(const Call& call) const {
  std::vector<int> missing;
  for (int peer = 0; peer < size(); ++peer) {
    if (memory_.line(peer).round.value() < round_) missing.push_back(peer);
  }
  throw_deadline(call, missing);
}

void RegionCommunicator::put_pieces(
    const std::byte* in, Pieces counts, int64_t element, Part part, std::byte* to) const {
  int64_t piece_begin = 0;
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t piece = counts[static_cast<size_t>(peer)];
    const int64_t count = part.count_in(piece);
    if (count > 0 && peer != rank()) {
      copy_bytes(in + (piece_begin + part.begin()) * element, to + peer * part.length * element,
                 count * element);
    }
    piece_begin += piece;
  }
}

void RegionCommunicator::take_pieces(
    const std::byte* own, int64_t offset, Pieces bytes, Part part, std::byte* out) const {
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t piece = bytes[static_cast<size_t>(peer)];
    const int64_t count = part.count_in(piece);
    if (count > 0) {
      const std::byte* from = peer == rank() ? own + part.begin() : slot(peer) + offset;
      copy_bytes(from, out + part.begin(), count);
    }
    out += piece;
  }
}

void RegionCommunicator::do_all_gather(const Call& call,
                                       const std::byte* in,
                                       std::byte* out,
                                       Pieces bytes) {
  const int64_t part_bytes = copied_part_bytes();
  const int64_t own_bytes = bytes[static_cast<size_t>(rank())];
  const int64_t parts = ceil_div(largest(bytes), part_bytes);
  for (Part part{part_bytes}; part.index < parts; ++part.index) {
    copy_bytes(in + std::min(part.begin(), own_bytes), next_slot(), part.count_in(own_bytes));
    exchange(call, stamp_of(call));
    take_pieces(in, 0, bytes, part, out);
  }
}

// A slot begins with the sender's sizes, one per rank; a part for each rank follows. The sizes tell
// all ranks, in the first exchange, how many exchanges the longest piece of any rank needs.
void RegionCommunicator::do_all_to_all(
    const Call& call, const std::byte* in, Pieces send_bytes, std::byte* out, Pieces recv_bytes) {
  const int64_t sizes_bytes = ceil_div(size() * int64_t{sizeof(int64_t)}, kLine) * kLine;
  const int64_t part_bytes = (copied_part_bytes() - sizes_bytes) / size() / kLine * kLine;
  const std::byte* own = in + sum_before(rank(), send_bytes);
  CallStamp stamp = stamp_of(call);
  stamp.bytes = 0;  // ranks may send different amounts
  int64_t exchanges = 1;
  for (Part part{part_bytes}; part.index < exchanges; ++part.index) {
    const bool is_first = part.index == 0;
    if (is_first) std::memcpy(next_slot(), send_bytes.data(), send_bytes.size_bytes());
    put_pieces(in, send_bytes, 1, part, next_slot() + sizes_bytes);
    exchange(call, stamp);
    if (is_first) exchanges = ceil_div(check_sizes(call, recv_bytes), part_bytes);
    take_pieces(own, sizes_bytes + rank() * part_bytes, recv_bytes, part, out);
  }
}

// Compares what peers send with what this rank expects; returns the longest piece between any two
// ranks.
int64_t RegionCommunicator::check_sizes(const Call& call, Pieces recv_bytes) const {
  int64_t longest = 0;
  for (int peer = 0; peer < size(); ++peer) {
    const auto* sizes = reinterpret_cast<const int64_t*>(slot(peer));
    if (sizes[rank()] != recv_bytes[static_cast<size_t>(peer)]) {
      throw_mismatch(call, peer,
                     str("sends ", sizes[rank()], " bytes to this rank, which expects ",
                         recv_bytes[static_cast<size_t>(peer)]));
    }
    longest = std::max(longest, largest({sizes, static_cast<size_t>(size())}));
  }
  return longest;
}

void RegionCommunicator::do_broadcast(const Call& call, std::byte* data, int64_t bytes, int root) {
  const int64_t part_bytes = copied_part_bytes();
  for (Part part{part_bytes}; part.begin() < bytes; ++part.index) {
    const int64_t count = part.count_in(bytes);
    if (rank() == root) copy_bytes(data + part.begin(), next_slot(), count);
    exchange(call, {static_cast<uint32_t>(call.kind), static_cast<uint32_t>(root), bytes});
    if (rank() != root) copy_bytes(slot(root), data + part.begin(), count);
  }
}

void RegionCommunicator::do_barrier(const Call& call) { exchange(call, stamp_of(call)); }

// An empty message is one empty part.
void RegionCommunicator::do_send(const Call& call, const std::byte* data, int64_t bytes, int to) {
  Ring& ring = memory_.ring(rank(), to);
  const auto slots = static_cast<uint64_t>(memory_.ring_slots());
  uint64_t& sent = sent_[static_cast<size_t>(to)];
  Part part{kRingSlotBytes};
  do {
    const uint64_t free_from = sent + 1 > slots ? sent + 1 - slots : 0;
    if (!wait_for(call, ring.received.parts, free_from)) throw_deadline(call, {&to, 1});
    Ring::Slot& slot = ring.slot(static_cast<int64_t>(sent % slots));
    slot.message_bytes = bytes;
    copy_bytes(data + part.begin(), slot.data.data(), part.count_in(bytes));
    ring.sent.parts.publish(++sent);
    ++part.index;
  } while (part.begin() < bytes);
}

void RegionCommunicator::do_recv(const Call& call, std::byte* data, int64_t bytes, int from) {
  Ring& ring = memory_.ring(from, rank());
  const auto slots = static_cast<uint64_t>(memory_.ring_slots());
  uint64_t& received = received_[static_cast<size_t>(from)];
  Part part{kRingSlotBytes};
  do {
    if (!wait_for(call, ring.sent.parts, received + 1)) throw_deadline(call, {&from, 1});
    const Ring::Slot& slot = ring.slot(static_cast<int64_t>(received % slots));
    if (slot.message_bytes != bytes) {
      throw_mismatch(call, from, str("sends ", slot.message_bytes, " bytes"));
    }
    copy_bytes(slot.data.data(), data + part.begin(), part.count_in(bytes));
    ring.received.parts.publish(++received);
    ++part.index;
  } while (part.begin() < bytes);
}

// Rank 0 takes the memory of all new groups at once and tells the others where it is.
std::unique_ptr<Communicator> RegionCommunicator::do_split(const Call& call,
                                                           const SplitGroups& groups,
                                                           std::optional<GroupIdentity> identity,
                                                           int color,
                                                           int key) {
  (void)color;
  (void)key;
  int64_t bytes = 0;
  int64_t own_offset = 0;
  for (const std::vector<int>& ranks : groups) {
    if (std::find(ranks.begin(), ranks.end(), rank()) != ranks.end()) own_offset = bytes;
    bytes += GroupMemory::bytes_for(
        {.ranks = static_cast<int>(ranks.size()), .slot_bytes = region_->slot_bytes()});
  }
  int64_t offset = rank() == 0 ? region_->take(bytes).value_or(-1) : 0;
  if (size() > 1) do_broadcast(call, reinterpret_cast<std::byte*>(&offset), sizeof(offset), 0);
  if (offset < 0) {
    throw Error(ErrorCode::kOutOfMemory,
                str("[comm] split on ", describe(rank()),
                    ": the shared memory has no room for more groups; make it with more splits"));
  }
  if (!identity) return nullptr;
  const int ranks = static_cast<int>(identity->global_ranks.size());
  return std::make_unique<RegionCommunicator>(region_, region_->group(offset + own_offset, ranks),
                                              std::move(*identity));
}

}  // namespace partita::comm
