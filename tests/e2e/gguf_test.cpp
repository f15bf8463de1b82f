// SPDX-License-Identifier: Apache-2.0
// GGUF files that partita writes: llama.cpp's tokens and logits for them are ours, on one rank and
// cut. tools/golden_gguf.py has recorded what llama.cpp answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "e2e/golden.h"
#include "formats/gguf/file.h"
#include "formats/gguf/writer.h"
#include "formats/test_directory.h"
#include "support/json.h"

namespace partita::tests {
namespace {

struct GgufCase {
  std::string family;
  std::string dtype;
  uint64_t seed = 0;
  std::string text;
  std::vector<int32_t> prompt;
  std::vector<int32_t> tokens;
  std::vector<float> logits;  // after the prompt
};

std::vector<GgufCase> gguf_cases() {
  std::vector<GgufCase> cases;
  const auto file = bundled_model().parent_path().parent_path() / "tests/golden/gguf/runs.json";
  const Json root = read_json(file);
  for (const Json& json : root.at("cases")) {
    cases.push_back({json.at("family"), json.at("dtype"), json.at("seed"), json.at("text"),
                     json.at("prompt").get<std::vector<int32_t>>(),
                     json.at("tokens").get<std::vector<int32_t>>(),
                     json.at("logits").get<std::vector<float>>()});
  }
  return cases;
}

// The shape that the script asks for.
ModelShape shape_of(const std::string& family) {
  return {.family = family,
          .hidden = 64,
          .layers = 2,
          .heads = 4,
          .kv_heads = family == "gpt2" ? 4 : 2,
          .feed_forward = 96,
          .vocab_size = 300,
          .max_positions = 128};
}

// Of logits with a deviation of about 1. llama.cpp looks GELU up in a table of f16 values, and
// rounds activations to the type of the weights where that is bf16, and to 8 bits for blocks.
double tolerance_of(const GgufCase& expected) {
  if (expected.dtype == "f32") return expected.family == "gpt2" ? 4e-3 : 1e-4;
  return expected.dtype == "bf16" ? 0.04 : 0.12;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - b[i]);
    largest = std::isnan(difference) ? std::numeric_limits<double>::infinity()
                                     : std::max(largest, difference);
  }
  return largest;
}

class GgufRun : public testing::TestWithParam<GgufCase> {};

TEST_P(GgufRun, TokensAndLogitsAreThoseOfLlamaCpp) {
  const GgufCase& expected = GetParam();
  const formats::TestDirectory directory;
  const auto file = directory.path() / "model.gguf";
  (void)make_model(shape_of(expected.family),
                   {.dtype = expected.dtype, .format = "gguf", .seed = expected.seed}, file);
  const Model model = Model::load(file);
  EXPECT_EQ(model.dtype(), expected.dtype);
  EXPECT_EQ(model.encode(expected.text), expected.prompt);
  for (const std::string mesh : {"tp=1", "tp=2", "pp=2", "pp=2,tp=2"}) {
    SCOPED_TRACE(mesh);
    const Plan plan = Plan::make(
        model, {.mesh = mesh, .devices = test_devices(), .max_context = 64, .max_step_tokens = 16});
    Engine engine(model, plan, {.launcher = "threads", .threads_per_rank = 1});
    const std::vector<float> all = engine.logits(expected.prompt);
    const std::vector<float> last(all.end() - static_cast<int64_t>(expected.logits.size()),
                                  all.end());
    const double difference = largest_difference(last, expected.logits);
    EXPECT_LE(difference, tolerance_of(expected));
    RecordProperty("difference_" + mesh, std::to_string(difference));
    const Completion completion =
        engine.generate(expected.text, {.max_tokens = static_cast<int64_t>(expected.tokens.size()),
                                        .stop = {},
                                        .ignore_end_of_text = true});
    EXPECT_EQ(completion.tokens, expected.tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GgufRun, testing::ValuesIn(gguf_cases()), [](const auto& row) {
  return row.param.family + "_" + row.param.dtype;
});

// The same file with the matrices of one kind in f32 instead of bf16.
void widen(const std::filesystem::path& from,
           const std::string& kind,
           const std::filesystem::path& to) {
  const formats::GgufFile file(from);
  const auto is_widened = [&](const formats::TensorInfo& tensor) {
    return tensor.dtype == DType::kBF16 && tensor.name.ends_with(kind);
  };
  std::vector<formats::TensorDeclaration> tensors;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    tensors.push_back({tensor.name, is_widened(tensor) ? DType::kF32 : tensor.dtype, tensor.shape});
  }
  formats::GgufWriter writer(to, file.metadata().values(), tensors);
  int widened = 0;
  for (const formats::TensorInfo& tensor : file.tensors()) {
    std::vector<std::byte> bytes(static_cast<size_t>(tensor.bytes.size()));
    file.read(tensor.bytes.begin, bytes);
    if (is_widened(tensor)) {
      // Values that bf16 cannot hold.
      std::vector<float> values(static_cast<size_t>(tensor.elements()));
      convert_to_f32(DType::kBF16, bytes.data(), values.data(), tensor.elements());
      for (float& value : values) value *= 1.003F;
      bytes.resize(values.size() * sizeof(float));
      std::memcpy(bytes.data(), values.data(), bytes.size());
      ++widened;
    }
    writer.append(bytes);
  }
  writer.finish();
  EXPECT_GT(widened, 0);
}

// Rank processes load the types that the plan was made for, not the one that most weights have.
TEST(GgufMixedTypes, ProcessesAndThreadsGiveTheSameLogits) {
  const formats::TestDirectory directory;
  const auto plain = directory.path() / "plain.gguf";
  const auto mixed = directory.path() / "mixed.gguf";
  (void)make_model(shape_of("llama"), {.dtype = "bf16", .format = "gguf", .seed = 5}, plain);
  widen(plain, "ffn_up.weight", mixed);
  const Model model = Model::load(mixed);
  EXPECT_EQ(model.dtype(), "bf16");
  const Plan plan = Plan::make(
      model, {.mesh = "tp=2", .devices = test_devices(), .max_context = 64, .max_step_tokens = 16});
  const std::vector<int32_t> prompt = {3, 17, 42, 5};
  const auto logits_by = [&](const std::string& launcher) {
    Engine engine(model, plan,
                  {.launcher = launcher,
                   .worker_program = PARTITA_BINARY_DIR "/bin/partita",
                   .threads_per_rank = 1});
    return engine.logits(prompt);
  };
  EXPECT_EQ(logits_by("fork"), logits_by("threads"));
}

}  // namespace
}  // namespace partita::tests
