// SPDX-License-Identifier: Apache-2.0
#include "e2e/golden.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "formats/checkpoint.h"
#include "support/dtype.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::tests {
namespace {

namespace fs = std::filesystem;

const fs::path kGoldenFolder = fs::path(PARTITA_SOURCE_DIR) / "tests" / "golden";

std::vector<float> read_tensor(const fs::path& file, const std::string& name) {
  const formats::Checkpoint checkpoint = formats::Checkpoint::open_file(file);
  const formats::TensorPlace place = checkpoint.find(name);
  std::vector<std::byte> bytes(static_cast<size_t>(place.info->bytes.size()));
  place.file->read(place.info->bytes.begin, bytes);
  std::vector<float> values(static_cast<size_t>(place.info->elements()));
  convert_to_f32(place.info->dtype, bytes.data(), values.data(), place.info->elements());
  return values;
}

GoldenCase read_case(const fs::path& directory) {
  const Json json = read_json(directory / "golden.json");
  GoldenCase golden{.name = directory.filename(),
                    .directory = directory,
                    .inputs = {},
                    .logits = {},
                    .bf16_logits = {},
                    .prompt = {},
                    .greedy = {}};
  golden.inputs = json.at("input_ids").get<std::vector<std::vector<int32_t>>>();
  golden.prompt = json.at("greedy").at("prompt").get<std::vector<int32_t>>();
  golden.greedy = json.at("greedy").at("tokens").get<std::vector<int32_t>>();
  const fs::path file = directory / "golden.safetensors";
  golden.logits = read_tensor(file, json.at("logits").at("tensor").get<std::string>());
  if (json.contains("bf16_greedy")) golden.bf16_logits = read_tensor(file, "logits_bf16");
  return golden;
}

}  // namespace

std::vector<GoldenCase> golden_cases() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(kGoldenFolder)) {
    if (fs::exists(entry.path() / "golden.safetensors")) folders.push_back(entry.path());
  }
  CHECK(!folders.empty(), "no golden case found");
  std::sort(folders.begin(), folders.end());
  std::vector<GoldenCase> cases;
  for (const fs::path& folder : folders) cases.push_back(read_case(folder));
  return cases;
}

GoldenCase golden_case(const std::string& name) { return read_case(kGoldenFolder / name); }

fs::path bundled_model() { return fs::path(PARTITA_SOURCE_DIR) / "models" / "tiny-tales"; }

std::filesystem::path test_devices() {
  return fs::path(PARTITA_SOURCE_DIR) / "tests" / "data" / "devices" / "test-cpu.toml";
}

std::vector<float> all_logits(Engine& engine, const GoldenCase& golden) {
  std::vector<float> all;
  for (const std::vector<int32_t>& row : golden.inputs) {
    const std::vector<float> logits = engine.logits(row);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

std::vector<int32_t> greedy_tokens(Engine& engine, const GoldenCase& golden) {
  const int64_t request =
      engine.submit(golden.prompt, {.max_tokens = static_cast<int64_t>(golden.greedy.size()),
                                    .stop = {},
                                    .ignore_end_of_text = true});
  while (engine.step()) {
  }
  return engine.take(request).tokens;
}

double worst_share(const std::vector<float>& actual,
                   const std::vector<float>& expected,
                   double tolerance) {
  if (actual.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (std::isnan(difference)) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, difference / (tolerance + tolerance * std::abs(expected[i])));
  }
  return worst;
}

std::vector<std::string> meshes_for(int64_t layers) {
  std::vector<std::string> meshes = {"tp=2", "tp=3", "tp=4", "tp=5",
                                     "tp=6", "tp=7", "tp=8", "a=2,b=2"};
  for (int64_t stages = 2; stages <= std::min<int64_t>(5, layers); ++stages)
    meshes.push_back(str("pp=", stages));
  meshes.push_back("ep=2,tp=3");
  if (layers >= 2) {
    meshes.insert(meshes.end(), {"pp=2,tp=2", "pp=2,tp=3", "pp=2,ep=3,tp=2"});
  }
  if (layers >= 3) meshes.push_back("pp=3,tp=2");
  meshes.insert(meshes.end(), {"tp=2 | tp=1", "tp=1|tp=3", "tp=2 | tp=1 | a=2,b=2"});
  return meshes;
}

PlanOptions golden_plan_options(const std::string& mesh) {
  return {.mesh = mesh,
          .devices = test_devices(),
          .prompt_tokens = 55,
          .output_tokens = 25,
          .concurrency = 16,
          .max_context = 80,
          .max_step_tokens = 16};
}

}  // namespace partita::tests
