// SPDX-License-Identifier: Apache-2.0
// Names of instruction levels, and what PARTITA_CPU may ask for.
#include "device/cpu/instructions.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::device {
namespace {

TEST(Instructions, TakesTheHighestLevelUnlessALowerOneIsNamed) {
  EXPECT_EQ(instructions_named("", Instructions::kAvx2), Instructions::kAvx2);
  for (const Instructions level :
       {Instructions::kPortable, Instructions::kAvx2, Instructions::kAvx512}) {
    EXPECT_EQ(instructions_named(to_string(level), Instructions::kAvx512), level);
  }
}

TEST(Instructions, RefusesUnknownNamesAndLevelsThatTheProcessorLacks) {
  for (const char* name : {"sse", "AVX2", "avx512", " "}) {
    try {
      (void)instructions_named(name, Instructions::kAvx2);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    }
  }
}

TEST(Instructions, UsableAreNeverAboveTheSupported) {
  EXPECT_LE(usable_instructions(), supported_instructions());
}

}  // namespace
}  // namespace partita::device
