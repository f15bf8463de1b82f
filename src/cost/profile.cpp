// SPDX-License-Identifier: Apache-2.0
#include "cost/profile.h"

#include <unistd.h>

#include <fstream>

#include "support/error.h"
#include "support/json.h"

namespace partita::cost {

std::string Profile::id() const {
  uint32_t hash = 0x811c9dc5U;  // FNV-1a, 32 bits: offset basis and prime
  for (const char c : to_toml(*this)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193U;
  std::string digits(8, '0');
  for (size_t i = 0; i < digits.size(); ++i) {
    digits[i] = "0123456789abcdef"[(hash >> (28 - 4 * i)) & 0xfU];
  }
  return name + "@" + digits;
}

const Link& Profile::link(std::string_view axis) const {
  const Link* any = nullptr;
  for (const Link& candidate : links) {
    if (candidate.axis == axis) return candidate;
    if (candidate.axis == kAnyAxis) any = &candidate;
  }
  if (any == nullptr) {
    std::string known;
    for (const Link& candidate : links) known += " " + candidate.axis;
    throw Error(ErrorCode::kInvalidArgument,
                str("[profile] ", name, " has no link for the mesh axis \"", axis,
                    "\"; known:", known, "; use these names or add a [[link]] to the device file"));
  }
  return *any;
}

double Profile::flops(DType dtype) const {
  return dtype == DType::kBF16 || dtype == DType::kF16 ? device.bf16_flops : device.f32_flops;
}

Profile load_profile(const std::filesystem::path& path) {
  constexpr int64_t kMaxFileBytes = 1 << 20;
  return parse_profile(read_text(path, kMaxFileBytes), path.string());
}

void save_profile(const Profile& profile, const std::filesystem::path& path) {
  const std::filesystem::path temporary = path.string() + str(".", getpid(), ".tmp");
  std::ofstream out(temporary, std::ios::binary);
  out << to_toml(profile);
  out.close();
  std::error_code failure;
  if (out) std::filesystem::rename(temporary, path, failure);
  if (!out || failure) {
    throw Error(ErrorCode::kSystem, str("[profile] cannot write ", path.string(),
                                        "; check the folder, its permissions and the free space"));
  }
}

}  // namespace partita::cost
