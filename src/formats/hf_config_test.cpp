// SPDX-License-Identifier: Apache-2.0
// Old and new spellings of config.json mean the same; wrong values are named.
#include "formats/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/error.h"

namespace partita::formats {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

HfConfig config(std::string_view json) { return {parse_json(json, "config.json"), "config.json"}; }

TEST(HfConfig, FirstNameThatIsSetWinsAndNullCountsAsAbsent) {
  const HfConfig old_names = config(R"({"n_embd":8,"n_inner":null})");
  EXPECT_EQ(old_names.size({"hidden_size", "n_embd"}), 8);
  EXPECT_EQ(old_names.size_or({"n_inner"}, 32), 32);
  EXPECT_EQ(config(R"({"hidden_size":9,"n_embd":8})").size({"hidden_size", "n_embd"}), 9);
}

TEST(HfConfig, OldAndNewRopeSpellingsAreEqual) {
  const RopeConfig old_rope =
      config(R"({"rope_theta":500000.0,"rope_scaling":{"type":"linear","factor":4.0}})").rope();
  const RopeConfig new_rope =
      config(R"({"rope_parameters":{"rope_theta":500000.0,"rope_type":"linear","factor":4.0}})")
          .rope();
  for (const RopeConfig& rope : {old_rope, new_rope}) {
    EXPECT_EQ(rope.theta, 500000.0);
    EXPECT_EQ(rope.type, "linear");
    EXPECT_EQ(rope.factor, 4.0);
  }
  EXPECT_EQ(config("{}").rope().theta, 10000.0);
  EXPECT_EQ(config(R"({"rope_theta":7,"rope_scaling":null})").rope().type, "default");
}

TEST(HfConfig, TokenIdsMayBeOneOrMany) {
  EXPECT_THAT(config(R"({"eos_token_id":[2,3]})").token_ids("eos_token_id"), ElementsAre(2, 3));
  EXPECT_THAT(config(R"({"eos_token_id":2})").token_ids("eos_token_id"), ElementsAre(2));
  EXPECT_THAT(config(R"({"eos_token_id":null})").token_ids("eos_token_id"), IsEmpty());
}

template <typename Action>
std::string message_of(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidFile);
    return error.what();
  }
  return "no error";
}

TEST(HfConfig, WrongValuesNameFileKeyValueAndRule) {
  const HfConfig bad =
      config(R"({"a":-1,"b":"x","c":2147483648,"d":0.0,"e":[1],"rope_scaling":{"factor":-1},
      "eos_token_id":[1,"x"],"architectures":[1],"f":2.0})");
  EXPECT_THAT(message_of([&] {
                (void)bad.size({"new", "a"});
              }),
              HasSubstr("config.json: \"new\" or \"a\" is -1; expected an integer of 1 .. 2^31-1"));
  EXPECT_THAT(message_of([&] { (void)bad.size({"missing"}); }), HasSubstr("missing"));
  EXPECT_THAT(message_of([&] { (void)bad.size({"b"}); }), HasSubstr("\"x\""));
  EXPECT_THAT(message_of([&] { (void)bad.size({"c"}); }), HasSubstr("2147483648"));
  EXPECT_THAT(message_of([&] { (void)bad.size({"f"}); }), HasSubstr("2.0"));
  EXPECT_THAT(message_of([&] { (void)bad.positive_or({"d"}, 1); }), HasSubstr("above 0"));
  EXPECT_THAT(message_of([&] { (void)bad.flag_or({"a"}, true); }), HasSubstr("true or false"));
  EXPECT_THAT(message_of([&] { (void)bad.text_or({"e"}, ""); }), HasSubstr("a text"));
  EXPECT_THAT(message_of([&] { (void)bad.rope(); }), HasSubstr("rope_scaling.factor"));
  EXPECT_THAT(message_of([&] { (void)bad.token_ids("eos_token_id"); }), HasSubstr("token id"));
  EXPECT_THAT(message_of([&] { (void)bad.architectures(); }), HasSubstr("list of texts"));
  EXPECT_THAT(message_of([&] { (void)config("[]"); }), HasSubstr("JSON object"));
}

}  // namespace
}  // namespace partita::formats
