// SPDX-License-Identifier: Apache-2.0
#include "cost/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "cost/collective_table.h"
#include "cost/profile_for_mesh.h"
#include "cost/wire.h"
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

// The blocks of TOML in docs/formats/devices.md.
std::vector<std::string> documented_blocks() {
  const std::string text =
      read_text(std::filesystem::path(PARTITA_SOURCE_DIR) / "docs/formats/devices.md");
  const std::string begin = "```toml\n";
  std::vector<std::string> blocks;
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    at += begin.size();
    blocks.push_back(text.substr(at, text.find("```", at) - at));
  }
  return blocks;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
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

TEST(Profile, TheExamplesOfTheDocumentationAreRead) {
  const std::vector<std::string> blocks = documented_blocks();
  ASSERT_EQ(blocks.size(), 3U);
  EXPECT_EQ(parse_profile(blocks[0], "the first example").device_count(), 32);
  const std::string other_keys =
      "memory_bandwidth_gbps = 10.0\ntflops_f32 = 1.0\ntflops_bf16 = 1.0\nlaunch_us = 5.0\n"
      "reserve_gb = 2.0\n";
  const std::string unlike =
      replaced(replaced(blocks[1], "# ... and the other keys of [device]\n", "\n" + other_keys),
               "# ...\n", "\n" + other_keys);
  const std::string head =
      "name = \"x\"\n[mesh]\naxes = [ { name = \"gpu\", size = 8 } ]\n"
      "[[link]]\naxis = \"*\"\nlatency_us = 1.0\nbandwidth_gbps = 50.0\n";
  EXPECT_EQ(parse_profile(head + unlike, "unlike devices").device_count(), 8);
  // The tables continue the device of the first example.
  const std::string tables = replaced(blocks[2], "[device]\n", "");
  const size_t line_end = tables.find('\n') + 1;
  const std::string link = "[[link]]                         # one per axis";
  const std::string with_line = replaced(blocks[0], link, tables.substr(0, line_end) + link);
  ASSERT_NE(with_line, blocks[0]);
  const Profile profile = parse_profile(with_line + tables.substr(line_end), "measured tables");
  EXPECT_EQ(profile.collectives.size(), 1U);
  EXPECT_EQ(profile.device.caches.size(), 1U);
}

TEST(Profile, EveryDescribedMachineReadsBackEqual) {
  std::vector<std::filesystem::path> files;
  const std::filesystem::path shipped = std::filesystem::path(PARTITA_SOURCE_DIR) / "devices";
  for (const auto& folder : {device_file(""), shipped}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files.push_back(entry.path());
    }
  }
  EXPECT_GE(files.size(), 10);
  for (const auto& file : files) {
    const Profile profile = load_profile(file);
    EXPECT_EQ(profile.name, file.stem());
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

constexpr const char* kMixed = R"(
name = "mixed"
[mesh]
axes = [ { name = "host", size = 2 }, { name = "gpu", size = 2 } ]
[[device]]
name = "fast"
count = 2
memory_gb = 80.0
memory_bandwidth_gbps = 2000.0
tflops_f32 = 20.0
tflops_bf16 = 300.0
launch_us = 5.0
reserve_gb = 2.0
ranks_gbps = [[1, 2000.0], [2, 1500.0]]
[[device.cache]]
size_mb = 1.0
bandwidth_gbps = 9000.0
[[device.cache]]
size_mb = 50.0
bandwidth_gbps = 5000.0
[[device.kernel]]
op = "linear"
dtype = "bf16"
launch_us = 3.0
rows_gflops = [[1, 1000.0], [512, 250000.0]]
[[device]]
name = "slow"
ranks = [2, 3]
memory_gb = 40.0
memory_bandwidth_gbps = 1000.0
tflops_f32 = 10.0
tflops_bf16 = 400.0
launch_us = 6.0
reserve_gb = 1.0
[[link]]
axis = "*"
latency_us = 2.0
bandwidth_gbps = 100.0
[[collective]]
kind = "all_reduce"
transport = "shm"
axis = "gpu"
ranks = 2
bytes_us = [[1024, 2.0], [1048576, 30.0]]
)";

