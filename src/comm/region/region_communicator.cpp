// SPDX-License-Identifier: Apache-2.0
// Exchanges through slots, and the collectives made of them.
#include "comm/region/region_communicator.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace partita::comm {
namespace {

constexpr int64_t kLine = 64;  // parts of a slot start on a cache line

// What is copied into a slot goes in parts of this size: two of them should fit into the
// second-level cache of a rank.
constexpr int64_t kCopiedBytes = int64_t{256} << 10;

// One-shot reads ranks * n bytes per rank after one exchange; two-shot reads 3 n after two. 256 KiB
// for two ranks is where an earlier prototype saw them meet; that more ranks meet at smaller sizes
// follows from the bytes read and is not measured.
constexpr int64_t kOneShotBytesTimesRanks = int64_t{512} << 10;

void copy_bytes(const std::byte* from, std::byte* to, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));
}

int64_t parts_of(int64_t bytes, int64_t part_bytes) {
  return (bytes + part_bytes - 1) / part_bytes;
}

// Length of part `index` when `total` is cut into parts of `part`; 0 behind the end.
int64_t part_size(int64_t total, int64_t part, int64_t index) {
  return std::clamp<int64_t>(total - index * part, 0, part);
}

uint32_t detail_of(Reduction reduction, bool is_narrowed = false) {
  return static_cast<uint32_t>(is_narrowed) * 65536 + static_cast<uint32_t>(reduction.dtype) * 256 +
         static_cast<uint32_t>(reduction.kind);
}

CallStamp stamp_of(const Call& call, uint32_t detail) {
  return {static_cast<uint32_t>(call.kind), detail, call.payload_bytes};
}

int64_t largest(std::span<const int64_t> values) {
  return *std::max_element(values.begin(), values.end());
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
    wait_for_round(call, peer);
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

WaitResult RegionCommunicator::wait_for(const Call& call, Progress& progress, uint64_t target) {
  if (progress.value() >= target) return WaitResult::kReached;
  const Call::Clock::time_point begin = Call::Clock::now();
  const WaitLimit limit{region_->spins(), call.deadline, identity().cancelled.get()};
  const WaitResult result = wait_until(progress, target, limit);
  note_waiting(Call::Clock::now() - begin);
  return result;
}

void RegionCommunicator::wait_for_round(const Call& call, int peer) {
  switch (wait_for(call, memory_.line(peer).round, round_)) {
    case WaitResult::kReached:
      return;
    case WaitResult::kCancelled:
      throw_cancelled(call.name);
    case WaitResult::kDeadline:
      throw_missing(call);
  }
}

void RegionCommunicator::throw_missing(const Call& call) const {
  std::vector<int> missing;
  for (int peer = 0; peer < size(); ++peer) {
    if (memory_.line(peer).round.value() < round_) missing.push_back(peer);
  }
  throw_deadline(call, missing);
}

bool RegionCommunicator::is_one_shot(int64_t bytes) const {
  const int64_t limit = identity().all_reduce.one_shot_bytes;
  return limit < 0 ? bytes * size() <= kOneShotBytesTimesRanks : bytes <= limit;
}

// Nobody reads the slot any more: all ranks have published the exchange that was last, so they have
// read what they wanted of the one before, which used this slot; wait_for_round() has acquired
// that. What a team of threads writes here has joined this thread before publish() releases it.
void* RegionCommunicator::reserve(int64_t bytes) {
  CHECK(bytes >= 0, "bytes ", bytes);
  const bool has_room = size() > 1 && bytes <= memory_.slot_bytes();
  return has_room && !identity().all_reduce.bf16_wire ? next_slot() : nullptr;
}

void RegionCommunicator::do_all_reduce(
    const Call& call, const std::byte* in, std::byte* out, int64_t count, Reduction reduction) {
  const int64_t element = size_of(reduction.dtype);
  // Terms that are narrowed on their way leave room for twice as many, but their sums do not.
  const int64_t most = memory_.slot_bytes() / element;
  const bool one_shot = is_one_shot(call.payload_bytes);
  for (int64_t begin = 0; begin < count; begin += most) {
    const Part part{in + begin * element, out + begin * element, std::min(most, count - begin),
                    reduction};
    one_shot ? reduce_one_shot(call, part) : reduce_two_shot(call, part);
  }
}

const std::byte* RegionCommunicator::put_terms(const Part& part) {
  std::byte* slot = next_slot();
  if (is_narrowed(part.reduction)) {
    const auto* terms = reinterpret_cast<const float*>(part.in);
    round_to_bf16({terms, static_cast<size_t>(part.count)}, slot);
    return slot;
  }
  if (part.in == slot) {
    CHECK(part.out != slot, "all_reduce in place of what peers read");
    return slot;
  }
  copy_bytes(part.in, slot, part.count * size_of(part.reduction.dtype));
  return part.in;
}

void RegionCommunicator::reduce_slots(
    int64_t offset, const std::byte* own, std::byte* out, int64_t count, Reduction reduction) {
  for (int peer = 0; peer < size(); ++peer) {
    sources_[static_cast<size_t>(peer)] = peer == rank() ? own : slot(peer) + offset;
  }
  reduce_in_order(sources_, out, count, reduction);
}

void RegionCommunicator::reduce_terms(
    int64_t first, const std::byte* own, std::byte* out, int64_t count, Reduction reduction) {
  if (!is_narrowed(reduction)) {
    const int64_t offset = first * size_of(reduction.dtype);
    return reduce_slots(offset, own + offset, out, count, reduction);
  }
  for (int peer = 0; peer < size(); ++peer) sources_[static_cast<size_t>(peer)] = slot(peer);
  add_terms({sources_, DType::kBF16}, first, {},
            {reinterpret_cast<float*>(out), static_cast<size_t>(count)});
}

void RegionCommunicator::reduce_one_shot(const Call& call, const Part& part) {
  const std::byte* own = put_terms(part);
  exchange(call, stamp_of(call, detail_of(part.reduction, is_narrowed(part.reduction))));
  reduce_terms(0, own, part.out, part.count, part.reduction);
}

// Each rank reduces its share of a part and passes it to the others in a second exchange.
void RegionCommunicator::reduce_two_shot(const Call& call, const Part& part) {
  const int64_t element = size_of(part.reduction.dtype);
  const CallStamp stamp = stamp_of(call, detail_of(part.reduction, is_narrowed(part.reduction)));
  // Shares start on cache lines: kLine elements are always whole lines.
  const auto share_begin = [&](int peer) {
    return peer == size() ? part.count : part.count * peer / size() / kLine * kLine;
  };
  const std::byte* own = put_terms(part);
  exchange(call, stamp);
  const int64_t first = share_begin(rank());
  const int64_t share = share_begin(rank() + 1) - first;
  reduce_terms(first, own, next_slot(), share, part.reduction);
  copy_bytes(next_slot(), part.out + first * element, share * element);
  exchange(call, stamp);
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t from = share_begin(peer);
    if (peer == rank()) continue;
    copy_bytes(slot(peer), part.out + from * element, (share_begin(peer + 1) - from) * element);
  }
}

