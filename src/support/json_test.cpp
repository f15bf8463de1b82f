// SPDX-License-Identifier: Apache-2.0
// The strict JSON rules and the messages of typed access.
#include "support/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "support/error.h"

namespace partita {
namespace {

using testing::HasSubstr;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInvalidFile);
    return e.what();
  }
  return "no error";
}

TEST(Json, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_THAT(message_of([] { (void)parse_json(R"({"a":1,"b":{"c":1,"c":2}})", "x.json"); }),
              HasSubstr("x.json holds the key \"c\" twice"));
  EXPECT_NO_THROW((void)parse_json(R"({"a":{"c":1},"b":{"c":2}})", "x.json"));
}

TEST(Json, RefusesDeepNestingTrailingBytesAndBadUtf8) {
  EXPECT_THAT(message_of([] { (void)parse_json(std::string(300, '['), "x"); }),
              HasSubstr("deeper than 256"));
  EXPECT_THAT(message_of([] { (void)parse_json("{} {}", "x"); }), HasSubstr("not valid JSON"));
  EXPECT_THAT(message_of([] { (void)parse_json("\"\xff\"", "x"); }), HasSubstr("not valid JSON"));
  EXPECT_THAT(message_of([] { (void)parse_json("[1,", "x"); }),
              HasSubstr("x is not valid JSON: parse error at line 1"));
}

TEST(Json, TypedAccessNamesKeyValueAndExpectedType) {
  const Json json =
      parse_json(R"({"n": "four", "f": 1.5, "big": 18446744073709551615})", "config.json");
  EXPECT_THAT(message_of([&] { (void)json_get<int64_t>(json, "n", "config.json"); }),
              HasSubstr("config.json: key \"n\" is \"four\"; expected an integer"));
  EXPECT_THAT(message_of([&] { (void)json_get<int64_t>(json, "big", "config.json"); }),
              HasSubstr("below 2^63"));
  EXPECT_THAT(message_of([&] { (void)json_get<bool>(json, "none", "config.json"); }),
              HasSubstr("missing"));
  EXPECT_EQ(json_get<double>(json, "f", "config.json"), 1.5);
  EXPECT_EQ(json_get_or<int64_t>(json, "none", 7, "config.json"), 7);
}

// A disk that is full, played by a limit of file sizes.
TEST(Json, AFileThatCannotBeWrittenLeavesNothing) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "partita.json_test";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 4096;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  EXPECT_THROW(write_json(folder / "a.json", Json(std::string(10000, 'x'))), Error);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace partita
