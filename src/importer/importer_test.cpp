// SPDX-License-Identifier: Apache-2.0
// Every committed checkpoint and config imports; checks name what is wrong with a checkpoint.
#include "importer/importer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "formats/safetensors_writer.h"
#include "formats/test_directory.h"
#include "importer/check.h"
#include "ops/op.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::importer {
namespace {

namespace fs = std::filesystem;
using formats::TestDirectory;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Folders with a config.json below tests/`folder`, sorted.
std::vector<fs::path> model_directories(const std::string& folder) {
  std::vector<fs::path> found;
  for (const auto& item : fs::directory_iterator(fs::path(PARTITA_SOURCE_DIR) / "tests" / folder)) {
    if (fs::exists(item.path() / "config.json")) found.push_back(item.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(ImportModel, EveryGoldenCheckpointImportsAndPassesTheCheck) {
  const auto directories = model_directories("golden");
  ASSERT_GE(directories.size(), 15U);
  for (const fs::path& directory : directories) {
    const ImportedModel model = import_model(directory);
    ops::verify_types(model.graph);
    const CheckReport report = check_model(directory);
    EXPECT_THAT(report.errors, IsEmpty()) << directory;
    EXPECT_GT(report.scanned_bytes, 0);
    EXPECT_LE(report.scanned_bytes, report.tensor_bytes);
  }
}

TEST(ImportModel, EveryGoldenIsTheSameGraphUnderItsOtherSpelling) {
  for (const fs::path& directory : model_directories("golden")) {
    if (!fs::exists(directory / "config_alt.json")) continue;
    const TestDirectory other;
    fs::copy_file(directory / "config_alt.json", other.path() / "config.json");
    EXPECT_EQ(ir::hash_of(import_model(directory).graph),
              ir::hash_of(import_model(other.path()).graph))
        << directory;
  }
}

TEST(ImportModel, RealConfigsImportWithoutWeights) {
  const auto directories = model_directories("data/configs");
  ASSERT_GE(directories.size(), 8U);
  for (const fs::path& directory : directories) {
    const ImportedModel model = import_model(directory, {.weight_dtype = DType::kBF16});
    ops::verify_types(model.graph);
    EXPECT_EQ(ir::print_graph(ir::parse_graph(ir::print_graph(model.graph))),
              ir::print_graph(model.graph));
  }
}

// Parameters of the published models, from their model cards and the tables of the papers.
TEST(ImportModel, RealConfigsHaveThePublishedNumberOfParameters) {
  const std::vector<std::pair<std::string, int64_t>> parameters = {
      {"gpt2", 124439808},          {"gpt2-medium", 354823168},       {"llama-3-8b", 8030261248},
      {"llama-3-70b", 70553706496}, {"llama-3.1-405b", 405853388800}, {"llama-3.2-1b", 1235814400},
  };
  for (const auto& [name, expected] : parameters) {
    const ImportedModel model =
        import_model(fs::path(PARTITA_SOURCE_DIR) / "tests/data/configs" / name);
    int64_t total = 0;
    for (const ir::Value& value : model.graph.values()) {
      if (value.kind == ir::ValueKind::kWeight) total += value.type.elements();
    }
    EXPECT_EQ(total, expected) << name;
  }
}

constexpr std::string_view kConfig = R"({"model_type":"llama","hidden_size":4,"intermediate_size":6,
    "num_attention_heads":2,"num_hidden_layers":1,"vocab_size":5,"tie_word_embeddings":true,
    "bos_token_id":1,"eos_token_id":2,"max_position_embeddings":9})";

TEST(ImportModel, InfoComesFromGenerationConfigFirst) {
  const TestDirectory directory;
  directory.write("config.json", kConfig);
  EXPECT_THAT(import_model(directory.path()).info.eos_tokens, ElementsAre(2));
  directory.write("generation_config.json", R"({"eos_token_id":[3,4]})");
  const ModelInfo info = import_model(directory.path()).info;
  EXPECT_EQ(info.family, "llama");
  EXPECT_EQ(info.bos_token, 1);
  EXPECT_THAT(info.eos_tokens, ElementsAre(3, 4));
  EXPECT_EQ(info.max_positions, 9);
}

template <typename Action>
std::string message_of(ErrorCode code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  return "no error";
}

TEST(ImportModel, BadConfigsAreNamed) {
  const TestDirectory directory;
  const auto import_it = [&] { (void)import_model(directory.path()); };
  EXPECT_THAT(message_of(ErrorCode::kNotFound, import_it), HasSubstr("config.json"));
  directory.write("config.json", "{\"model_type\":\"t5\"}");
  EXPECT_THAT(message_of(ErrorCode::kUnsupported, import_it),
              HasSubstr("partita knows gpt2, llama"));
  directory.write("config.json", "{\"model_type\":\"llama\",");
  EXPECT_THAT(message_of(ErrorCode::kInvalidFile, import_it), HasSubstr("not valid JSON"));
  directory.write("config.json", kConfig);
  directory.write("generation_config.json", R"({"eos_token_id":5})");
  EXPECT_THAT(message_of(ErrorCode::kInvalidFile, import_it),
              HasSubstr("generation_config.json: token 5 is outside the vocabulary of 5"));
}

// Those that automatic tensor parallelism elsewhere runs wrong without a word.
TEST(ImportModel, FamiliesThatAreNotBuiltAreRefusedWithTheReason) {
  const TestDirectory directory;
  for (const char* type :
       {"deberta", "flaubert", "fsmt", "led", "longformer", "transfo-xl", "xlm", "xlnet"}) {
    directory.write("config.json", str("{\"model_type\":\"", type, "\"}"));
    EXPECT_THAT(message_of(ErrorCode::kUnsupported, [&] { (void)import_model(directory.path()); }),
                testing::AllOf(HasSubstr(str("model_type \"", type, "\"")),
                               HasSubstr("is no known family; partita knows gpt2, llama")))
        << type;
  }
}

TEST(ImportModel, OnlyF32AndBf16WeightsAreOffered) {
  const TestDirectory directory;
  directory.write("config.json", kConfig);
  EXPECT_THROW((void)import_model(directory.path(), {.weight_dtype = DType::kF16}), Error);
  EXPECT_THROW((void)import_model(directory.path(), {.block_size = 0}), Error);
}

// Writes config.json and weights that fit it, except that `change` may alter each declaration, and
// element 3 of tensor `poisoned` is NaN.
void write_model(const TestDirectory& directory,
                 const std::function<void(formats::TensorDeclaration&)>& change,
                 const std::string& poisoned = "") {
  directory.write("config.json", kConfig);
  const ImportedModel model = import_model(directory.path());
  std::vector<formats::TensorDeclaration> tensors = {{"spare", DType::kF32, {2}}};
  for (const ir::Value& value : model.graph.values()) {
    if (value.kind != ir::ValueKind::kWeight) continue;
    tensors.push_back({value.source.tensor, DType::kF32, value.type.shape()});
    change(tensors.back());
  }
  formats::SafetensorsWriter writer(directory.path() / "model.safetensors", tensors);
  for (const formats::TensorDeclaration& tensor : tensors) {
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    std::vector<float> values(static_cast<size_t>(elements), 0.5F);
    if (tensor.name == poisoned) values.at(3) = std::numeric_limits<float>::quiet_NaN();
    if (tensor.name == poisoned) values.back() = std::numeric_limits<float>::infinity();
    const auto bytes = std::as_bytes(std::span(values));
    writer.append(bytes.first(static_cast<size_t>(elements * size_of(tensor.dtype))));
  }
  writer.finish();
}

TEST(CheckModel, GoodCheckpointListsUnusedTensorsAsNotes) {
  const TestDirectory directory;
  write_model(directory, [](formats::TensorDeclaration&) {});
  int64_t last_done = 0;
  const CheckReport report = check_model(directory.path(), [&](int64_t done, int64_t total) {
    EXPECT_LE(done, total);
    last_done = done;
  });
  EXPECT_TRUE(report.ok());
  EXPECT_THAT(report.notes, ElementsAre("tensor spare is not used"));
  EXPECT_EQ(report.tensors, report.weights + 1);
  EXPECT_EQ(report.scanned_bytes, report.tensor_bytes - 8);
  EXPECT_EQ(last_done, report.scanned_bytes);
}

TEST(CheckModel, ContradictionOfConfigAndWeightsNamesTensorFileAndBothShapes) {
  const TestDirectory directory;
  write_model(directory, [](formats::TensorDeclaration& tensor) {
    if (tensor.name == "model.layers.0.mlp.up_proj.weight") tensor.shape = {7, 4};
    if (tensor.name == "model.norm.weight") tensor.name = "model.other.weight";
  });
  const CheckReport report = check_model(directory.path());
  ASSERT_EQ(report.errors.size(), 2U);
  EXPECT_THAT(
      report.errors[0],
      HasSubstr(
          "weight layers.0.mlp.up_proj.weight from model.layers.0.mlp.up_proj.weight f32[7,4] ("));
  EXPECT_THAT(report.errors[0],
              HasSubstr("model.safetensors): gives shape [7,4]; the config needs [6,4]"));
  EXPECT_THAT(report.errors[1], HasSubstr("no tensor model.norm.weight"));
  EXPECT_THAT(report.notes, Contains("tensor model.other.weight is not used"));
  EXPECT_THAT(message_of(ErrorCode::kInvalidFile,
                         [&] {
                           require_weights(import_model(directory.path()).graph,
                                           formats::Checkpoint::open(directory.path()));
                         }),
              HasSubstr("(and 1 more)"));
}

TEST(CheckModel, NanAndInfinityAreCountedAndPlaced) {
  const TestDirectory directory;
  write_model(
      directory, [](formats::TensorDeclaration&) {}, "model.layers.0.self_attn.q_proj.weight");
  const CheckReport report = check_model(directory.path());
  ASSERT_EQ(report.errors.size(), 1U);
  EXPECT_THAT(
      report.errors[0],
      HasSubstr("model.safetensors: tensor model.layers.0.self_attn.q_proj.weight: 1 NaN and 1 "
                "infinite values, first at element 3"));
}

TEST(CheckModel, IntegerTensorsAreNoWeights) {
  const TestDirectory directory;
  write_model(directory, [](formats::TensorDeclaration& tensor) {
    if (tensor.name == "model.norm.weight") tensor.dtype = DType::kI32;
  });
  EXPECT_THAT(check_model(directory.path()).errors,
              ElementsAre(HasSubstr("model.norm.weight: dtype i32")));
}

}  // namespace
}  // namespace partita::importer
