// SPDX-License-Identifier: Apache-2.0
// The memory that all ranks of one host see: its layout, and groups carved out of it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "comm/region/wait.h"

namespace partita::comm {

inline constexpr int kMaxRanks = 256;
// Point-to-point: each ordered pair of ranks has a ring of slots of so many bytes, at least so
// many: together they hold a message of kEagerBytes twice.
inline constexpr int64_t kLeastRingSlots = 4;
inline constexpr int64_t kRingSlotBytes = int64_t{16} << 10;

struct RegionOptions {
  // What one rank passes to all others at once: 512 rows of 2048 f32, so that the terms of a
  // prefill step can be made in a slot. Sum of 4 MB made so, 2 ranks: 195 us, through slots of 256
  // KiB 260. Only pages in use cost memory.
  int64_t slot_bytes = int64_t{4} << 20;
  // What each ring of the first group holds: messages that a sender leaves there while its receiver
  // is busy. Rings of other groups hold the least.
  int64_t ring_bytes = kLeastRingSlots * kRingSlotBytes;
  // Room for so many splits of the first group.
  int splits = 64;
  // Looks before a waiting rank yields its core; negative: by ranks and cores that the creator may
  // use.
  int spins = -1;
};

// What a rank says about its current call, so that peers notice when theirs is another.
struct CallStamp {
  uint32_t kind = 0;
  uint32_t detail = 0;
  int64_t bytes = 0;
  bool operator==(const CallStamp&) const = default;
};

// What each rank writes and all others read at every step. 128 bytes apart, because the prefetcher
// fetches lines in pairs.
struct alignas(128) RankLine {
  Progress round;
  std::array<CallStamp, 2> stamps;  // of even and odd rounds
};

// Messages of one ordered pair; its slots follow. Slot of message part n: n % slots of the ring.
struct alignas(128) RingEnd {
  Progress parts;
};
struct Ring {
  struct alignas(64) Slot {
    int64_t message_bytes;  // of the whole message, to notice sizes that do not agree
    alignas(64) std::array<std::byte, kRingSlotBytes> data;
  };
  RingEnd sent;
  RingEnd received;

  [[nodiscard]] Slot& slot(int64_t index) { return reinterpret_cast<Slot*>(this + 1)[index]; }
};

// Bytes of the parts of a group.
struct GroupShape {
  int ranks = 1;
  int64_t slot_bytes = 0;
  int64_t ring_slots = kLeastRingSlots;
};

// The memory of one group:
//   RankLine[ranks] | slot[ranks][2] of slot_bytes | Ring[from][to] with slots, each part on its
//   own
// page.
// A view: valid as long as the Region.
class GroupMemory {
 public:
  GroupMemory(std::byte* base, const GroupShape& shape);
  [[nodiscard]] static int64_t bytes_for(const GroupShape& shape);

  [[nodiscard]] RankLine& line(int rank) const;
  [[nodiscard]] std::byte* slot(int rank, uint64_t round) const;
  [[nodiscard]] int64_t slot_bytes() const { return shape_.slot_bytes; }
  [[nodiscard]] int64_t ring_slots() const { return shape_.ring_slots; }
  [[nodiscard]] Ring& ring(int from, int to) const;

 private:
  std::byte* base_;
  GroupShape shape_;
};

// A mapping of the whole region. Shared by the communicators of its ranks (one process: several
// ranks). Thread-safe but for format().
class Region {
 public:
  // Private memory of this process, formatted.
  [[nodiscard]] static std::shared_ptr<Region> make_private(int ranks,
                                                            const RegionOptions& options);
  // Maps the file behind `fd` (kept open by the caller, who may close it afterwards). Throws
  // Error(kSystem).
  Region(int fd, int64_t bytes);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  [[nodiscard]] static int64_t bytes_for(int ranks, const RegionOptions& options);
  void format(int ranks, const RegionOptions& options);
  // Throws Error(kInvalidArgument) when this is no region for `ranks` ranks or `rank` is taken
  // already.
  void attach(int rank, int ranks);

  [[nodiscard]] GroupMemory group(int64_t offset, int ranks) const;
  [[nodiscard]] GroupMemory first_group() const;
  // Offset of `bytes` fresh zeroed bytes; nothing when the region is used up. Never given back.
  [[nodiscard]] std::optional<int64_t> take(int64_t bytes);
  [[nodiscard]] int64_t slot_bytes() const;
  [[nodiscard]] int spins() const;

 private:
  struct Header;
  [[nodiscard]] Header& header() const;

  std::byte* base_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace partita::comm
