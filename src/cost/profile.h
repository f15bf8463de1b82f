// SPDX-License-Identifier: Apache-2.0
// What the planner knows of the machines: memory and speed of a device, links along the mesh axes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "spec/mesh.h"
#include "support/dtype.h"

namespace partita::cost {

// One device (all devices of a profile are alike). Rates are those a well written kernel reaches.
struct Device {
  int64_t memory_bytes = 0;
  int64_t reserve_bytes = 0;    // kept free for libraries and the system
  double memory_bandwidth = 0;  // bytes / s
  double f32_flops = 0;         // floating-point operations / s on f32 operands
  double bf16_flops = 0;        // the same on bf16 operands
  double launch_s = 0;          // seconds to start one operator or collective
  bool operator==(const Device&) const = default;
};

// How a device reaches its neighbours along one mesh axis.
struct Link {
  std::string axis;      // name of the mesh axis; kAnyAxis = every axis without an own link
  double latency_s = 0;  // seconds of one small message
  double bandwidth = 0;  // bytes / s per device and direction
  bool operator==(const Link&) const = default;
};
inline constexpr std::string_view kAnyAxis = "*";

// Value type; never has a silent default: it is read from a file or measured.
struct Profile {
  std::string name;
  std::vector<spec::MeshAxis> axes;  // of the described mesh; empty when the ranks are not arranged
  Device device;
  std::vector<Link> links;
  bool operator==(const Profile&) const = default;

  // "name@xxxxxxxx": changes with every number of the profile.
  [[nodiscard]] std::string id() const;
  // The link along the axis of that name; throws kInvalidArgument when the profile has none.
  [[nodiscard]] const Link& link(std::string_view axis) const;
  // The rate for operands of `dtype`: bf16 and f16 share one.
  [[nodiscard]] double flops(DType dtype) const;
};

// The text form of docs/formats/devices.md (TOML). parse_profile() refuses unknown keys, missing
// keys and numbers outside their range with kInvalidFile, naming `what`, the key and the rule.
[[nodiscard]] std::string to_toml(const Profile& profile);
[[nodiscard]] Profile parse_profile(std::string_view text, std::string_view what);

// parse_profile() of a whole file; throws kNotFound when it cannot be read.
[[nodiscard]] Profile load_profile(const std::filesystem::path& path);
// Writes through a temporary file and rename, so that readers never see half a file. Throws
// kSystem.
void save_profile(const Profile& profile, const std::filesystem::path& path);

}  // namespace partita::cost
