// SPDX-License-Identifier: Apache-2.0
// Compares encode, decode and the detokenizer with what the Python package "tokenizers" answered.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "support/json.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace partita::text {
namespace {

std::set<std::filesystem::path> golden_folders() {
  std::set<std::filesystem::path> folders;
  for (const auto& entry :
       std::filesystem::directory_iterator(PARTITA_SOURCE_DIR "/tests/golden/tokenizers")) {
    if (entry.is_directory()) folders.insert(entry.path());
  }
  return folders;
}

std::vector<int32_t> ids_of(const Json& json) { return json.get<std::vector<int32_t>>(); }

std::string decode_in_steps(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  Detokenizer detokenizer(tokenizer);
  std::string text;
  for (const int32_t id : ids) text += detokenizer.push(id);
  return text + detokenizer.finish();
}

TEST(GoldenTest, TokenizersAreThere) { EXPECT_GE(golden_folders().size(), 4u); }

TEST(GoldenTest, EncodesAndDecodesLikeTheReference) {
  for (const auto& folder : golden_folders()) {
    const auto tokenizer = Tokenizer::load(folder / "tokenizer.json");
    const Json cases = read_json(folder / "cases.json");
    ASSERT_FALSE(cases.empty()) << folder;
    for (const Json& item : cases) {
      const auto text = item.at("text").get<std::string>();
      SCOPED_TRACE(folder.filename().string() + ": " + item.at("text").dump());
      const auto ids = ids_of(item.at("ids"));
      EXPECT_EQ(tokenizer->encode(text), ids);
      EXPECT_EQ(tokenizer->encode(text, false), ids_of(item.at("ids_no_special")));
      EXPECT_EQ(tokenizer->decode(ids), item.at("decoded").get<std::string>());
      EXPECT_EQ(tokenizer->decode(ids, true), item.at("decoded_skip").get<std::string>());
    }
  }
}

TEST(GoldenTest, DecodesEveryPrefixLikeTheReference) {
  for (const auto& folder : golden_folders()) {
    const auto tokenizer = Tokenizer::load(folder / "tokenizer.json");
    for (const Json& item : read_json(folder / "decode.json")) {
      SCOPED_TRACE(folder.filename().string() + ": " + item.dump());
      EXPECT_EQ(decode_in_steps(*tokenizer, ids_of(item.at("ids"))),
                item.at("decoded").get<std::string>());
    }
  }
}

}  // namespace
}  // namespace partita::text