bool RegionCommunicator::shows_terms(int64_t bytes) const {
  return is_one_shot(bytes) && bytes <= memory_.slot_bytes();
}

// The exchange of reduce_one_shot(), so that peers may do either.
Terms RegionCommunicator::do_exchange_terms(const Call& call, const float* in, int64_t count) {
  const Reduction sum{DType::kF32, ReduceKind::kSum};
  const std::byte* own = put_terms({reinterpret_cast<const std::byte*>(in), nullptr, count, sum});
  exchange(call, stamp_of(call, detail_of(sum, is_narrowed(sum))));
  for (int peer = 0; peer < size(); ++peer) {
    sources_[static_cast<size_t>(peer)] = peer == rank() ? own : slot(peer);
  }
  return {sources_, is_narrowed(sum) ? DType::kBF16 : DType::kF32};
}

void RegionCommunicator::do_all_gather(const Call& call,
                                       const std::byte* in,
                                       std::byte* out,
                                       Pieces bytes) {
  const int64_t part = copied_part_bytes();
  const int64_t own_bytes = bytes[static_cast<size_t>(rank())];
  const int64_t parts = parts_of(largest(bytes), part);
  for (int64_t index = 0; index < parts; ++index) {
    copy_bytes(in + std::min(index * part, own_bytes), next_slot(),
               part_size(own_bytes, part, index));
    exchange(call, stamp_of(call, 0));
    std::byte* piece_out = out;
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t piece = bytes[static_cast<size_t>(peer)];
      const int64_t length = part_size(piece, part, index);
      const std::byte* from = peer == rank() ? in + index * part : slot(peer);
      if (length > 0) copy_bytes(from, piece_out + index * part, length);
      piece_out += piece;
    }
  }
}

// The slot holds one part for each rank, which reduces it.
void RegionCommunicator::do_reduce_scatter(
    const Call& call, const std::byte* in, std::byte* out, Pieces counts, Reduction reduction) {
  const int64_t element = size_of(reduction.dtype);
  const int64_t part_bytes = copied_part_bytes() / size() / kLine * kLine;
  const int64_t part = part_bytes / element;
  const int64_t own_count = counts[static_cast<size_t>(rank())];
  int64_t own_begin = 0;
  for (int peer = 0; peer < rank(); ++peer) own_begin += counts[static_cast<size_t>(peer)];
  for (int64_t index = 0; index < parts_of(largest(counts), part); ++index) {
    int64_t begin = 0;
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t piece = counts[static_cast<size_t>(peer)];
      const int64_t length = part_size(piece, part, index);
      if (length > 0 && peer != rank()) {
        copy_bytes(in + (begin + index * part) * element, next_slot() + peer * part_bytes,
                   length * element);
      }
      begin += piece;
    }
    exchange(call, stamp_of(call, detail_of(reduction)));
    const int64_t length = part_size(own_count, part, index);
    if (length > 0) {
      reduce_slots(rank() * part_bytes, in + (own_begin + index * part) * element,
                   out + index * part * element, length, reduction);
    }
  }
}

