// SPDX-License-Identifier: Apache-2.0
// Where the parts of a group lie in a region.
#include "comm/region/region.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

namespace partita::comm {
namespace {

constexpr int kRanks = 3;

uintptr_t address_of(const void* place) { return reinterpret_cast<uintptr_t>(place); }

std::shared_ptr<Region> region_with(int64_t ring_slots) {
  return Region::make_private(kRanks,
                              {.slot_bytes = 4096, .ring_bytes = ring_slots * kRingSlotBytes});
}

TEST(Region, RingsAreAlignedAndApartWhateverTheirSlots) {
  for (int64_t slots = kLeastRingSlots; slots < kLeastRingSlots + 4; ++slots) {
    const auto region = region_with(slots);
    const GroupMemory group = region->first_group();
    ASSERT_EQ(group.ring_slots(), slots);
    uintptr_t free_from = address_of(group.slot(kRanks - 1, 1)) + 4096;
    for (int pair = 0; pair < kRanks * kRanks; ++pair) {
      Ring& ring = group.ring(pair / kRanks, pair % kRanks);
      EXPECT_EQ(address_of(&ring) % alignof(Ring), 0U) << slots << " slots, ring " << pair;
      EXPECT_GE(address_of(&ring), free_from) << slots << " slots, ring " << pair;
      free_from = address_of(&ring.slot(slots));
    }
    const int64_t bytes =
        GroupMemory::bytes_for({.ranks = kRanks, .slot_bytes = 4096, .ring_slots = slots});
    EXPECT_LE(free_from, address_of(&group.line(0)) + static_cast<uintptr_t>(bytes));
  }
}

}  // namespace
}  // namespace partita::comm
