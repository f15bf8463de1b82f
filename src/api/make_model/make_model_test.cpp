// SPDX-License-Identifier: Apache-2.0
// Made-up models run; a GGUF file and a folder of the same tensors give the same logits, cut or
// not.
#include "partita/make_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "formats/test_directory.h"
#include "partita/partita.h"
#include "support/json.h"

namespace partita {
namespace {

using testing::HasSubstr;

const std::filesystem::path kSource = PARTITA_SOURCE_DIR;

std::vector<float> logits_of(const std::filesystem::path& path, const std::string& mesh) {
  const Model model = Model::load(path);
  const Plan plan = Plan::make(model, {.mesh = mesh,
                                       .devices = kSource / "tests/data/devices/test-cpu.toml",
                                       .max_context = 64,
                                       .max_step_tokens = 16});
  Engine engine(model, plan, {.threads_per_rank = 1});
  return engine.logits(model.encode("once upon a time"));
}

void expect_close(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], 2e-5) << i;
}

// GGUF files of qwen3_moe are not written.
bool has_gguf_name(const std::string& family) { return family != "qwen3_moe"; }

bool has_experts(const std::string& family) { return family == "mixtral" || family == "qwen3_moe"; }

ModelShape small_shape(const std::string& family) {
  return {.family = family,
          .hidden = 64,
          .layers = 2,
          .heads = 4,
          .kv_heads = family == "gpt2" ? 4 : 2,
          .feed_forward = 96,
          .vocab_size = 300,
          .max_positions = 64,
          .tied = family == "qwen3",
          .experts = has_experts(family) ? 4 : 0};
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

TEST(MakeModel, BothFormatsAndTheConversionHoldTheSameModel) {
  const formats::TestDirectory directory;
  ASSERT_THAT(makeable_families(), testing::IsSupersetOf({"gpt2", "llama"}));
  for (const std::string& family : makeable_families()) {
    if (!has_gguf_name(family)) continue;
    SCOPED_TRACE(family);
    const auto folder = directory.path() / family;
    const auto file = directory.path() / (family + ".gguf");
    const auto conversion = directory.path() / (family + ".from.gguf");
    const ModelShape shape = small_shape(family);
    (void)make_model(shape, {.dtype = "f32"}, folder);
    (void)make_model(shape, {.dtype = "f32", .format = "gguf"}, file);
    (void)convert_model(folder, {.dtype = "f32", .format = "gguf"}, conversion);
    EXPECT_TRUE(check_checkpoint(file).errors.empty());
    EXPECT_EQ(Model::load(file).family(), family);
    const std::vector<float> expected = logits_of(folder, "tp=1");
    EXPECT_EQ(logits_of(file, "tp=1"), expected);
    EXPECT_EQ(logits_of(conversion, "tp=1"), expected);
    for (const char* mesh : {"tp=2", "pp=2", "pp=2,tp=2", "tp=3"}) {
      SCOPED_TRACE(mesh);
      expect_close(logits_of(file, mesh), expected);
    }
  }
}

TEST(MakeModel, ExpertsAreAsManyAsAskedFor) {
  const formats::TestDirectory directory;
  for (const std::string family : {"mixtral", "qwen3_moe"}) {
    SCOPED_TRACE(family);
    const auto folder = directory.path() / family;
    ModelShape shape = small_shape(family);
    shape.experts = 5;
    shape.experts_per_token = 3;
    const int64_t bytes = make_model(shape, {.dtype = "f32"}, folder);
    shape.experts = 6;
    const int64_t more = make_model(shape, {.dtype = "f32"}, directory.path() / (family + "6"));
    // Another expert of three matrices and its row of the router, in each of two layers.
    EXPECT_EQ(more - bytes, 2 * 4 * (3 * 96 * 64 + 64));
    const Json config = parse_json(bytes_of(folder / "config.json"), "config");
    EXPECT_EQ(config.at("num_experts_per_tok"), 3);
    const std::vector<float> expected = logits_of(folder, "tp=1");
    for (const char* mesh : {"tp=2", "pp=2"}) expect_close(logits_of(folder, mesh), expected);
  }
}

TEST(MakeModel, BlocksAreReadAsStoredAndCutAtBlocks) {
  const formats::TestDirectory directory;
  for (const std::string family : {"llama", "gpt2", "mixtral"}) {
    for (const std::string dtype : {"bf16", "q8_0", "q4_0"}) {
      SCOPED_TRACE(family + " " + dtype);
      const auto file = directory.path() / (family + "." + dtype + ".gguf");
      (void)make_model(small_shape(family), {.dtype = dtype, .format = "gguf"}, file);
      const Model model = Model::load(file);
      EXPECT_EQ(model.dtype(), dtype);
      EXPECT_TRUE(check_checkpoint(file).errors.empty());
      const std::vector<float> expected = logits_of(file, "tp=1");
      for (const char* mesh : {"tp=2", "pp=2", "tp=3"}) {
        SCOPED_TRACE(mesh);
        const std::vector<float> logits = logits_of(file, mesh);
        ASSERT_EQ(logits.size(), expected.size());
        for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 0.02) << i;
      }
    }
  }
}

