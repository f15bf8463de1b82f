// SPDX-License-Identifier: Apache-2.0
// Good GGUF heads are read; each lie that a head can tell is refused naming file, field and rule.
#include "formats/gguf/header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "formats/gguf/raw_gguf.h"
#include "support/error.h"

namespace partita::formats {
namespace {

using testing::AllOf;
using testing::HasSubstr;

GgufHeader parse(const std::string& bytes) {
  const auto read = [&](int64_t offset, std::span<std::byte> to) {
    ASSERT_LE(static_cast<size_t>(offset) + to.size(), bytes.size());
    std::memcpy(to.data(), bytes.data() + offset, to.size());
  };
  return parse_gguf_header(read, static_cast<int64_t>(bytes.size()), "a.gguf");
}

// "code: message", or "accepted".
std::string refusal_of(const std::string& bytes) {
  try {
    (void)parse(bytes);
  } catch (const Error& error) {
    return str(to_string(error.code()), ": ", error.what());
  }
  return "accepted";
}

RawGguf start(uint64_t tensors, uint64_t pairs) { return RawGguf().start(tensors, pairs); }

TEST(GgufHeader, ReadsKeysOfAllTypesAndTensorsOutermostDimFirst) {
  RawGguf raw = start(2, 8);
  raw.text_pair("general.architecture", "llama").u32_pair("llama.block_count", 3);
  raw.key("a.i8", 1).number<int8_t>(-5);
  raw.key("a.f64", 12).number(2.5);
  raw.key("a.bool", 7).number<uint8_t>(1);
  raw.key("a.u64", 10).number<uint64_t>(UINT64_MAX);
  raw.key("a.texts", 9).number<uint32_t>(8).number<uint64_t>(2).text("x").text("");
  raw.key("a.nested", 9).number<uint32_t>(9).number<uint64_t>(1);
  raw.number<uint32_t>(2).number<uint64_t>(2).number<uint16_t>(7).number<uint16_t>(8);
  raw.tensor("w", {3, 2}, 0, 0).tensor("b", {5}, 30, 32).data(32 + 10);
  const GgufHeader header = parse(raw.bytes());
  EXPECT_EQ(header.metadata.text("general.architecture"), "llama");
  EXPECT_EQ(header.metadata.integer("llama.block_count"), 3);
  EXPECT_EQ(header.metadata.number("a.f64"), 2.5);
  EXPECT_EQ(header.metadata.number("a.i8"), -5);
  EXPECT_TRUE(header.metadata.flag_or("a.bool", false));
  EXPECT_EQ(to_string(*header.metadata.find("a.u64")), "18446744073709551615");
  EXPECT_EQ(*header.metadata.texts("a.texts"), (std::vector<std::string>{"x", ""}));
  EXPECT_EQ(header.metadata.find("a.nested")->arrays.at(0).integers, (std::vector<int64_t>{7, 8}));
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[0].bytes, (Range{header.data_begin, header.data_begin + 24}));
  EXPECT_EQ(header.tensors[1].dtype, DType::kBF16);
  EXPECT_EQ(header.tensors[1].bytes.end, static_cast<int64_t>(raw.bytes().size()));
}

TEST(GgufHeader, GettersRefuseOtherTypesNamingTheKey) {
  RawGguf raw = start(0, 2);
  raw.key("a", 5).number<int32_t>(-1).text_pair("b", "x");
  const GgufMetadata metadata = parse(raw.bytes()).metadata;
  const auto message = [](const auto& call) -> std::string {
    try {
      (void)call();
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(message([&] { return metadata.integer("a"); }),
              HasSubstr("a.gguf: a is -1; expected"));
  EXPECT_THAT(message([&] { return metadata.integer("b"); }), HasSubstr("b is \"x\"; expected"));
  EXPECT_THAT(message([&] { return metadata.text("c"); }), HasSubstr("c is missing; expected"));
  EXPECT_THAT(message([&] { return metadata.texts("b"); }), HasSubstr("an array of strings"));
  EXPECT_THAT(message([&] { return metadata.number("b"); }), HasSubstr("a finite number"));
  EXPECT_THAT(message([&] { return metadata.flag_or("a", true); }), HasSubstr("true or false"));
  EXPECT_EQ(metadata.integers("c"), nullptr);
}

TEST(GgufHeader, GettersWithADefaultReturnItForMissingKeysOnly) {
  RawGguf raw = start(0, 2);
  raw.key("a", 5).number<int32_t>(-1).text_pair("b", "x");
  const GgufMetadata metadata = parse(raw.bytes()).metadata;
  EXPECT_EQ(metadata.number_or("a", 4.5), -1);
  EXPECT_EQ(metadata.number_or("c", 4.5), 4.5);
  EXPECT_EQ(metadata.text_or("b", "y"), "x");
  EXPECT_EQ(metadata.text_or("c", "y"), "y");
  EXPECT_TRUE(metadata.flag_or("c", true));
}

TEST(GgufHeader, OtherAlignmentsMoveTheTensors) {
  RawGguf raw = start(2, 1);
  raw.u32_pair("general.alignment", 64).tensor("w", {1}, 0, 0).tensor("v", {1}, 0, 64).pad(64);
  const int64_t begin = static_cast<int64_t>(raw.bytes().size());
  raw.number(1.0F).pad(64).number(2.0F);
  const GgufHeader header = parse(raw.bytes());
  EXPECT_EQ(header.data_begin, begin);
  EXPECT_EQ(header.tensors[1].bytes, (Range{begin + 64, begin + 68}));
  // The last tensor may be padded as well.
  EXPECT_EQ(parse(raw.pad(64).bytes()).tensors.size(), 2U);
}

TEST(GgufHeader, RefusesWhatIsNoGgufOfVersion2Or3) {
  EXPECT_THAT(refusal_of("GGU"), AllOf(HasSubstr("invalid_file"), HasSubstr("magic number")));
  EXPECT_THAT(refusal_of("PK\3\4 something"), HasSubstr("does not begin with GGUF"));
  EXPECT_THAT(refusal_of(RawGguf().start(0, 0, 1).bytes()),
              AllOf(HasSubstr("unsupported"), HasSubstr("version 1; partita reads 2 and 3")));
  EXPECT_THAT(refusal_of(RawGguf().start(0, 0, 0x03000000).bytes()), HasSubstr("big-endian"));
  EXPECT_EQ(refusal_of(RawGguf().start(0, 0, 2).bytes()), "accepted");
}

TEST(GgufHeader, RefusesLyingCounts) {
  EXPECT_THAT(refusal_of(start(0, UINT64_MAX).bytes()),
              AllOf(HasSubstr("number of metadata keys: claims 18446744073709551615 entries"),
                    HasSubstr("invalid_file")));
  EXPECT_THAT(refusal_of(start(1 << 20, 0).data(64).bytes()),
              HasSubstr("number of tensors: claims 1048576 entries"));
  EXPECT_THAT(refusal_of(start(0, 2).u32_pair("a", 1).bytes()),
              HasSubstr("number of metadata keys"));
  EXPECT_THAT(refusal_of(start(2, 0).tensor("w", {1}, 0, 0).data(64).bytes()),
              HasSubstr("a.gguf: tensor 1"));
}

TEST(GgufHeader, RefusesLyingTexts) {
  RawGguf key = start(0, 1);
  key.number<uint64_t>(UINT64_MAX).data(64);
  EXPECT_THAT(refusal_of(key.bytes()),
              HasSubstr("metadata key 0: a text claims 18446744073709551615 bytes"));
  RawGguf value = start(0, 1);
  value.key("name", 8).number<uint64_t>(65).data(32);
  EXPECT_THAT(refusal_of(value.bytes()), HasSubstr("metadata key name: a text claims 65 bytes"));
  EXPECT_THAT(refusal_of(start(0, 1).u32_pair("", 1).bytes()), HasSubstr("its name has 0 bytes"));
  EXPECT_THAT(refusal_of(start(0, 1).u32_pair(std::string(70000, 'k'), 1).bytes()),
              HasSubstr("its name has 70000 bytes"));
}

TEST(GgufHeader, RefusesLyingValues) {
  EXPECT_THAT(refusal_of(start(0, 1).key("k", 13).number<uint32_t>(1).bytes()),
              HasSubstr("metadata key k: value type 13; expected 0 .. 12"));
  EXPECT_THAT(refusal_of(start(0, 1).key("k", 7).number<uint8_t>(2).bytes()),
              HasSubstr("metadata key k: a bool is 2"));
  EXPECT_THAT(refusal_of(start(0, 1).key("k", 10).number<uint32_t>(2).bytes()),
              HasSubstr("metadata key k: needs 8 bytes at byte 37, but 4 are left"));
  EXPECT_THAT(refusal_of(start(0, 2).u32_pair("k", 1).u32_pair("k", 2).bytes()),
              HasSubstr("metadata key k: occurs twice"));
}

TEST(GgufHeader, RefusesLyingArrays) {
  RawGguf count = start(0, 1);
  count.key("k", 9).number<uint32_t>(4).number(uint64_t{1} << 62).data(64);
  EXPECT_THAT(refusal_of(count.bytes()), HasSubstr("metadata key k: claims 4611686018427387904"));
  RawGguf type = start(0, 1);
  type.key("k", 9).number<uint32_t>(99).number<uint64_t>(0);
  EXPECT_THAT(refusal_of(type.bytes()), HasSubstr("value type 99"));
  RawGguf nested = start(0, 1);
  nested.key("k", 9);
  for (int depth = 0; depth < 5; ++depth) nested.number<uint32_t>(9).number<uint64_t>(1);
  nested.number<uint32_t>(4).number<uint64_t>(0);
  EXPECT_THAT(refusal_of(nested.bytes()), HasSubstr("metadata key k: arrays nest deeper than 4"));
}

// Counts that the file could hold, but that would take far more memory than it.
TEST(GgufHeader, RefusesMoreThanAnyModelHas) {
  constexpr uint64_t kHalf = uint64_t{1} << 23;
  RawGguf arrays = start(0, 3);
  for (const char* name : {"a", "b", "c"}) {
    arrays.key(name, 9).number<uint32_t>(0).number(kHalf).bytes_of(kHalf);
  }
  EXPECT_THAT(refusal_of(arrays.bytes()),
              HasSubstr("metadata key c and the arrays before it: claims 25165824; expected at "
                        "most 16777216"));
  EXPECT_THAT(refusal_of(start(0, 70000).bytes_of(size_t{1} << 20).bytes()),
              HasSubstr("number of metadata keys: claims 70000; expected at most 65536"));
  EXPECT_THAT(refusal_of(start(2000000, 0).bytes_of(size_t{48} << 20).bytes()),
              HasSubstr("number of tensors: claims 2000000; expected at most 1048576"));
}

TEST(GgufHeader, RefusesLyingAlignments) {
  for (const uint32_t alignment : {0U, 3U, 48U, 1U << 21, UINT32_MAX}) {
    EXPECT_THAT(refusal_of(start(0, 1).u32_pair("general.alignment", alignment).bytes()),
                AllOf(HasSubstr("general.alignment is"), HasSubstr(str(alignment))));
  }
}

TEST(GgufHeader, RefusesLyingDims) {
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1, 1, 1, 1, 1}, 0, 0).data(4).bytes()),
              HasSubstr("tensor w: 5 dims; expected at most 4"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {4, 0}, 0, 0).data(4).bytes()),
              HasSubstr("tensor w: dim 1 is 0"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {UINT64_MAX}, 0, 0).data(4).bytes()),
              HasSubstr("tensor w: dim 0 is 18446744073709551615"));
  const uint64_t large = uint64_t{1} << 32;
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {large, large}, 0, 0).data(4).bytes()),
              HasSubstr("tensor w: its dims overflow 2^63 elements"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {large, large / 4}, 0, 0).data(4).bytes()),
              HasSubstr("tensor w: its dims overflow 2^63 bytes"));
}

