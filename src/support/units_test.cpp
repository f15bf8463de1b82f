// SPDX-License-Identifier: Apache-2.0
#include "support/units.h"

#include <gtest/gtest.h>

namespace partita {
namespace {

TEST(Units, BytesUsePowersOf1024) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(int64_t{5} << 40), "5.0 TiB");
}

TEST(Units, SecondsPickTheReadableUnit) {
  EXPECT_EQ(format_seconds(0), "0 ns");
  EXPECT_EQ(format_seconds(3.4e-6), "3.4 us");
  EXPECT_EQ(format_seconds(0.0251), "25.10 ms");
  EXPECT_EQ(format_seconds(90), "90.00 s");
}

}  // namespace
}  // namespace partita
