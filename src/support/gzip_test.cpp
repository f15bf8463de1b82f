// SPDX-License-Identifier: Apache-2.0
#include "support/gzip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "support/error.h"

namespace partita {
namespace {

using testing::HasSubstr;

std::string gzip(std::string content) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
            Z_OK);
  std::string packed(content.size() + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(content.data());
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

std::string refusal(const std::string& bytes, int64_t max_bytes = 1 << 20) {
  try {
    (void)gunzip(bytes, "file.gz", max_bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    return error.what();
  }
  return "accepted";
}

TEST(Gzip, UnpacksOneMemberAndSeveral) {
  const std::string longer(200'000, 'x');  // more than one chunk
  EXPECT_TRUE(is_gzip(gzip("")));
  EXPECT_FALSE(is_gzip("{}"));
  EXPECT_FALSE(is_gzip("\x1f"));
  EXPECT_EQ(gunzip(gzip(""), "file.gz", 0), "");
  EXPECT_EQ(gunzip(gzip("one ") + gzip(longer), "file.gz", 1 << 20), "one " + longer);
}

TEST(Gzip, RefusesDamagedAndOversizedFiles) {
  const std::string packed = gzip("some content that is packed");
  std::string damaged = packed;
  damaged[packed.size() - 6] ^= 1;  // in the check sum
  EXPECT_THAT(refusal(damaged), HasSubstr("incorrect data check"));
  EXPECT_THAT(refusal(packed.substr(0, packed.size() - 1)), HasSubstr("ends too early"));
  EXPECT_THAT(refusal(packed + "tail"), HasSubstr("not a whole gzip file"));
  EXPECT_THAT(refusal(""), HasSubstr("ends too early"));
  EXPECT_THAT(refusal(packed, 10), HasSubstr("more than 10 bytes"));
}

}  // namespace
}  // namespace partita
