// SPDX-License-Identifier: Apache-2.0
#include "cost/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cost/local_profile.h"
#include "cost/profile_for_mesh.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::cost {
namespace {

std::filesystem::path device_file(const std::string& name) {
  return std::filesystem::path(PARTITA_SOURCE_DIR) / "tests/data/devices" / name;
}

// The text of a good file with `from` replaced by `to`.
std::string changed(const std::string& from, const std::string& to) {
  std::string text = read_text(device_file("h100-4x8.toml"));
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

void expect_refused(const std::string& text, const std::string& message) {
  try {
    (void)parse_profile(text, "devices.toml");
    ADD_FAILURE() << "accepted; expected: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    EXPECT_THAT(error.what(), testing::HasSubstr(message));
    EXPECT_THAT(error.what(), testing::HasSubstr("devices.toml"));
  }
}

TEST(Profile, ReadsADeviceFile) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  EXPECT_EQ(profile.name, "h100-4x8");
  EXPECT_EQ(profile.axes, (std::vector<spec::MeshAxis>{{"host", 4}, {"gpu", 8}}));
  EXPECT_EQ(profile.device.memory_bytes, 80'000'000'000);
  EXPECT_EQ(profile.device.reserve_bytes, 2'000'000'000);
  EXPECT_DOUBLE_EQ(profile.device.memory_bandwidth, 3.35e12);
  EXPECT_DOUBLE_EQ(profile.flops(DType::kBF16), 989e12);
  EXPECT_DOUBLE_EQ(profile.flops(DType::kF32), 67e12);
  EXPECT_DOUBLE_EQ(profile.device.launch_s, 5e-6);
  EXPECT_DOUBLE_EQ(profile.link("gpu").bandwidth, 450e9);
  EXPECT_DOUBLE_EQ(profile.link("host").latency_s, 5e-6);
}

TEST(Profile, WrittenProfileReadsBackEqual) {
  for (const auto& entry : std::filesystem::directory_iterator(device_file(""))) {
    const Profile profile = load_profile(entry.path());
    const std::string text = to_toml(profile);
    const Profile again = parse_profile(text, "again");
    EXPECT_EQ(to_toml(again), text);
    EXPECT_EQ(again.id(), profile.id());
  }
}

TEST(Profile, IdChangesWithEveryNumber) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  Profile other = profile;
  other.links[1].latency_s *= 2;
  EXPECT_NE(other.id(), profile.id());
}

TEST(Profile, RefusesUnknownKeysAndAbsurdNumbers) {
  expect_refused(changed("launch_us", "lunch_us"), "lunch_us");
  expect_refused(changed("memory_gb = 80.0", "memory_gb = 0.0"), "memory_gb");
  expect_refused(changed("tflops_bf16 = 989.0", "tflops_bf16 = 989e12"), "tflops_bf16");
  expect_refused(changed("tflops_bf16 = 989.0", "tflops_bf16 = nan"), "tflops_bf16");
  expect_refused(changed("tflops_f32 = 67.0", ""), "tflops_f32");
  expect_refused(changed("reserve_gb = 2.0", "reserve_gb = 80.0"), "reserve_gb");
  expect_refused(changed("size = 8", "size = 0"), "size");
  expect_refused(changed("name = \"gpu\"", "name = \"host\""), "twice");
  expect_refused(changed("axis = \"gpu\"", "axis = \"gpus\""), "names no axis");
  expect_refused(changed("axis = \"gpu\"", "axis = \"host\""), "given twice");
  expect_refused(changed("bandwidth_gbps = 50.0", "bandwidth_gbps = \"fast\""), "bandwidth_gbps");
  expect_refused("name = ", "line 1");
  expect_refused("", "name");
}

TEST(Profile, UnknownAxisNamesTheKnownOnes) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  try {
    (void)profile.link("tp");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(error.what(), testing::HasSubstr("host gpu"));
  }
}

TEST(ProfileForMesh, AnAxisGetsTheSlowestLinkItSpans) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  const auto link = [&](const char* mesh, const char* axis) {
    return profile_for_mesh(profile, spec::Mesh::parse(mesh)).link(axis).bandwidth;
  };
  EXPECT_EQ(link("tp=8", "tp"), 450e9);
  EXPECT_EQ(link("tp=16", "tp"), 50e9);
  EXPECT_EQ(link("pp=4,tp=8", "pp"), 50e9);
  EXPECT_EQ(link("pp=4,tp=8", "tp"), 450e9);
  EXPECT_EQ(link("pp=2,tp=4", "pp"), 450e9);
  EXPECT_EQ(link("pp=2,gpu=8", "gpu"), 450e9);
  EXPECT_THROW((void)link("tp=64", "tp"), Error);
}

TEST(LocalProfile, IsMeasuredWithinItsRangesAndSurvivesAFile) {
  const Profile profile = measure_local_profile(2);
  EXPECT_GT(profile.device.memory_bytes, 1 << 26);
  EXPECT_GT(profile.device.memory_bandwidth, 1e7);
  EXPECT_GT(profile.device.f32_flops, 1e7);
  EXPECT_GT(profile.device.bf16_flops, 1e7);
  EXPECT_GT(profile.link("tp").latency_s, 0);
  const auto path = std::filesystem::temp_directory_path() / "partita_local_profile_test.toml";
  save_profile(profile, path);
  EXPECT_EQ(load_profile(path), profile);
  std::filesystem::remove(path);
  EXPECT_THROW((void)measure_local_profile(0), Error);
}

}  // namespace
}  // namespace partita::cost