// A slot begins with the sender's sizes, one per rank; a part for each rank follows. The sizes tell
// all ranks, in the first exchange, how many exchanges the longest piece of any rank needs.
void RegionCommunicator::do_all_to_all(
    const Call& call, const std::byte* in, Pieces send_bytes, std::byte* out, Pieces recv_bytes) {
  const int64_t sizes_bytes = parts_of(size() * int64_t{sizeof(int64_t)}, kLine) * kLine;
  const int64_t part = (copied_part_bytes() - sizes_bytes) / size() / kLine * kLine;
  int64_t exchanges = 1;
  for (int64_t index = 0; index < exchanges; ++index) {
    if (index == 0) std::memcpy(next_slot(), send_bytes.data(), send_bytes.size_bytes());
    const std::byte* piece_in = in;
    const std::byte* own = nullptr;
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t length = part_size(send_bytes[static_cast<size_t>(peer)], part, index);
      const std::byte* from = length > 0 ? piece_in + index * part : nullptr;
      if (peer == rank()) own = from;
      if (peer != rank()) copy_bytes(from, next_slot() + sizes_bytes + peer * part, length);
      piece_in += send_bytes[static_cast<size_t>(peer)];
    }
    CallStamp stamp = stamp_of(call, 0);
    stamp.bytes = 0;  // ranks may send different amounts
    exchange(call, stamp);
    if (index == 0) exchanges = parts_of(check_sizes(call, recv_bytes), part);
    std::byte* piece_out = out;
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t length = part_size(recv_bytes[static_cast<size_t>(peer)], part, index);
      const std::byte* from = peer == rank() ? own : slot(peer) + sizes_bytes + rank() * part;
      if (length > 0) copy_bytes(from, piece_out + index * part, length);
      piece_out += recv_bytes[static_cast<size_t>(peer)];
    }
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
  const int64_t part = copied_part_bytes();
  for (int64_t index = 0; index < parts_of(bytes, part); ++index) {
    const int64_t length = part_size(bytes, part, index);
    if (rank() == root) copy_bytes(data + index * part, next_slot(), length);
    exchange(call, {static_cast<uint32_t>(call.kind), static_cast<uint32_t>(root), bytes});
    if (rank() != root) copy_bytes(slot(root), data + index * part, length);
  }
}

void RegionCommunicator::do_barrier(const Call& call) { exchange(call, stamp_of(call, 0)); }

void RegionCommunicator::wait_for_parts(const Call& call,
                                        Progress& parts,
                                        uint64_t target,
                                        int peer) {
  switch (wait_for(call, parts, target)) {
    case WaitResult::kReached:
      return;
    case WaitResult::kCancelled:
      throw_cancelled(call.name);
    case WaitResult::kDeadline:
      throw_deadline(call, {&peer, 1});
  }
}

// An empty message is one empty part.
void RegionCommunicator::do_send(const Call& call, const std::byte* data, int64_t bytes, int to) {
  Ring& ring = memory_.ring(rank(), to);
  const auto slots = static_cast<uint64_t>(memory_.ring_slots());
  uint64_t& sent = sent_[static_cast<size_t>(to)];
  for (int64_t index = 0; index < std::max<int64_t>(1, parts_of(bytes, kRingSlotBytes)); ++index) {
    const uint64_t free_from = sent + 1 > slots ? sent + 1 - slots : 0;
    wait_for_parts(call, ring.received.parts, free_from, to);
    Ring::Slot& slot = ring.slot(static_cast<int64_t>(sent % slots));
    slot.message_bytes = bytes;
    copy_bytes(data + index * kRingSlotBytes, slot.data.data(),
               part_size(bytes, kRingSlotBytes, index));
    ring.sent.parts.publish(++sent);
  }
}

void RegionCommunicator::do_recv(const Call& call, std::byte* data, int64_t bytes, int from) {
  Ring& ring = memory_.ring(from, rank());
  const auto slots = static_cast<uint64_t>(memory_.ring_slots());
  uint64_t& received = received_[static_cast<size_t>(from)];
  for (int64_t index = 0; index < std::max<int64_t>(1, parts_of(bytes, kRingSlotBytes)); ++index) {
    wait_for_parts(call, ring.sent.parts, received + 1, from);
    const Ring::Slot& slot = ring.slot(static_cast<int64_t>(received % slots));
    if (slot.message_bytes != bytes) {
      throw_mismatch(call, from, str("sends ", slot.message_bytes, " bytes"));
    }
    copy_bytes(slot.data.data(), data + index * kRingSlotBytes,
               part_size(bytes, kRingSlotBytes, index));
    ring.received.parts.publish(++received);
  }
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