TEST(MakeModel, ConvertedGoldensKeepTheirLogits) {
  const formats::TestDirectory directory;
  for (const char* name :
       {"llama_gqa_tied", "llama_bias", "llama_rope_linear", "llama_headdim", "gpt2_25heads",
        "gpt2_no_prefix", "mistral", "mixtral", "qwen2", "qwen3"}) {
    SCOPED_TRACE(name);
    const auto folder = kSource / "tests/golden" / name;
    const auto file = directory.path() / (std::string(name) + ".gguf");
    (void)convert_model(folder, {.dtype = "f32", .format = "gguf"}, file);
    const auto logits = [](const std::filesystem::path& path) {
      const Model model = Model::load(path, {.dtype = "f32"});
      const Plan plan = Plan::make(model, {.mesh = "tp=2",
                                           .devices = kSource / "tests/data/devices/test-cpu.toml",
                                           .max_context = 32,
                                           .max_step_tokens = 16});
      Engine engine(model, plan, {.threads_per_rank = 1});
      return engine.logits({5, 17, 99, 3, 42});
    };
    EXPECT_EQ(logits(file), logits(folder));
  }
}

TEST(MakeModel, APartitionOfAGgufFileKeepsItsTokenizer) {
  const formats::TestDirectory directory;
  const auto file = directory.path() / "a.gguf";
  (void)make_model(small_shape("llama"), {.dtype = "q8_0", .format = "gguf"}, file);
  const Model model = Model::load(file);
  const Plan plan =
      Plan::make(model, {.mesh = "tp=2", .devices = kSource / "tests/data/devices/test-cpu.toml"});
  write_partition(model, plan, directory.path() / "parts");
  const Model parts = Model::load(directory.path() / "parts");
  EXPECT_EQ(parts.encode("once upon"), model.encode("once upon"));
  EXPECT_EQ(parts.dtype(), "q8_0");
}

TEST(MakeModel, TheSameSeedGivesTheSameBytes) {
  const formats::TestDirectory directory;
  const auto make = [&](const char* name, uint64_t seed) {
    (void)make_model(small_shape("llama"), {.dtype = "q8_0", .format = "gguf", .seed = seed},
                     directory.path() / name);
    std::string bytes = bytes_of(directory.path() / name);
    std::filesystem::remove(directory.path() / name);
    return bytes;
  };
  const std::string first = make("a.gguf", 1);
  EXPECT_EQ(make("a.gguf", 1), first);
  EXPECT_NE(make("a.gguf", 2), first);
}

TEST(MakeModel, AnyTextComesBackFromItsTokenizer) {
  const formats::TestDirectory directory;
  (void)make_model(small_shape("gpt2"), {.format = "gguf"}, directory.path() / "a.gguf");
  (void)make_model(small_shape("gpt2"), {}, directory.path() / "a");
  const std::string text = "Once, \xE4\xBD\xA0 upon\n\na  time\xF0\x9F\x98\x80";
  for (const char* name : {"a.gguf", "a"}) {
    const Model model = Model::load(directory.path() / name);
    EXPECT_EQ(model.decode(model.encode(text)), text) << name;
  }
}

TEST(MakeModel, WrongOptionsAreRefusedAndNothingStaysBehind) {
  const formats::TestDirectory directory;
  const auto refusal = [&](const ModelShape& shape,
                           const MakeModelOptions& options) -> std::string {
    try {
      (void)make_model(shape, options, directory.path() / "out");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  const ModelShape good = small_shape("llama");
  ModelShape bad = good;
  bad.family = "bert";
  EXPECT_THAT(refusal(bad, {}), HasSubstr("family \"bert\"; expected one of gpt2, llama"));
  EXPECT_THAT(refusal(good, {.dtype = "q8_0"}), HasSubstr("expected f32, f16 or bf16"));
  EXPECT_THAT(refusal(good, {.format = "onnx"}), HasSubstr("format \"onnx\""));
  bad = good;
  bad.hidden = 0;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("hidden is 0; expected 1 .. "));
  bad = good;
  bad.vocab_size = 100;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("vocab is 100; expected 257 .. "));
  bad = good;
  bad.kv_heads = 3;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("expected a multiple"));
  bad = good;
  bad.feed_forward = 100;
  EXPECT_THAT(
      refusal(bad, {.dtype = "q4_0", .format = "gguf"}),
      HasSubstr("tensor blk.0.ffn_down.weight has rows of 100; q4_0 needs multiples of 32"));
  bad = good;
  bad.family = "gpt2";
  EXPECT_THAT(refusal(bad, {}), HasSubstr("as many kv heads as heads"));
  bad = good;
  bad.experts = 4;
  EXPECT_THAT(refusal(bad, {}),
              HasSubstr("family \"llama\" has no experts; leave experts out, or take one of "
                        "mixtral, qwen3_moe"));
  bad.family = "mixtral";
  bad.experts_per_token = 5;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("experts-per-token is 5; expected 1 .. the 4 experts"));
  bad.experts = 5000;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("experts is 5000; expected at most 4096"));
  bad = good;
  bad.kv_heads = bad.heads = 1 << 12;
  bad.hidden = 1 << 20;
  bad.layers = 1000;
  EXPECT_THAT(refusal(bad, {}), HasSubstr(" free; make room"));
  bad = good;
  bad.feed_forward = -1;
  EXPECT_THAT(refusal(bad, {}), HasSubstr("ffn is -1; expected 1 .. 16777216, or 0 = 4 * hidden"));
  const std::function<void(int64_t, int64_t)> stop = [](int64_t, int64_t) {
    throw Error(ErrorCode::kCancelled, "stop");
  };
  for (const char* format : {"hf", "gguf"}) {
    EXPECT_EQ(refusal(good, {.format = format, .on_progress = stop}), "stop");
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  std::filesystem::create_directory(directory.path() / "out");
  EXPECT_THAT(refusal(good, {}), HasSubstr("exists; name a new one or remove it"));
}

}  // namespace
}  // namespace partita
