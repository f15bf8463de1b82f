// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any text as a profile of devices is refused with an Error or reads, prints and reads
// back to the same text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cost/profile.h"
#include "support/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace partita;
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const cost::Profile profile = cost::parse_profile(text, "profile.toml");
    const std::string written = cost::to_toml(profile);
    if (cost::to_toml(cost::parse_profile(written, "written")) != written) std::abort();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
