// SPDX-License-Identifier: Apache-2.0
// Good safetensors files are read as written; each rule that a file can break is named with file
// and tensor.
#include "formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/safetensors_writer.h"
#include "formats/test_directory.h"
#include "support/error.h"

namespace partita::formats {
namespace {

using testing::HasSubstr;

struct Refusal {
  ErrorCode code = ErrorCode::kInternal;
  std::string message = "no error";
};

Refusal refusal_of(const std::string& bytes) {
  const TestDirectory directory;
  try {
    const SafetensorsFile file(directory.write("bad.safetensors", bytes));
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

std::string entry(const std::string& name,
                  const std::string& dtype,
                  const std::string& shape,
                  const std::string& offsets) {
  return str('"', name, R"(":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)",
             offsets, "}");
}

TEST(Safetensors, ReadsWhatTheWriterWrote) {
  const TestDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  SafetensorsWriter writer(
      path, {{"w", DType::kF32, {2, 1}}, {"empty", DType::kBF16, {0, 3}}, {"s", DType::kI8, {}}},
      {{"format", "pt"}});
  const std::array<float, 2> values = {1.5F, -2.0F};
  const auto bytes = std::as_bytes(std::span(values));
  writer.append(bytes.first(3));
  writer.append(bytes.subspan(3));
  writer.append(bytes.first(1));
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();

  const SafetensorsFile file(path);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.header_bytes() % 8, 0);
  ASSERT_NE(file.find("w"), nullptr);
  EXPECT_EQ(file.find("w")->shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(file.find("empty")->bytes.size(), 0);
  EXPECT_EQ(file.find("s")->elements(), 1);
  EXPECT_EQ(file.find("nothing"), nullptr);
  std::array<float, 2> read{};
  file.read(file.find("w")->bytes.begin, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, values);
  EXPECT_EQ(file.payload_bytes_read(), 8);
}

TEST(Safetensors, UnfinishedWriterLeavesNoFile) {
  const TestDirectory directory;
  { const SafetensorsWriter writer(directory.path() / "a.safetensors", {{"w", DType::kF32, {2}}}); }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(Safetensors, WriterRefusesTwoTensorsOfOneName) {
  const TestDirectory directory;
  const std::vector<TensorDeclaration> twice = {{"w", DType::kF32, {2}}, {"w", DType::kF32, {2}}};
  EXPECT_THROW(SafetensorsWriter(directory.path() / "a.safetensors", twice), Error);
}

TEST(Safetensors, AcceptsPaddingAroundTheHeader) {
  const TestDirectory directory;
  const auto path = directory.write(
      "a.safetensors", raw_safetensors(" {" + entry("w", "U8", "[3]", "[0,3]") + "}  ", 3));
  EXPECT_EQ(SafetensorsFile(path).tensors().size(), 1U);
}

TEST(Safetensors, RefusesFilesThatAreNoSafetensors) {
  EXPECT_THAT(refusal_of("short").message, HasSubstr("expected at least 8"));
  EXPECT_THAT(refusal_of(std::string(64, '\xff')).message, HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal_of(raw_safetensors("{}", 0).substr(0, 9)).message, HasSubstr("truncated"));
  EXPECT_THAT(refusal_of(raw_safetensors("[]", 0)).message, HasSubstr("no JSON object"));
  EXPECT_THAT(refusal_of(raw_safetensors("{\"a", 0)).message, HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal_of(raw_safetensors("{\"\xff\":1}", 0)).message, HasSubstr("UTF-8"));
}

struct HeaderCase {
  std::string json;
  size_t data_bytes;
  std::string tensor;
  std::string rule;
};

TEST(Safetensors, NamesFileTensorAndRuleOfHeaderLies) {
  const std::string w = entry("w", "F32", "[2]", "[0,8]");
  const std::vector<HeaderCase> cases = {
      {w + "," + entry("v", "F32", "[2]", "[4,12]"), 12, "v", "overlap"},
      {w + "," + entry("v", "F32", "[2]", "[12,20]"), 20, "v", "hole"},
      {entry("w", "F32", "[2]", "[4,12]"), 12, "w", "hole"},
      {entry("w", "F32", "[3]", "[0,8]"), 8, "w", "shape and dtype need 12"},
      {entry("w", "F32", "[4294967296,4294967296]", "[0,8]"), 8, "w", "overflows"},
      {entry("w", "F32", "[4294967296,4294967296,0]", "[0,0]"), 0, "w", "overflows"},
      {entry("w", "F32", "[-2]", "[0,8]"), 8, "w", "shape holds -2"},
      {entry("w", "F32", "[2.0]", "[0,8]"), 8, "w", "shape holds 2.0"},
      {entry("w", "F32", "[18446744073709551615]", "[0,8]"), 8, "w", "2^63-1"},
      {entry("w", "F32", "[2]", "[8,0]"), 8, "w", "begin <= end"},
      {entry("w", "F32", "[2]", "[0,8,9]"), 8, "w", "begin <= end"},
      {entry("w", "F32", "2", "[0,8]"), 8, "w", "shape is missing"},
      {w + "," + w, 8, "w", "twice"},
      {"\"w\":3", 0, "w", "no object"},
      {"\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1}", 4, "w",
       "unknown key"},
      {w, 7, "w", "truncated"},
      {w, 9, "w", "too long"},
      {"\"__metadata__\":{\"a\":1}", 0, "__metadata__", "no text"},
  };
  for (const HeaderCase& header : cases) {
    const Refusal refusal = refusal_of(raw_safetensors("{" + header.json + "}", header.data_bytes));
    EXPECT_EQ(refusal.code, ErrorCode::kInvalidFile) << header.json;
    EXPECT_THAT(refusal.message, HasSubstr("bad.safetensors"));
    EXPECT_THAT(refusal.message, HasSubstr(header.tensor));
    EXPECT_THAT(refusal.message, HasSubstr(header.rule));
  }
}

TEST(Safetensors, UnknownDtypeIsUnsupportedAndListsTheKnownOnes) {
  for (const std::string dtype : {"F8_E4M3", "f32", "float32", "F33", "q8_0", "Q8_0"}) {
    const Refusal refusal =
        refusal_of(raw_safetensors("{" + entry("w", dtype, "[2]", "[0,8]") + "}", 8));
    EXPECT_EQ(refusal.code, ErrorCode::kUnsupported);
    EXPECT_THAT(refusal.message, HasSubstr(str("bad.safetensors: tensor w: dtype \"", dtype)));
    EXPECT_THAT(refusal.message, HasSubstr("BF16"));
  }
}

TEST(Safetensors, BlockTypesAreBytesWithANoteInTheMetadata) {
  const TestDirectory directory;
  const auto path = directory.path() / "blocks.safetensors";
  SafetensorsWriter writer(path, {{"w", DType::kQ8_0, {3, 64}}, {"v", DType::kF32, {2}}},
                           {{"format", "pt"}});
  writer.append(std::vector<std::byte>(3 * 2 * 34 + 8, std::byte{1}));
  writer.finish();
  const SafetensorsFile file(path);
  const TensorInfo* w = file.find("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->dtype, DType::kQ8_0);
  EXPECT_EQ(w->shape, (std::vector<int64_t>{3, 64}));
  EXPECT_EQ(w->elements(), 3 * 64);
  EXPECT_EQ(file.find("v")->dtype, DType::kF32);
  EXPECT_THROW(SafetensorsWriter(path, {{"w", DType::kQ8_0, {3, 33}}}), Error);
}

TEST(Safetensors, BlockTypesOfOtherTensorsAreRefused) {
  const auto with = [](const std::string& key, const std::string& type) {
    return R"({"__metadata__":{"partita.dtype.)" + key + R"(":")" + type + R"("},)" +
           entry("w", "U8", "[2,34]", "[0,68]") + "," + entry("f", "F32", "[1]", "[68,72]") + "}";
  };
  EXPECT_EQ(refusal_of(raw_safetensors(with("w", "q8_0"), 72)).message, "no error");
  for (const auto& [key, type, rule] :
       {std::tuple{"x", "q8_0", "names no tensor"}, std::tuple{"f", "q8_0", "no tensor of U8"},
        std::tuple{"w", "q4_0", "multiple of 18"}, std::tuple{"w", "f32", "expected q8_0 or q4_0"},
        std::tuple{"w", "q9", "expected q8_0 or q4_0"}}) {
    const Refusal refusal = refusal_of(raw_safetensors(with(key, type), 72));
    EXPECT_EQ(refusal.code, ErrorCode::kInvalidFile) << type;
    EXPECT_THAT(refusal.message, HasSubstr(rule));
  }
}

TEST(Safetensors, FileCutAfterOpeningIsNamed) {
  const TestDirectory directory;
  const auto path = directory.write(
      "a.safetensors", raw_safetensors("{" + entry("w", "U8", "[9]", "[0,9]") + "}", 9));
  const SafetensorsFile file(path);
  std::filesystem::resize_file(path, 12);
  std::array<std::byte, 9> bytes{};
  EXPECT_THROW(file.read(file.find("w")->bytes.begin, bytes), Error);
}

}  // namespace
}  // namespace partita::formats
