// SPDX-License-Identifier: Apache-2.0
// Checkpoint directories: one file, many files with an index, and what can be wrong with them.
#include "formats/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/safetensors_index.h"
#include "formats/test_directory.h"
#include "support/error.h"

namespace partita::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string one_tensor(const std::string& name) {
  return raw_safetensors(
      str(R"({")", name, R"(":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})"), 2);
}

std::string message_of_open(const std::filesystem::path& directory, ErrorCode code) {
  try {
    (void)Checkpoint::open(directory);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(Checkpoint, SingleFileIsFound) {
  const TestDirectory directory;
  directory.write("model.safetensors", one_tensor("a"));
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_EQ(checkpoint.find("a").info->shape, (std::vector<int64_t>{2}));
  EXPECT_FALSE(checkpoint.has("b"));
  EXPECT_THROW((void)checkpoint.find("b"), Error);
  EXPECT_EQ(peek_tensor_names(directory.path())->size(), 1U);
}

TEST(Checkpoint, IndexJoinsFilesAndKeepsTensorsItDoesNotName) {
  const TestDirectory directory;
  directory.write("1.safetensors", one_tensor("a"));
  directory.write("2.safetensors", one_tensor("b"));
  directory.write("3.safetensors", one_tensor("a"));
  directory.write(kSafetensorsIndexName,
                  R"({"metadata":{},"weight_map":{"b":"2.safetensors","a":"1.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_THAT(checkpoint.names(), ElementsAre("a", "b"));
  EXPECT_EQ(checkpoint.find("b").file->path().filename(), "2.safetensors");
  EXPECT_TRUE(checkpoint.unindexed().empty());
  EXPECT_EQ(checkpoint.bytes_read(), 0);
  EXPECT_GT(checkpoint.header_bytes(), 0);

  directory.write(kSafetensorsIndexName, R"({"weight_map":{"b":"2.safetensors"}})");
  directory.write("2.safetensors",
                  raw_safetensors(R"({"b":{"dtype":"U8","shape":[],"data_offsets":[0,1]},
      "extra":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
                                  2));
  EXPECT_THAT(Checkpoint::open(directory.path()).unindexed(), ElementsAre("extra (2.safetensors)"));
}

TEST(Checkpoint, DirectoryWithoutSafetensorsSaysWhatItHolds) {
  const TestDirectory directory;
  directory.write("pytorch_model.bin", "x");
  EXPECT_THAT(message_of_open(directory.path(), ErrorCode::kNotFound),
              HasSubstr("pytorch_model.bin, convert"));
  EXPECT_FALSE(peek_tensor_names(directory.path()));
}

TEST(Checkpoint, IndexThatNamesAMissingFileOrTensorIsRefused) {
  const TestDirectory directory;
  directory.write(kSafetensorsIndexName, R"({"weight_map":{"a":"gone.safetensors"}})");
  EXPECT_THAT(message_of_open(directory.path(), ErrorCode::kNotFound),
              HasSubstr("names file gone.safetensors"));

  directory.write("gone.safetensors", one_tensor("b"));
  EXPECT_THAT(message_of_open(directory.path(), ErrorCode::kInvalidFile),
              HasSubstr("tensor a should be in gone.safetensors"));
}

TEST(Checkpoint, IndexMustStayInsideItsDirectory) {
  for (const std::string file :
       {R"("../a.safetensors")", R"("/etc/passwd")", R"("..")", R"("")", R"("a\u0000b")", "3"}) {
    const TestDirectory directory;
    directory.write(kSafetensorsIndexName, R"({"weight_map":{"tensor.a":)" + file + "}}");
    const std::string message = message_of_open(directory.path(), ErrorCode::kInvalidFile);
    EXPECT_THAT(message, HasSubstr("model.safetensors.index.json: tensor tensor.a names file"));
    EXPECT_THAT(message, HasSubstr("plain file name"));
  }
}

TEST(Checkpoint, IndexWithoutMapOrWithOneTensorTwiceIsRefused) {
  const TestDirectory directory;
  directory.write(kSafetensorsIndexName, R"({"weight_map":[]})");
  EXPECT_THAT(message_of_open(directory.path(), ErrorCode::kInvalidFile), HasSubstr("weight_map"));
  directory.write(kSafetensorsIndexName, R"({"weight_map":{"a":"1","a":"2"}})");
  EXPECT_THAT(message_of_open(directory.path(), ErrorCode::kInvalidFile), HasSubstr("\"a\" twice"));
}

}  // namespace
}  // namespace partita::formats
