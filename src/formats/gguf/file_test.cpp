// SPDX-License-Identifier: Apache-2.0
// The writer's files are read back; split models and folders are opened, or refused by name.
#include "formats/gguf/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/checkpoint.h"
#include "formats/gguf/writer.h"
#include "formats/test_directory.h"
#include "support/error.h"

namespace partita::formats {
namespace {

using testing::HasSubstr;

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// One f32 tensor [2] of that value.
void write_file(const std::filesystem::path& path,
                const std::string& tensor,
                float value,
                std::map<std::string, GgufValue, std::less<>> metadata = {}) {
  GgufWriter writer(path, metadata, {{tensor, DType::kF32, {2}}});
  const std::array<float, 2> values = {value, value};
  writer.append(std::as_bytes(std::span(values)));
  writer.finish();
}

std::map<std::string, GgufValue, std::less<>> part(uint32_t number, uint32_t count) {
  return {{"split.no", GgufValue::u32(number)},
          {"split.count", GgufValue::u32(count)},
          {"split.tensors.count", GgufValue::u32(2)}};
}

TEST(GgufFile, ReadsWhatTheWriterWrote) {
  const TestDirectory directory;
  const auto path = directory.path() / "a.gguf";
  const std::map<std::string, GgufValue, std::less<>> metadata = {
      {"a.flag", GgufValue::boolean(true)},
      {"a.number", GgufValue::f32(0.5F)},
      {"a.scores", GgufValue::list_of_f32({1, -2})},
      {"a.text", GgufValue::text("hello")},
      {"a.texts", GgufValue::list_of_texts({"x", "yy"})},
      {"a.types", GgufValue::list_of_i32({1, -3})},
      {"a.u32", GgufValue::u32(7)}};
  GgufWriter writer(
      path, metadata,
      {{"w", DType::kF32, {2, 3}}, {"b", DType::kBF16, {5}}, {"s", DType::kF16, {1}}});
  const std::vector<std::byte> bytes(24 + 10 + 2, std::byte{3});
  writer.append(std::span(bytes).first(30));  // across the end of the first tensor
  writer.append(std::span(bytes).subspan(30));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  const GgufFile file(path);
  EXPECT_EQ(file.metadata().values(), metadata);
  ASSERT_EQ(file.tensors().size(), 3U);
  EXPECT_EQ(file.find("w")->shape, (std::vector<int64_t>{2, 3}));
  for (const TensorInfo& tensor : file.tensors()) {
    std::vector<std::byte> read(static_cast<size_t>(tensor.bytes.size()));
    file.read(tensor.bytes.begin, read);
    EXPECT_EQ(read, std::vector<std::byte>(read.size(), std::byte{3})) << tensor.name;
  }
  EXPECT_EQ(file.payload_bytes_read(), 36);
}

TEST(GgufFile, UnfinishedWriterLeavesNoFile) {
  const TestDirectory directory;
  { const GgufWriter writer(directory.path() / "a.gguf", {}, {{"w", DType::kF32, {2}}}); }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(GgufFile, WriterRefusesWhatTheFormatCannotHold) {
  const TestDirectory directory;
  const auto path = directory.path() / "a.gguf";
  const auto refusal = [&](const std::vector<TensorDeclaration>& tensors) {
    return message_of([&] { const GgufWriter writer(path, {}, tensors); });
  };
  EXPECT_THAT(refusal({{"w", DType::kF32, {2}}, {"w", DType::kF32, {2}}}), HasSubstr("unique"));
  EXPECT_THAT(refusal({{"w", DType::kF32, {1, 1, 1, 1, 1}}}),
              HasSubstr("tensor w: expected at most"));
  EXPECT_THAT(refusal({{"w", DType::kF32, {0}}}), HasSubstr("none of them 0"));
  EXPECT_THAT(refusal({{"w", DType::kBool, {2}}}), HasSubstr("GGUF holds no bool"));
  EXPECT_THAT(message_of([] { const GgufWriter writer("/nowhere/a.gguf", {}, {}); }),
              HasSubstr("cannot write /nowhere/a.gguf"));
}

TEST(GgufFile, AFolderWithOneFileMeansThatFile) {
  const TestDirectory directory;
  EXPECT_EQ(find_gguf(directory.path()), std::nullopt);
  write_file(directory.path() / "a.gguf", "w", 1);
  EXPECT_EQ(find_gguf(directory.path()), directory.path() / "a.gguf");
  EXPECT_EQ(find_gguf(directory.path() / "a.gguf"), directory.path() / "a.gguf");
  EXPECT_EQ(find_gguf(directory.path() / "a.txt"), std::nullopt);
  EXPECT_TRUE(Checkpoint::open(directory.path()).has("w"));
  write_file(directory.path() / "b.gguf", "w", 1);
  EXPECT_THAT(message_of([&] { (void)find_gguf(directory.path()); }),
              HasSubstr("holds 2 GGUF files, a.gguf and b.gguf among them; name the one to use"));
  directory.write("config.json", "{}");
  EXPECT_EQ(find_gguf(directory.path()), std::nullopt);
}

TEST(GgufFile, PartsOfASplitModelAreOneCheckpoint) {
  const TestDirectory directory;
  write_file(directory.path() / "m-00001-of-00002.gguf", "w", 1, part(0, 2));
  write_file(directory.path() / "m-00002-of-00002.gguf", "v", 2, part(1, 2));
  const Checkpoint checkpoint = Checkpoint::open(directory.path());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"v", "w"}));
  EXPECT_EQ(checkpoint.find("v").file->path().filename(), "m-00002-of-00002.gguf");
  EXPECT_THAT(
      message_of([&] { (void)Checkpoint::open(directory.path() / "m-00002-of-00002.gguf"); }),
      HasSubstr("is a part of 2; name the first one, *-00001-of-00002.gguf"));
}

TEST(GgufFile, PartsThatDoNotBelongTogetherAreRefused) {
  const TestDirectory directory;
  const auto first = directory.path() / "m-00001-of-00002.gguf";
  const auto second = directory.path() / "m-00002-of-00002.gguf";
  const auto refusal = [&] { return message_of([&] { (void)Checkpoint::open(first); }); };
  write_file(first, "w", 1, part(0, 2));
  EXPECT_THAT(refusal(), HasSubstr("cannot open"));
  write_file(second, "v", 2, part(0, 2));
  EXPECT_THAT(refusal(), HasSubstr("m-00002-of-00002.gguf: split.no and split.count"));
  write_file(second, "w", 2, part(1, 2));
  EXPECT_THAT(refusal(), HasSubstr("tensor w is in another part as well"));
  auto metadata = part(0, 2);
  metadata["split.tensors.count"] = GgufValue::u32(3);
  write_file(first, "w", 1, metadata);
  write_file(second, "v", 2, part(1, 2));
  EXPECT_THAT(refusal(), HasSubstr("split.tensors.count is 3, but the parts hold 2"));
}

}  // namespace
}  // namespace partita::formats
