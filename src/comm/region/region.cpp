// SPDX-License-Identifier: Apache-2.0
// Layout and mapping of the shared region.
#include "comm/region/region.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "support/error.h"

namespace partita::comm {
namespace {

constexpr uint64_t kMagic = 0x3161746974726170;  // "partita1" in memory order
constexpr int64_t kPage = 4096;
// all_to_all keeps one size and one cache line per rank in a slot; below this nothing fits.
constexpr int64_t kLeastSlotBytesPerRank = 128;

constexpr int64_t round_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

int64_t lines_bytes(int ranks) { return round_up(ranks * int64_t{sizeof(RankLine)}, kPage); }

int64_t slots_bytes(int ranks, int64_t slot_bytes) { return int64_t{2} * ranks * slot_bytes; }

// Whole units of a ring's alignment, so that the ring behind one with an odd number of slots has it
// as well.
int64_t ring_bytes(const GroupShape& shape) {
  const int64_t slots = shape.ring_slots * int64_t{sizeof(Ring::Slot)};
  return round_up(int64_t{sizeof(Ring)} + slots, alignof(Ring));
}

void check_options(int ranks, const RegionOptions& options) {
  if (ranks < 1 || ranks > kMaxRanks) {
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[comm] a group of ", ranks, " ranks on one host; 1 to ", kMaxRanks, " are possible"));
  }
  CHECK(options.slot_bytes % 64 == 0 && options.slot_bytes >= kLeastSlotBytesPerRank * ranks,
        "slots of ", options.slot_bytes, " bytes for ", ranks, " ranks");
  CHECK(options.splits >= 0, options.splits);
  CHECK(options.ring_bytes >= kLeastRingSlots * kRingSlotBytes, options.ring_bytes);
}

GroupShape first_shape(int ranks, const RegionOptions& options) {
  const int64_t ring_slots = (options.ring_bytes + kRingSlotBytes - 1) / kRingSlotBytes;
  return {.ranks = ranks, .slot_bytes = options.slot_bytes, .ring_slots = ring_slots};
}

}  // namespace

struct Region::Header {
  uint64_t magic;
  int32_t ranks;
  int32_t spins;
  int64_t slot_bytes;
  int64_t ring_slots;  // of the first group
  std::atomic<int64_t> used;
  std::array<std::atomic<uint8_t>, kMaxRanks> taken;
};

GroupMemory::GroupMemory(std::byte* base, const GroupShape& shape) : base_(base), shape_(shape) {}

int64_t GroupMemory::bytes_for(const GroupShape& shape) {
  const int64_t rings = int64_t{shape.ranks} * shape.ranks * ring_bytes(shape);
  return lines_bytes(shape.ranks) + round_up(slots_bytes(shape.ranks, shape.slot_bytes), kPage) +
         round_up(rings, kPage);
}

RankLine& GroupMemory::line(int rank) const { return reinterpret_cast<RankLine*>(base_)[rank]; }

std::byte* GroupMemory::slot(int rank, uint64_t round) const {
  const auto parity = static_cast<int64_t>(round % 2);
  return base_ + lines_bytes(shape_.ranks) + (2 * rank + parity) * shape_.slot_bytes;
}

Ring& GroupMemory::ring(int from, int to) const {
  const int64_t begin =
      lines_bytes(shape_.ranks) + round_up(slots_bytes(shape_.ranks, shape_.slot_bytes), kPage);
  const int64_t index = int64_t{from} * shape_.ranks + to;
  return *reinterpret_cast<Ring*>(base_ + begin + index * ring_bytes(shape_));
}

Region::Region(int fd, int64_t bytes) : bytes_(bytes) {
  const int sharing = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* base = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                    sharing | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) {
    throw Error(ErrorCode::kSystem, str("[comm] cannot map ", bytes,
                                        " bytes of shared memory: ", std::strerror(errno)));
  }
  base_ = static_cast<std::byte*>(base);
  madvise(base, static_cast<size_t>(bytes), MADV_DONTDUMP);  // a hint: keeps core files small
}

Region::~Region() { munmap(base_, static_cast<size_t>(bytes_)); }

std::shared_ptr<Region> Region::make_private(int ranks, const RegionOptions& options) {
  auto region = std::make_shared<Region>(-1, bytes_for(ranks, options));
  region->format(ranks, options);
  return region;
}

int64_t Region::bytes_for(int ranks, const RegionOptions& options) {
  check_options(ranks, options);
  // Groups of one split are at most as large together as the group they split.
  const int64_t split = GroupMemory::bytes_for({.ranks = ranks, .slot_bytes = options.slot_bytes});
  return kPage + GroupMemory::bytes_for(first_shape(ranks, options)) + options.splits * split;
}

void Region::format(int ranks, const RegionOptions& options) {
  static_assert(sizeof(Header) <= kPage);
  Header& head = header();
  head.ranks = ranks;
  head.spins = options.spins < 0 ? default_spins(ranks) : options.spins;
  head.slot_bytes = options.slot_bytes;
  head.ring_slots = first_shape(ranks, options).ring_slots;
  head.used.store(kPage + GroupMemory::bytes_for(first_shape(ranks, options)));
  head.magic = kMagic;
}

void Region::attach(int rank, int ranks) {
  Header& head = header();
  if (bytes_ < kPage || head.magic != kMagic || head.ranks != ranks || rank < 0 || rank >= ranks ||
      bytes_ < head.used.load()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[comm] rank ", rank, " of ", ranks, " cannot use this shared memory: ",
            bytes_ >= kPage && head.magic == kMagic ? str("it was made for ", head.ranks, " ranks")
                                                    : std::string("it is no region of partita"),
            "; pass the descriptor that the launcher made for this group"));
  }
  if (head.taken[static_cast<size_t>(rank)].exchange(1) != 0) {
    throw Error(ErrorCode::kInvalidArgument, str("[comm] rank ", rank, " of ", ranks,
                                                 " is already in this shared memory; start each "
                                                 "rank once, a restart needs a new group"));
  }
}

GroupMemory Region::group(int64_t offset, int ranks) const {
  return {base_ + offset, {.ranks = ranks, .slot_bytes = header().slot_bytes}};
}

GroupMemory Region::first_group() const {
  const Header& head = header();
  return {base_ + kPage,
          {.ranks = head.ranks, .slot_bytes = head.slot_bytes, .ring_slots = head.ring_slots}};
}

std::optional<int64_t> Region::take(int64_t bytes) {
  std::atomic<int64_t>& used = header().used;
  int64_t offset = used.load();
  while (offset + bytes <= bytes_) {
    if (used.compare_exchange_weak(offset, offset + bytes)) return offset;
  }
  return std::nullopt;
}

int64_t Region::slot_bytes() const { return header().slot_bytes; }

int Region::spins() const { return header().spins; }

Region::Header& Region::header() const { return *reinterpret_cast<Header*>(base_); }

}  // namespace partita::comm
