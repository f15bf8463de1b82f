// SPDX-License-Identifier: Apache-2.0
// A vocabulary with scores encodes as llama.cpp does (tools/golden_gguf.py has recorded it), and
// its keys survive writing.
#include "api/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "api/load_tokenizer.h"
#include "formats/gguf/file.h"
#include "support/json.h"

namespace partita::api {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(PARTITA_SOURCE_DIR) / "tests" / "golden" / "gguf";

TEST(GgufTokenizer, ScoredVocabulariesEncodeLikeLlamaCpp) {
  const auto tokenizer = load_tokenizer(kGolden / "scored_vocabulary.gguf");
  ASSERT_NE(tokenizer, nullptr);
  const Json cases = read_json(kGolden / "scored_vocabulary.json");
  ASSERT_GT(cases.size(), 50U);
  for (const Json& item : cases) {
    SCOPED_TRACE(item.at("text").dump());
    const auto text = item.at("text").get<std::string>();
    const auto ids = tokenizer->encode(text);
    EXPECT_EQ(ids, item.at("ids").get<std::vector<int32_t>>());
  }
}

TEST(GgufTokenizer, KeysSurviveWriting) {
  const formats::GgufFile file(kGolden / "scored_vocabulary.gguf");
  const text::GgufVocabulary vocabulary = read_gguf_vocabulary(file.metadata());
  std::map<std::string, formats::GgufValue, std::less<>> written;
  add_gguf_vocabulary(vocabulary, written);
  for (const auto& [key, value] : written) {
    ASSERT_NE(file.metadata().find(key), nullptr) << key;
    EXPECT_EQ(*file.metadata().find(key), value) << key;
  }
  EXPECT_GE(written.size(), 9U);
}

}  // namespace
}  // namespace partita::api
