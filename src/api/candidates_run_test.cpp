// SPDX-License-Identifier: Apache-2.0
// Sampling over a vocabulary that is cut: the tokens of whole logits, for a fraction of the bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "partita/engine.h"
#include "partita/model.h"
#include "partita/plan.h"

namespace partita {
namespace {

namespace fs = std::filesystem;

const fs::path kSource = PARTITA_SOURCE_DIR;
constexpr int64_t kTokens = 12;

const Model& model() {
  static const Model loaded = Model::load(kSource / "models/tiny-tales", {.dtype = "f32"});
  return loaded;
}

Plan plan_on(const std::string& mesh) {
  return Plan::make(model(),
                    {.mesh = mesh, .devices = kSource / "tests/data/devices/test-cpu.toml"});
}

std::vector<int32_t> generated(Engine& engine, GenerateOptions options) {
  options.max_tokens = kTokens;
  options.ignore_end_of_text = true;
  return engine.generate("Once upon a time", options).tokens;
}

// Bytes of the gathered tensors on rank 0 while `tokens` are generated.
int64_t gathered_bytes(Engine& engine, const GenerateOptions& options) {
  const auto bytes = [&] {
    int64_t sum = 0;
    const RunReport report = engine.report();
    for (const CollectiveCost& cost : report.ranks.front().collectives) {
      if (cost.kind == "all_gather") sum += cost.payload_bytes;
    }
    return sum;
  };
  const int64_t before = bytes();
  (void)generated(engine, options);
  return bytes() - before;
}

const GenerateOptions kGreedy = {.stop = {}};
const GenerateOptions kTopK = {
    .temperature = 1.2, .top_k = 30, .top_p = 0.9, .seed = 3, .stop = {}};
// The same choice as kGreedy, of all logits: any penalty needs those of the history.
const GenerateOptions kWhole = {.repetition_penalty = 1 + 1e-9, .stop = {}};

TEST(Candidates, GiveTheTokensOfTheUncutVocabulary) {
  Engine whole(model(), plan_on("tp=1"), {.threads_per_rank = 1});
  const std::vector<int32_t> greedy = generated(whole, kGreedy);
  const std::vector<int32_t> drawn = generated(whole, kTopK);
  EXPECT_EQ(generated(whole, kWhole), greedy);
  EXPECT_NE(drawn, greedy);
  for (const char* mesh : {"tp=2", "tp=3", "a=2,b=2", "pp=2,tp=2"}) {
    Engine cut(model(), plan_on(mesh), {.threads_per_rank = 1});
    EXPECT_EQ(generated(cut, kGreedy), greedy) << mesh;
    EXPECT_EQ(generated(cut, kTopK), drawn) << mesh;
    EXPECT_EQ(generated(cut, kWhole), greedy) << mesh;
  }
}

TEST(Candidates, AreTheFirstOfTheLogits) {
  Engine engine(model(), plan_on("tp=2"), {.threads_per_rank = 1});
  std::vector<int32_t> tokens = model().encode("Once upon a time");
  const size_t prompt = tokens.size();
  for (const int32_t token : generated(engine, kGreedy)) tokens.push_back(token);
  const std::vector<float> logits = engine.logits(tokens);
  const auto vocab = static_cast<std::ptrdiff_t>(logits.size() / tokens.size());
  for (size_t i = prompt; i < tokens.size(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i - 1) * vocab;
    EXPECT_EQ(std::max_element(row, row + vocab) - row, tokens[i]) << i;
  }
}

// 64 values and ids of each of two ranks instead of the vocabulary, as the counters say.
TEST(Candidates, AreAllThatIsExchanged) {
  Engine engine(model(), plan_on("tp=2"), {.threads_per_rank = 1});
  const auto vocab = static_cast<int64_t>(engine.logits({1}).size());
  const int64_t candidates = gathered_bytes(engine, kGreedy);
  EXPECT_EQ(gathered_bytes(engine, kTopK), candidates);
  EXPECT_EQ(gathered_bytes(engine, kWhole) - candidates, kTokens * vocab * 4);
}

}  // namespace
}  // namespace partita
