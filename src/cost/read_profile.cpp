// SPDX-License-Identifier: Apache-2.0
// Device files: a profile from TOML, strict.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "cost/profile.h"
#include "cost/profile_keys.h"
#include "support/error.h"

namespace partita::cost {
namespace {

constexpr int64_t kMaxRanks = 65536;
constexpr std::array<CollectiveKind, 5> kCollectiveKinds = {
    CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter,
    CollectiveKind::kAllToAll, CollectiveKind::kSend};

std::vector<spec::MeshAxis> axes_of(const TomlFields& mesh) {
  mesh.allow_only({"axes"});
  if (!mesh.has("axes")) mesh.refuse("key \"axes\" of [mesh]", "must be a list of { name, size }");
  std::vector<spec::MeshAxis> axes;
  for (const TomlFields& axis : mesh.tables("axes", "{ name, size }")) {
    axis.allow_only({"name", "size"});
    axes.push_back({axis.name("name"), axis.integer("size", 1, kMaxRanks)});
    for (size_t i = 0; i + 1 < axes.size(); ++i) {
      if (axes[i].name == axes.back().name) {
        axis.refuse(str("axis \"", axes.back().name, "\""), "is listed twice");
      }
    }
  }
  return axes;
}

DType float_dtype(const TomlFields& kernel) {
  const auto dtype = parse_dtype(kernel.name("dtype"));
  const bool is_plain = dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
  if (!dtype || (!is_plain && !is_block_type(*dtype))) {
    kernel.refuse("key \"dtype\" of [[device.kernel]]",
                  "must be \"f32\", \"bf16\", \"f16\", \"q8_0\" or \"q4_0\"");
  }
  return *dtype;
}

std::vector<KernelRates> kernels_of(const TomlFields& device) {
  std::vector<KernelRates> kernels;
  for (const TomlFields& table : device.tables("kernel", "[[device.kernel]]")) {
    table.allow_only({"op", "dtype", "ranks", kLaunch.key, kRowsRate.key});
    KernelRates kernel;
    kernel.op = table.name("op");
    kernel.dtype = float_dtype(table);
    if (table.has("ranks")) kernel.ranks = table.integer("ranks", 1, kMaxRanks);
    if (table.has(kLaunch.key)) kernel.launch_s = table.number(kLaunch);
    for (const auto& [rows, flops] : table.pairs(kRowsRate)) kernel.points.push_back({rows, flops});
    for (const KernelRates& other : kernels) {
      if (other.op == kernel.op && other.dtype == kernel.dtype && other.ranks == kernel.ranks) {
        table.refuse(str("[[device.kernel]] of op \"", kernel.op, "\""), "is given twice");
      }
    }
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

std::vector<CacheLevel> caches_of(const TomlFields& device) {
  std::vector<CacheLevel> caches;
  for (const TomlFields& table : device.tables("cache", "[[device.cache]]")) {
    table.allow_only({kCacheSize.key, kCacheBandwidth.key});
    caches.push_back({std::llround(table.number(kCacheSize)), table.number(kCacheBandwidth)});
    if (caches.size() > 1 && caches.back().bytes <= caches[caches.size() - 2].bytes) {
      table.refuse("[[device.cache]]", "must be ordered by size, the smallest first");
    }
  }
  return caches;
}

Device numbers_of(const TomlFields& table) {
  Device device;
  device.memory_bytes = std::llround(table.number(kMemory));
  device.reserve_bytes = std::llround(table.number(kReserve));
  device.memory_bandwidth = table.number(kMemoryBandwidth);
  device.f32_flops = table.number(kF32);
  device.bf16_flops = table.number(kBf16);
  device.launch_s = table.number(kLaunch);
  if (device.reserve_bytes >= device.memory_bytes) {
    table.refuse("key \"reserve_gb\"", "must be below memory_gb");
  }
  if (table.has(kSharedBandwidth.key)) {
    for (const auto& [ranks, bandwidth] : table.pairs(kSharedBandwidth)) {
      device.shared_bandwidth.push_back({ranks, bandwidth});
    }
  }
  device.caches = caches_of(table);
  device.kernels = kernels_of(table);
  return device;
}

Device only_device(const TomlFields& table) {
  table.allow_only({kMemory.key, kReserve.key, kMemoryBandwidth.key, kF32.key, kBf16.key,
                    kLaunch.key, kSharedBandwidth.key, "cache", "kernel"});
  return numbers_of(table);
}

// "count = 4": the next four ranks; "ranks = [0, 2]": these.
std::vector<int> ranks_of(const TomlFields& table, int next_rank) {
  if (table.has("count") == table.has("ranks")) {
    table.refuse("[[device]]", "must have either the key \"count\" or the key \"ranks\"");
  }
  if (table.has("ranks")) {
    std::vector<int> ranks;
    for (const int64_t rank : table.integers("ranks", 0, kMaxRanks - 1)) {
      ranks.push_back(static_cast<int>(rank));
    }
    return ranks;
  }
  std::vector<int> ranks(static_cast<size_t>(table.integer("count", 1, kMaxRanks)));
  for (int& rank : ranks) rank = next_rank++;
  return ranks;
}

void check_all_ranks(const TomlFields& root, const Profile& profile) {
  std::vector<int> ranks;
  for (const DeviceKind& kind : profile.kinds) {
    ranks.insert(ranks.end(), kind.ranks.begin(), kind.ranks.end());
  }
  std::sort(ranks.begin(), ranks.end());
  const int64_t expected = profile.device_count();
  bool is_complete = static_cast<int64_t>(ranks.size()) == expected;
  for (size_t i = 0; i < ranks.size(); ++i) {
    is_complete = is_complete && ranks[i] == static_cast<int>(i);
  }
  if (!is_complete) {
    root.refuse("[[device]]", str("must give every rank of 0 .. ", expected - 1,
                                  " one device; found ", ranks.size(), " ranks"));
  }
}

void read_kinds(const TomlFields& root, Profile& profile) {
  int next_rank = 0;
  for (const TomlFields& table : root.tables("device", "[[device]]")) {
    table.allow_only({"name", "count", "ranks", kMemory.key, kReserve.key, kMemoryBandwidth.key,
                      kF32.key, kBf16.key, kLaunch.key, kSharedBandwidth.key, "cache", "kernel"});
    DeviceKind kind = {table.name("name"), ranks_of(table, next_rank), numbers_of(table)};
    next_rank = kind.ranks.back() + 1;
    const bool is_first = profile.kinds.empty();
    profile.device = is_first ? kind.device : weaker_of(profile.device, kind.device);
    for (const DeviceKind& other : profile.kinds) {
      if (other.name == kind.name) {
        table.refuse(str("[[device]] \"", kind.name, "\""), "is given twice");
      }
    }
    profile.kinds.push_back(std::move(kind));
  }
  if (profile.kinds.empty()) root.refuse("[[device]]", "is missing; expected one per kind");
  check_all_ranks(root, profile);
}

void check_axis(const TomlFields& table, const std::string& axis, const Profile& profile) {
  const bool is_known = std::any_of(profile.axes.begin(), profile.axes.end(),
                                    [&](const auto& known) { return known.name == axis; });
  if (!is_known && axis != kAnyAxis) {
    table.refuse(str("axis \"", axis, "\""), "names no axis of [mesh]");
  }
}

void read_links(const TomlFields& root, Profile& profile) {
  for (const TomlFields& table : root.tables("link", "[[link]]")) {
    table.allow_only({"axis", kLatency.key, kBandwidth.key});
    Link link = {table.name("axis", kAnyAxis), table.number(kLatency), table.number(kBandwidth)};
    for (const Link& other : profile.links) {
      if (other.axis == link.axis) {
        table.refuse(str("[[link]] of axis \"", link.axis, "\""), "is given twice");
      }
    }
    check_axis(table, link.axis, profile);
    profile.links.push_back(std::move(link));
  }
  if (profile.links.empty()) root.refuse("[[link]]", "is missing; expected one per axis");
  for (const auto& axis : profile.axes) {
    const bool has_link = std::any_of(
        profile.links.begin(), profile.links.end(),
        [&](const Link& link) { return link.axis == axis.name || link.axis == kAnyAxis; });
    if (!has_link) root.refuse(str("axis \"", axis.name, "\""), "has no [[link]]");
  }
}

CollectiveKind kind_of(const TomlFields& table) {
  const std::string name = table.name("kind");
  std::string known;
  for (const CollectiveKind kind : kCollectiveKinds) {
    if (to_string(kind) == name) return kind;
    known += str(known.empty() ? "" : ", ", to_string(kind));
  }
  table.refuse("key \"kind\" of [[collective]]", str("is \"", name, "\"; expected one of ", known));
}

constexpr int64_t kMaxOneShotBytes = int64_t{1} << 40;

void read_collectives(const TomlFields& root, Profile& profile) {
  for (const TomlFields& table : root.tables("collective", "[[collective]]")) {
    table.allow_only({"kind", "transport", "axis", "ranks", "one_shot_bytes", kBytesTime.key});
    CollectiveTable result = {kind_of(table),
                              table.name("transport"),
                              table.has("axis") ? table.name("axis", kAnyAxis) : "*",
                              table.integer("ranks", 2, kMaxRanks),
                              {}};
    check_axis(table, result.axis, profile);
    if (table.has("one_shot_bytes")) {
      if (result.kind != CollectiveKind::kAllReduce) {
        table.refuse("key \"one_shot_bytes\"", "belongs to kind = \"all_reduce\" only");
      }
      result.one_shot_bytes = table.integer("one_shot_bytes", 0, kMaxOneShotBytes);
    }
    for (const auto& [bytes, seconds] : table.pairs(kBytesTime)) {
      result.points.push_back({bytes, seconds});
    }
    for (const CollectiveTable& other : profile.collectives) {
      if (other.kind == result.kind && other.transport == result.transport &&
          other.axis == result.axis && other.ranks == result.ranks) {
        table.refuse(str("[[collective]] \"", to_string(result.kind), "\""), "is given twice");
      }
    }
    profile.collectives.push_back(std::move(result));
  }
}

}  // namespace

Profile parse_profile(std::string_view text, std::string_view what) {
  const Json json = parse_toml(text, what);
  const TomlFields root(json, what, "the file");
  root.allow_only({"name", kRoundTrip.key, "mesh", "device", "link", "collective"});
  Profile profile;
  profile.name = root.name("name");
  if (root.has(kRoundTrip.key)) profile.round_trip_ns = root.number(kRoundTrip);
  profile.axes = axes_of(root.table("mesh", "[mesh]"));
  if (root.has("device") && root.is_list("device")) {
    read_kinds(root, profile);
  } else {
    profile.device = only_device(root.table("device", "[device]"));
  }
  read_links(root, profile);
  read_collectives(root, profile);
  return profile;
}

}  // namespace partita::cost
