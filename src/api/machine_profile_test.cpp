// SPDX-License-Identifier: Apache-2.0
// The cached profile of this machine.
#include "api/machine_profile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "api/calibrate/measure_profile.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::api {
namespace {

namespace fs = std::filesystem;

class CachedProfile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "partita-cache-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    const char* old = std::getenv("XDG_CACHE_HOME");
    if (old != nullptr) old_cache_ = old;
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    old_cache_.empty() ? unsetenv("XDG_CACHE_HOME")
                       : setenv("XDG_CACHE_HOME", old_cache_.c_str(), 1);
    fs::remove_all(folder_);
  }

  fs::path folder_;
  std::string old_cache_;
};

TEST_F(CachedProfile, ADamagedFileIsMeasuredAgainAndReplaced) {
  const fs::path path = machine_profile_path(1);
  EXPECT_EQ(path.parent_path(), folder_ / "partita");
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "[device\nhalf a fi";
  const auto measure = [] { return QuietProfile{measure_profile(1, true)}; };
  const cost::Profile measured = machine_profile(1, measure);
  EXPECT_GT(measured.device.memory_bytes, 0);
  const std::string stored = read_text(path);
  EXPECT_EQ(machine_profile(1).id(), measured.id());  // read back, not measured again
  EXPECT_EQ(read_text(path), stored);
}

TEST_F(CachedProfile, OneOfABusyMachineIsNotKept) {
  QuietProfile busy{measure_profile(1, true)};
  busy.others_share = 0.5;
  int calls = 0;
  const auto measure = [&] {
    ++calls;
    return busy;
  };
  EXPECT_EQ(machine_profile(1, measure).id(), busy.profile.id());
  EXPECT_FALSE(fs::exists(machine_profile_path(1)));
  (void)machine_profile(1, measure);
  EXPECT_EQ(calls, 2);
}

TEST_F(CachedProfile, TellsBeforeItMeasuresAndRefusesMoreRanksThanCanRun) {
  std::vector<int> told;
  const auto tell = [&](int ranks) { told.push_back(ranks); };
  try {
    (void)machine_profile(1 << 15, tell);
    ADD_FAILURE() << "measured";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("a plan for 32768 ranks"), std::string::npos);
  }
  EXPECT_TRUE(told.empty());
  const cost::Profile profile = machine_profile(1, tell);
  EXPECT_EQ(told, std::vector<int>{1});
  const fs::path path = machine_profile_path(1);  // of a busy machine it was not kept
  fs::create_directories(path.parent_path());
  cost::save_profile(profile, path);
  (void)machine_profile(1, tell);
  EXPECT_EQ(told, std::vector<int>{1});
}

}  // namespace
}  // namespace partita::api