std::string changed_mixed(const std::string& from, const std::string& to) {
  std::string text = kMixed;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Profile, UnlikeDevicesAreKnownByRank) {
  const Profile profile = parse_profile(kMixed, "mixed");
  EXPECT_FALSE(profile.is_uniform());
  EXPECT_EQ(profile.device_count(), 4);
  EXPECT_EQ(profile.device_of(1).memory_bytes, 80'000'000'000);
  EXPECT_EQ(profile.device_of(2).memory_bytes, 40'000'000'000);
  // Without looking at kinds, and for a group of both: the weakest of every number.
  const std::vector<int> both = {1, 2};
  EXPECT_EQ(profile.device_of(both), profile.device);
  EXPECT_EQ(profile.device.memory_bytes, 40'000'000'000);
  EXPECT_DOUBLE_EQ(profile.device.memory_bandwidth, 1e12);
  EXPECT_DOUBLE_EQ(profile.device.bf16_flops, 300e12);
  EXPECT_DOUBLE_EQ(profile.device.launch_s, 6e-6);
  const std::vector<int> fast = {0, 1};
  EXPECT_EQ(profile.device_of(fast), profile.kinds[0].device);
  EXPECT_TRUE(load_profile(device_file("h100-4x8.toml")).is_uniform());
}

TEST(Profile, TablesOfEveryFloatTypeAreRead) {
  for (const char* dtype : {"f32", "f16", "q8_0", "q4_0"}) {
    const Profile profile =
        parse_profile(changed_mixed("dtype = \"bf16\"", str("dtype = \"", dtype, "\"")), "mixed");
    EXPECT_EQ(to_string(profile.device_of(0).kernels.at(0).dtype), dtype);
  }
}

TEST(Profile, TablesAreRead) {
  const Profile profile = parse_profile(kMixed, "mixed");
  const Device& device = profile.device_of(0);
  EXPECT_EQ(device.caches, (std::vector<CacheLevel>{{1'000'000, 9e12}, {50'000'000, 5e12}}));
  EXPECT_EQ(device.shared_bandwidth, (std::vector<SharedBandwidth>{{1, 2e12}, {2, 1.5e12}}));
  ASSERT_EQ(device.kernels.size(), 1);
  EXPECT_EQ(device.kernels[0].op, "linear");
  EXPECT_DOUBLE_EQ(device.kernels[0].launch_s.value_or(0), 3e-6);
  EXPECT_EQ(device.kernels[0].points, (std::vector<RatePoint>{{1, 1e12}, {512, 250e12}}));
  ASSERT_EQ(profile.collectives.size(), 1);
  EXPECT_EQ(profile.collectives[0].kind, CollectiveKind::kAllReduce);
  EXPECT_EQ(profile.collectives[0].points[1].bytes, 1048576);
  EXPECT_DOUBLE_EQ(profile.collectives[0].points[1].seconds, 30e-6);
}

TEST(Profile, UnlikeDevicesAndTablesSurviveAFile) {
  const Profile profile = parse_profile(kMixed, "mixed");
  const Profile again = parse_profile(to_toml(profile), "again");
  EXPECT_EQ(to_toml(again), to_toml(profile));
  EXPECT_EQ(again.kinds, profile.kinds);
  EXPECT_EQ(again.id(), profile.id());
}

TEST(Profile, AFileThatCannotBeWrittenLeavesNothingBehind) {
  std::string folder = testing::TempDir() + "partita-profile-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const std::filesystem::path place = std::filesystem::path(folder) / "machine.toml";
  std::filesystem::create_directory(place);
  try {
    save_profile(load_profile(device_file("h100-4x8.toml")), place);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kSystem);
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot write " + place.string()));
  }
  EXPECT_EQ(std::filesystem::remove_all(folder), 2U);  // the folder and the one in it
}

TEST(Profile, IdChangesWithEveryNumberOfATable) {
  const std::string id = parse_profile(kMixed, "mixed").id();
  for (const auto& [from, to] : {std::pair{"[2, 1500.0]", "[2, 1501.0]"},
                                 {"size_mb = 50.0", "size_mb = 51.0"},
                                 {"[512, 250000.0]", "[512, 250001.0]"},
                                 {"launch_us = 3.0", "launch_us = 3.1"},
                                 {"[1024, 2.0]", "[1025, 2.0]"},
                                 {"transport = \"shm\"", "transport = \"mpi\""},
                                 {"ranks = [2, 3]", "count = 2"}}) {
    const Profile other = parse_profile(changed_mixed(from, to), "mixed");
    const bool is_same_meaning = std::string(to) == "count = 2";
    EXPECT_EQ(other.id() == id, is_same_meaning) << to;
  }
}

TEST(Profile, RefusesUnlikeDevicesAndTablesThatDoNotFit) {
  const auto refuse = [](const char* from, const char* to, const char* message) {
    try {
      (void)parse_profile(changed_mixed(from, to), "mixed");
      ADD_FAILURE() << to;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
      EXPECT_THAT(error.what(), testing::HasSubstr(message));
    }
  };
  refuse("count = 2", "count = 1", "every rank of 0 .. 3");
  refuse("ranks = [2, 3]", "ranks = [1, 3]", "every rank of 0 .. 3");
  refuse("ranks = [2, 3]", "ranks = [3, 2]", "ascending");
  refuse("ranks = [2, 3]", "ranks = []", "list of integers");
  refuse("count = 2", "count = 2\nranks = [0, 1]", "either");
  refuse("count = 2", "", "either");
  refuse("name = \"slow\"", "name = \"fast\"", "given twice");
  refuse("size_mb = 50.0", "size_mb = 1.0", "smallest first");
  refuse("size_mb = 50.0", "size_gb = 1.0", "size_gb");
  refuse("dtype = \"bf16\"", "dtype = \"i8\"", "dtype");
  refuse("[[1, 1000.0], [512, 250000.0]]", "[[512, 1000.0], [1, 250000.0]]", "ascending");
  refuse("[[1, 1000.0], [512, 250000.0]]", "[[1, 1000.0, 3]]", "pairs");
  refuse("[[1, 1000.0], [512, 250000.0]]", "[]", "pairs");
  refuse("[1024, 2.0]", "[1024, -2.0]", "bytes_us");
  refuse("kind = \"all_reduce\"", "kind = \"all_scatter\"", "expected one of");
  refuse("axis = \"gpu\"", "axis = \"gpus\"", "names no axis");
  refuse("kind = \"all_reduce\"", "kind = \"all_reduce\"\none_shot_bytes = -1", "one_shot_bytes");
  refuse("kind = \"all_reduce\"", "kind = \"send\"\none_shot_bytes = 1", "one_shot_bytes");
  refuse("name = \"mixed\"", "name = \"mixed\"\nwhen = 2020-01-01", "date");
}

TEST(Profile, WhatOneExchangeIsBestForSurvivesAFile) {
  const Profile profile = parse_profile(
      changed_mixed("kind = \"all_reduce\"", "kind = \"all_reduce\"\none_shot_bytes = 65536"),
      "mixed");
  ASSERT_EQ(profile.collectives.size(), 1);
  EXPECT_EQ(profile.collectives[0].one_shot_bytes, 65536);
  EXPECT_EQ(parse_profile(to_toml(profile), "again"), profile);
  EXPECT_NE(profile.id(), parse_profile(kMixed, "mixed").id());
}

// The group of that size, else the next larger one, else the largest.
TEST(Profile, WhatOneExchangeIsBestForGoesByTheSizeOfTheGroup) {
  Profile profile;
  EXPECT_EQ(one_shot_bytes(profile, 2), CollectiveTable::kNotMeasured);
  profile.collectives = {{.transport = "shm", .axis = "*", .ranks = 2, .points = {{1, 1}}}};
  EXPECT_EQ(one_shot_bytes(profile, 2), CollectiveTable::kNotMeasured);
  for (const int64_t ranks : {8, 2, 4}) {
    profile.collectives.push_back({.transport = "shm",
                                   .axis = "*",
                                   .ranks = ranks,
                                   .points = {{1, 1}},
                                   .one_shot_bytes = 1000 / ranks});
  }
  EXPECT_EQ(one_shot_bytes(profile, 2), 500);
  EXPECT_EQ(one_shot_bytes(profile, 3), 250);
  EXPECT_EQ(one_shot_bytes(profile, 4), 250);
  EXPECT_EQ(one_shot_bytes(profile, 16), 125);
}

TEST(Profile, ALimitOfMemoryHoldsForEveryKind) {
  Profile profile = parse_profile(kMixed, "mixed");
  limit_memory(profile, 10'000'000'000);
  EXPECT_EQ(profile.device_of(0).memory_bytes, 10'000'000'000);
  EXPECT_EQ(profile.device_of(3).memory_bytes, 10'000'000'000);
  EXPECT_EQ(profile.device.reserve_bytes, 1'000'000'000);
}

TEST(ProfileForMesh, MeasuredTablesGoWithTheAxisTheyWereMeasuredOn) {
  const Profile profile = parse_profile(kMixed, "mixed");
  const Profile within = profile_for_mesh(profile, spec::Mesh::parse("pp=2,tp=2"));
  ASSERT_EQ(within.collectives.size(), 1);
  EXPECT_EQ(within.collectives[0].axis, "tp");
  EXPECT_TRUE(profile_for_mesh(profile, spec::Mesh::parse("tp=4")).collectives.empty());
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

TEST(ProfileForMesh, SubAxesFollowTheirAxis) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  const auto link = [&](const char* mesh, const char* axis) {
    return profile_for_mesh(profile, spec::Mesh::parse(mesh)).link(axis).bandwidth;
  };
  // Of the described axis gpu, and of an axis over the borders of the hosts.
  EXPECT_EQ(link("host=4,gpu=2x4", "gpu(1)2"), 450e9);
  EXPECT_EQ(link("host=2x2,gpu=8", "host(2)2"), 50e9);
  EXPECT_EQ(link("tp=4x8", "tp(1)4"), 50e9);
  EXPECT_EQ(link("tp=4x8", "tp(4)8"), 450e9);
  // A profile that is not arranged knows links by name only.
  Profile unarranged = profile;
  unarranged.axes.clear();
  EXPECT_EQ(unarranged.link("gpu(2)4").bandwidth, 450e9);
  EXPECT_THROW((void)unarranged.link("tp(2)4"), Error);
}

TEST(ProfileForMesh, LinksFollowTheOrderOfTheRanks) {
  const Profile profile = load_profile(device_file("h100-4x8.toml"));
  const auto link = [&](const char* mesh, const char* axis) {
    return profile_for_mesh(profile, spec::Mesh::parse(mesh)).link(axis).bandwidth;
  };
  EXPECT_EQ(link("pp=4,tp=8@cluster", "tp"), 450e9);
  EXPECT_EQ(link("pp=4,tp=8@cluster", "pp"), 50e9);
  EXPECT_EQ(link("pp=4,tp=8@spread", "tp"), 50e9);
  EXPECT_EQ(link("pp=4,tp=8@spread", "pp"), 450e9);
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

// Sums over bf16 have a table of their own; all else stays, and so does a profile without one.
TEST(Wire, TablesOfSumsAreThoseOfTheWire) {
  Profile profile;
  profile.collectives = {{CollectiveKind::kAllReduce, "shm", "*", 2, {{1024, 1e-6}}, 4096},
                         {CollectiveKind::kAllGather, "shm", "*", 2, {{1024, 2e-6}}}};
  EXPECT_EQ(over_wire(profile, "bf16"), profile);
  profile.collectives.push_back(
      {CollectiveKind::kAllReduce, bf16_transport("shm"), "*", 2, {{1024, 3e-6}}, 512});
  EXPECT_EQ(over_wire(profile, "f32"), profile);
  const Profile narrow = over_wire(profile, "bf16");
  const auto sums = tables_for(narrow, CollectiveKind::kAllReduce, "tp");
  ASSERT_EQ(sums.size(), 1);
  EXPECT_EQ(seconds_at(*sums.front(), 1024), 3e-6);
  EXPECT_EQ(one_shot_bytes(narrow, 2), 512);
  EXPECT_EQ(one_shot_bytes(profile, 2), 4096);
  const auto gathers = tables_for(narrow, CollectiveKind::kAllGather, "tp");
  ASSERT_EQ(gathers.size(), 1);
  EXPECT_EQ(seconds_at(*gathers.front(), 1024), 2e-6);
}

}  // namespace
}  // namespace partita::cost
