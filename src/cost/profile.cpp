// SPDX-License-Identifier: Apache-2.0
#include "cost/profile.h"

#include <algorithm>

#include "support/error.h"
#include "support/json.h"
#include "support/text_file.h"

namespace partita::cost {

std::string_view to_string(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all_reduce";
    case CollectiveKind::kAllGather:
      return "all_gather";
    case CollectiveKind::kReduceScatter:
      return "reduce_scatter";
    case CollectiveKind::kAllToAll:
      return "all_to_all";
    case CollectiveKind::kSend:
      return "send";
  }
  CHECK(false, "unknown collective kind");
  return "";
}

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
  const std::string_view parent = spec::parent_axis(axis);
  if (parent != axis) return link(parent);
  if (any == nullptr) {
    std::string known;
    for (const Link& candidate : links) known += " " + candidate.axis;
    throw Error(ErrorCode::kInvalidArgument,
                str("[profile] ", name, " has no link for the mesh axis \"", axis,
                    "\"; known:", known, "; use these names or add a [[link]] to the device file"));
  }
  return *any;
}

const Device& Profile::device_of(int64_t rank) const {
  for (const DeviceKind& kind : kinds) {
    if (std::binary_search(kind.ranks.begin(), kind.ranks.end(), rank)) return kind.device;
  }
  return device;
}

Device Profile::device_of(std::span<const int> ranks) const {
  CHECK(!ranks.empty(), "the device of no rank");
  if (is_uniform()) return device;
  Device weakest = device_of(ranks.front());
  for (const int rank : ranks) weakest = weaker_of(weakest, device_of(rank));
  return weakest;
}

int64_t Profile::device_count() const {
  if (!axes.empty()) {
    int64_t product = 1;
    for (const spec::MeshAxis& axis : axes) product *= axis.size;
    return product;
  }
  int64_t sum = 0;
  for (const DeviceKind& kind : kinds) sum += static_cast<int64_t>(kind.ranks.size());
  return sum;
}

void limit_memory(Profile& profile, int64_t bytes) {
  const auto limit = [&](Device& device) {
    device.memory_bytes = bytes;
    device.reserve_bytes = std::min(device.reserve_bytes, bytes / 10);
  };
  limit(profile.device);
  for (DeviceKind& kind : profile.kinds) limit(kind.device);
}

Profile load_profile(const std::filesystem::path& path) {
  constexpr int64_t kMaxFileBytes = 1 << 20;
  return parse_profile(read_text(path, kMaxFileBytes), path.string());
}

void save_profile(const Profile& profile, const std::filesystem::path& path) {
  write_text(path, to_toml(profile));
}

}  // namespace partita::cost
