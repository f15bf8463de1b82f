// SPDX-License-Identifier: Apache-2.0
// Reductions through slots.
#include <algorithm>
#include <numeric>

#include "comm/region/parts.h"
#include "comm/region/region_communicator.h"

namespace partita::comm {
namespace {

// One-shot reads ranks * n bytes per rank after one exchange; two-shot reads 3 n after two. 256 KiB
// for two ranks is where an earlier prototype saw them meet; that more ranks meet at smaller sizes
// follows from the bytes read and is not measured.
constexpr int64_t kOneShotBytesTimesRanks = int64_t{512} << 10;

// Ranks that reduce other elements, or otherwise, must not be taken for each other.
uint32_t detail_of(Reduction reduction, bool is_narrowed) {
  constexpr int kBitsOfKind = 8;
  constexpr int kBitsOfDtype = 8;
  return static_cast<uint32_t>(reduction.kind) |
         static_cast<uint32_t>(reduction.dtype) << kBitsOfKind |
         static_cast<uint32_t>(is_narrowed) << (kBitsOfKind + kBitsOfDtype);
}

}  // namespace

CallStamp RegionCommunicator::reduction_stamp(const Call& call, Reduction reduction) const {
  return {static_cast<uint32_t>(call.kind), detail_of(reduction, is_narrowed(reduction)),
          call.payload_bytes};
}

bool RegionCommunicator::is_one_shot(int64_t bytes) const {
  const int64_t limit = identity().all_reduce.one_shot_bytes;
  return limit < 0 ? bytes * size() <= kOneShotBytesTimesRanks : bytes <= limit;
}

// Nobody reads the slot any more: all ranks have published the exchange that was last, so they have
// read what they wanted of the one before, which used this slot; wait_for() has acquired that. What
// a team of threads writes here has joined this thread before publish() releases it.
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
    const ReducedPart part{in + begin * element, out + begin * element,
                           std::min(most, count - begin), reduction};
    one_shot ? reduce_one_shot(call, part) : reduce_two_shot(call, part);
  }
}

const std::byte* RegionCommunicator::put_terms(const ReducedPart& part) {
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

void RegionCommunicator::reduce_one_shot(const Call& call, const ReducedPart& part) {
  const std::byte* own = put_terms(part);
  exchange(call, reduction_stamp(call, part.reduction));
  reduce_terms(0, own, part.out, part.count, part.reduction);
}

// Each rank reduces its share of a part and passes it to the others in a second exchange.
void RegionCommunicator::reduce_two_shot(const Call& call, const ReducedPart& part) {
  const int64_t element = size_of(part.reduction.dtype);
  const CallStamp stamp = reduction_stamp(call, part.reduction);
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
  exchange(call, reduction_stamp(call, sum));
  for (int peer = 0; peer < size(); ++peer) {
    sources_[static_cast<size_t>(peer)] = peer == rank() ? own : slot(peer);
  }
  return {sources_, is_narrowed(sum) ? DType::kBF16 : DType::kF32};
}

// The slot holds one part for each rank, which reduces it.
void RegionCommunicator::do_reduce_scatter(
    const Call& call, const std::byte* in, std::byte* out, Pieces counts, Reduction reduction) {
  const int64_t element = size_of(reduction.dtype);
  const int64_t part_bytes = copied_part_bytes() / size() / kLine * kLine;
  const int64_t part_count = part_bytes / element;
  const int64_t own_count = counts[static_cast<size_t>(rank())];
  const int64_t own_begin = std::accumulate(counts.begin(), counts.begin() + rank(), int64_t{0});
  const int64_t longest = *std::max_element(counts.begin(), counts.end());
  for (Part part{part_count}; part.begin() < longest; ++part.index) {
    put_pieces(in, counts, element, part, next_slot());
    exchange(call, {static_cast<uint32_t>(call.kind), detail_of(reduction, /*is_narrowed=*/false),
                    call.payload_bytes});
    const int64_t count = part.count_in(own_count);
    if (count == 0) continue;
    reduce_slots(rank() * part_bytes, in + (own_begin + part.begin()) * element,
                 out + part.begin() * element, count, reduction);
  }
}

}  // namespace partita::comm