TEST(GgufHeader, RefusesLyingOffsets) {
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1}, 0, 4).data(64).bytes()),
              HasSubstr("tensor w: offset 4 is no multiple of the alignment 32"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1}, 0, uint64_t{1} << 63).data(64).bytes()),
              HasSubstr("tensor w: offset 9223372036854775808"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1}, 0, 32).data(64).bytes()),
              HasSubstr("tensor w: offset 32, but the tensor before ends at 0 (hole)"));
  RawGguf overlap = start(2, 0);
  overlap.tensor("w", {16}, 0, 0).tensor("v", {1}, 0, 32).data(100);
  EXPECT_THAT(refusal_of(overlap.bytes()),
              HasSubstr("tensor v: offset 32, but the tensor before ends at 64 (overlap)"));
}

TEST(GgufHeader, RefusesTensorsThatAreTwiceOrNotThere) {
  RawGguf twice = start(2, 0);
  twice.tensor("w", {1}, 0, 0).tensor("w", {1}, 0, 32).data(36);
  EXPECT_THAT(refusal_of(twice.bytes()), HasSubstr("tensor w: occurs twice"));
  EXPECT_THAT(
      refusal_of(start(1, 0).tensor("w", {9}, 0, 0).data(35).bytes()),
      HasSubstr("tensor w: needs 36 bytes at offset 0 of the data, which begins at byte 64 of "
                "99; the file is truncated"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1}, 0, 0).data(33).bytes()),
              HasSubstr("end of the file: the tensors end at byte 68, but the file has 97"));
}

