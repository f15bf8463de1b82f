// SPDX-License-Identifier: Apache-2.0
// Files appear whole or not at all, and messages name the file that was asked for.
#include "support/text_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <string>

#include "support/error.h"
#include "support/json.h"

namespace partita {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class TextFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "partita-file-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  template <typename Write>
  static std::string refusal_of(const Write& write) {
    try {
      write();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kSystem);
      return error.what();
    }
    return "written";
  }

  fs::path folder_;
};

TEST_F(TextFile, ReplacesWhatWasThereAndLeavesNothingElse) {
  write_text(folder_ / "a", "first, longer");
  write_text(folder_ / "a", "second");
  EXPECT_EQ(read_text(folder_ / "a"), "second");
  check_writable(folder_ / "b");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(TextFile, ARefusalNamesTheFileAndTheReason) {
  const fs::path missing = folder_ / "none" / "a.json";
  const auto names_it = AllOf(HasSubstr("cannot write " + missing.string() + ": No such file"),
                              Not(HasSubstr(".tmp")));
  EXPECT_THAT(refusal_of([&] { write_text(missing, "x"); }), names_it);
  EXPECT_THAT(refusal_of([&] { check_writable(missing); }), names_it);
  EXPECT_THAT(refusal_of([&] { write_json(missing, Json::object()); }), names_it);
  EXPECT_THAT(refusal_of([&] { check_writable(folder_); }), HasSubstr("Is a directory"));
}

// As on a full disk.
TEST_F(TextFile, AWriteThatFailsHalfWayKeepsTheOldFileAndNothingElse) {
  write_text(folder_ / "a", "first");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto on_limit = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{10'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string refusal =
      refusal_of([&] { write_text(folder_ / "a", std::string(100'000, 'x')); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, on_limit);
  EXPECT_THAT(refusal, HasSubstr("cannot write " + (folder_ / "a").string() + ": File too large"));
  EXPECT_EQ(read_text(folder_ / "a"), "first");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(TextFile, DevicesAreWrittenToAndNotReplaced) {
  write_text("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace partita
