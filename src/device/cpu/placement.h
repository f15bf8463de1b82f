// SPDX-License-Identifier: Apache-2.0
// How near two cores of this machine lie to each other at the moment.
#pragma once

#include <cstdint>
#include <string_view>

namespace partita::device {

// Nanoseconds of a word's round trip between two cores, the best of 20 ms; 0 on one core. Virtual
// cores are put on other hardware from time to time, which changes everything that two ranks or
// threads do together: compare only measurements that agree in it.
[[nodiscard]] double round_trip_ns();

// What two virtual cores are, told from their round trip. Seen on Zen 5: two threads of one core 50
// ns (together as fast as one), two cores that share a cache 110 ns (twice the arithmetic, 1.2 of
// the memory speed), two cores far apart 320 to 560 ns (twice both).
enum class Placement : uint8_t { kOneCore, kSiblings, kSharedCache, kFarApart };
[[nodiscard]] Placement placement_of(double round_trip_ns);
// "one core", "S (siblings)", "C (shared cache)", "X (far apart)"
[[nodiscard]] std::string_view to_string(Placement placement);

}  // namespace partita::device