TEST(GgufHeader, BlocksRunAlongTheInnermostDim) {
  RawGguf raw = start(2, 0);
  raw.tensor("q8", {64, 2}, 8, 0).tensor("q4", {32, 3}, 2, 160).data(160 + 54);
  const GgufHeader header = parse(raw.bytes());
  EXPECT_EQ(header.tensors[0].dtype, DType::kQ8_0);
  EXPECT_EQ(header.tensors[0].bytes.size(), 2 * 2 * 34);
  EXPECT_EQ(header.tensors[1].dtype, DType::kQ4_0);
  EXPECT_EQ(header.tensors[1].bytes.size(), 3 * 18);
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {48, 2}, 8, 0).data(102).bytes()),
              HasSubstr("tensor w: rows of 48 elements; q8_0 needs a multiple of 32"));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {}, 8, 0).data(34).bytes()),
              HasSubstr("tensor w: rows of 1 elements; q8_0 needs a multiple of 32"));
}

TEST(GgufHeader, RefusesTensorTypesByName) {
  EXPECT_THAT(refusal_of(start(1, 0).tensor("output.weight", {256}, 14, 0).data(210).bytes()),
              AllOf(HasSubstr("unsupported"), HasSubstr("tensor output.weight has type Q6_K"),
                    HasSubstr("partita reads F32, F16"), HasSubstr("convert")));
  EXPECT_THAT(refusal_of(start(1, 0).tensor("w", {1}, 4711, 0).data(4).bytes()),
              HasSubstr("tensor w has type type 4711"));
}

TEST(GgufHeader, EveryTruncationIsRefused) {
  RawGguf raw = start(1, 2);
  raw.text_pair("general.architecture", "llama").u32_pair("a", 1);
  raw.tensor("w", {3}, 0, 0).data(12);
  ASSERT_EQ(refusal_of(raw.bytes()), "accepted");
  for (size_t size = 0; size < raw.bytes().size(); ++size) {
    EXPECT_THAT(refusal_of(raw.bytes().substr(0, size)), HasSubstr("invalid_file")) << size;
  }
}

}  // namespace
}  // namespace partita::formats
