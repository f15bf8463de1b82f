// SPDX-License-Identifier: Apache-2.0
// What the planner knows of the machines: devices and the ranks that drive them, links along the
// mesh axes, measured collectives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cost/device.h"
#include "spec/mesh.h"

namespace partita::cost {

// How a device reaches its neighbours along one mesh axis.
struct Link {
  std::string axis;      // name of the mesh axis; kAnyAxis = every axis without an own link
  double latency_s = 0;  // seconds of one small message
  double bandwidth = 0;  // bytes / s per device and direction
  bool operator==(const Link&) const = default;
};
inline constexpr std::string_view kAnyAxis = "*";

// What a measured table tells the time of. kSend: one message to one other rank.
enum class CollectiveKind : uint8_t { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kSend };
[[nodiscard]] std::string_view to_string(CollectiveKind kind);  // "all_reduce", ...

// Seconds of a collective at one size. `bytes` is the payload of one rank on its larger side: the
// result of an all_gather, the input of the others, the message of a send.
struct CollectivePoint {
  int64_t bytes = 0;
  double seconds = 0;
  bool operator==(const CollectivePoint&) const = default;
};

// Measured times of one collective over a group of `ranks` ranks along `axis`, bytes ascending.
struct CollectiveTable {
  CollectiveKind kind = CollectiveKind::kAllReduce;
  std::string transport;  // "shm", "mpi", ...
  std::string axis;       // as in Link
  int64_t ranks = 2;
  std::vector<CollectivePoint> points;
  // all_reduce only: the largest payload for which one exchange was faster than two (see
  // comm/all_reduce.h); kNotMeasured where nobody has compared them.
  int64_t one_shot_bytes = kNotMeasured;
  static constexpr int64_t kNotMeasured = -1;
  bool operator==(const CollectiveTable&) const = default;
};

// Value type; never has a silent default: it is read from a file or measured.
struct Profile {
  std::string name;
  std::vector<spec::MeshAxis> axes;  // of the described mesh; empty when the ranks are not arranged
  // The device of every rank when `kinds` is empty; else the weakest of all kinds (weaker_of), so
  // that who does not look at the kinds promises nothing that a rank cannot keep.
  Device device;
  std::vector<DeviceKind> kinds = {};  // unlike devices; empty = all ranks are alike
  std::vector<Link> links;
  std::vector<CollectiveTable> collectives = {};
  // Of a word between two cores while this was measured, see device/cpu/placement.h; 0 = unknown.
  // Virtual cores are moved, and what two ranks do together changes with it.
  double round_trip_ns = 0;
  bool operator==(const Profile&) const = default;

  // "name@xxxxxxxx": changes with every number of the profile.
  [[nodiscard]] std::string id() const;
  // The link along the axis of that name; throws kInvalidArgument when the profile has none.
  [[nodiscard]] const Link& link(std::string_view axis) const;
  // The rate of `device` for operands of `dtype`.
  [[nodiscard]] double flops(DType dtype) const { return device.flops(dtype); }
  // Whether every rank drives the same kind of device.
  [[nodiscard]] bool is_uniform() const { return kinds.empty(); }
  // The device of a rank, numbered through the described mesh; `device` for ranks that no kind
  // lists.
  [[nodiscard]] const Device& device_of(int64_t rank) const;
  // The weakest of the devices of `ranks`: what ranks that work in step can count on. Not empty.
  [[nodiscard]] Device device_of(std::span<const int> ranks) const;
  // How many devices are described; 0 when any number of ranks may be planned for.
  [[nodiscard]] int64_t device_count() const;
};

// Bounds the memory of all devices; the reserve becomes at most a tenth of it.
void limit_memory(Profile& profile, int64_t bytes);

// The text form of docs/formats/devices.md (TOML). parse_profile() refuses unknown keys, missing
// keys and numbers outside their range with kInvalidFile, naming `what`, the key and the rule.
[[nodiscard]] std::string to_toml(const Profile& profile);
[[nodiscard]] Profile parse_profile(std::string_view text, std::string_view what);

// parse_profile() of a whole file; throws kNotFound when it cannot be read.
[[nodiscard]] Profile load_profile(const std::filesystem::path& path);
// Readers never see half a file. Throws kSystem; then nothing new stays on disk.
void save_profile(const Profile& profile, const std::filesystem::path& path);

}  // namespace partita::cost
