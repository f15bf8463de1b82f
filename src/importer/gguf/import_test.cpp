// SPDX-License-Identifier: Apache-2.0
// Keys and tensors of GGUF files become configs and weight expressions; what partita does not know
// is refused by name.
#include "importer/gguf/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/gguf/writer.h"
#include "formats/test_directory.h"
#include "importer/gguf/config.h"
#include "importer/gguf/export.h"
#include "importer/gguf/rope_factors.h"
#include "importer/importer.h"
#include "ir/weight_copy.h"
#include "support/error.h"

namespace partita::importer {
namespace {

using formats::GgufValue;
using formats::TensorDeclaration;
using testing::HasSubstr;

using Metadata = std::map<std::string, GgufValue, std::less<>>;

Metadata rotary_metadata() {
  return {{"general.architecture", GgufValue::text("llama")},
          {"llama.attention.head_count", GgufValue::u32(2)},
          {"llama.attention.head_count_kv", GgufValue::u32(1)},
          {"llama.attention.layer_norm_rms_epsilon", GgufValue::f32(0.25F)},
          {"llama.block_count", GgufValue::u32(1)},
          {"llama.context_length", GgufValue::u32(16)},
          {"llama.embedding_length", GgufValue::u32(8)},
          {"llama.feed_forward_length", GgufValue::u32(12)},
          {"tokenizer.ggml.bos_token_id", GgufValue::u32(1)},
          {"tokenizer.ggml.eos_token_id", GgufValue::u32(2)},
          {"tokenizer.ggml.eot_token_id", GgufValue::u32(4)}};
}

std::vector<TensorDeclaration> rotary_tensors(DType dtype = DType::kF32) {
  const DType f32 = DType::kF32;
  return {{"token_embd.weight", dtype, {5, 8}},        {"output_norm.weight", f32, {8}},
          {"blk.0.attn_norm.weight", f32, {8}},        {"blk.0.attn_q.weight", dtype, {8, 8}},
          {"blk.0.attn_k.weight", dtype, {4, 8}},      {"blk.0.attn_v.weight", dtype, {4, 8}},
          {"blk.0.attn_output.weight", dtype, {8, 8}}, {"blk.0.ffn_norm.weight", f32, {8}},
          {"blk.0.ffn_gate.weight", dtype, {12, 8}},   {"blk.0.ffn_up.weight", dtype, {12, 8}},
          {"blk.0.ffn_down.weight", dtype, {8, 12}}};
}

// A GGUF file of zeros.
class GgufImport : public testing::Test {
 protected:
  void write(const Metadata& metadata, const std::vector<TensorDeclaration>& tensors) {
    formats::GgufWriter writer(path_, metadata, tensors);
    for (const TensorDeclaration& tensor : tensors) {
      int64_t elements = 1;
      for (const int64_t size : tensor.shape) elements *= size;
      writer.append(std::vector<std::byte>(static_cast<size_t>(bytes_of(tensor.dtype, elements))));
    }
    writer.finish();
  }

  ImportedModel import_file() { return import_model(path_, {.weight_dtype = std::nullopt}); }

  std::string refusal() {
    try {
      (void)import_file();
    } catch (const Error& error) {
      return str(to_string(error.code()), ": ", error.what());
    }
    return "accepted";
  }

  std::string source_of(const ImportedModel& model, const std::string& weight) {
    return ir::to_string(model.graph.value(model.graph.find_value(weight).value()).source);
  }

  formats::TestDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "a.gguf";
};

TEST_F(GgufImport, SizesTokensAndTiesComeFromTheFile) {
  write(rotary_metadata(), rotary_tensors());
  const ImportedModel model = import_file();
  EXPECT_EQ(model.info.family, "llama");
  EXPECT_EQ(model.info.vocab_size, 5);
  EXPECT_EQ(model.info.max_positions, 16);
  EXPECT_EQ(model.info.layers, 1);
  EXPECT_EQ(model.info.bos_token, 1);
  EXPECT_EQ(model.info.eos_tokens, (std::vector<int32_t>{2, 4}));
  EXPECT_FALSE(model.graph.find_value("lm_head.weight"));
  EXPECT_THAT(ir::print_graph(model.graph), HasSubstr("eps = 0.25"));
  auto tensors = rotary_tensors();
  tensors.push_back({"output.weight", DType::kF32, {5, 8}});
  write(rotary_metadata(), tensors);
  EXPECT_EQ(source_of(import_file(), "lm_head.weight"), R"(tensor("output.weight"))");
}

TEST_F(GgufImport, PairsOfRotatedRowsBecomeHalves) {
  write(rotary_metadata(), rotary_tensors());
  const ImportedModel model = import_file();
  const auto& key = model.graph.value(*model.graph.find_value("layers.0.attn.k_proj.weight"));
  // One head of 4 rows: pairs (0,2), (1,3) of the halves lie as rows 0,1 and 2,3 of the file.
  std::vector<int64_t> rows(4, -1);
  const auto type = [](const std::string&) { return ir::parse_type("f32[4,8]"); };
  for (const ir::WeightCopy& copy : ir::plan_copies(key.source, type)) {
    ASSERT_EQ(copy.dims.size(), 3U);
    for (int64_t i = 0; i < copy.dims[0].count; ++i) {
      for (int64_t j = 0; j < copy.dims[1].count; ++j) {
        const int64_t to =
            copy.dst_start + i * copy.dims[0].dst_stride + j * copy.dims[1].dst_stride;
        const int64_t from =
            copy.tensor_start + i * copy.dims[0].tensor_stride + j * copy.dims[1].tensor_stride;
        rows.at(static_cast<size_t>(to / 8)) = from / 8;
      }
    }
  }
  EXPECT_EQ(rows, (std::vector<int64_t>{0, 2, 1, 3}));
  EXPECT_EQ(source_of(model, "layers.0.attn.v_proj.weight"), R"(tensor("blk.0.attn_v.weight"))");
}

TEST_F(GgufImport, MatricesKeepTheTypeTheyAreStoredIn) {
  write(rotary_metadata(), rotary_tensors(DType::kBF16));
  EXPECT_EQ(import_file().info.weight_dtype, DType::kBF16);
  write(rotary_metadata(), rotary_tensors(DType::kF16));
  EXPECT_EQ(import_file().info.weight_dtype, DType::kF32);
}

// Experts multiply with matrices of one type.
TEST_F(GgufImport, ExpertsKeepTheTypeTheyAreStoredInWhereItIsOne) {
  Metadata metadata = rotary_metadata();
  metadata["llama.expert_count"] = GgufValue::u32(2);
  metadata["llama.expert_used_count"] = GgufValue::u32(1);
  for (const DType down : {DType::kBF16, DType::kF32}) {
    std::vector<TensorDeclaration> tensors = rotary_tensors(DType::kBF16);
    tensors.resize(tensors.size() - 3);
    tensors.push_back({"blk.0.ffn_gate_inp.weight", DType::kF32, {2, 8}});
    tensors.push_back({"blk.0.ffn_gate_exps.weight", DType::kBF16, {2, 12, 8}});
    tensors.push_back({"blk.0.ffn_up_exps.weight", DType::kBF16, {2, 12, 8}});
    tensors.push_back({"blk.0.ffn_down_exps.weight", down, {2, 8, 12}});
    write(metadata, tensors);
    const ImportedModel model = import_file();
    for (const char* name : {"gate", "up", "down"}) {
      const auto id = model.graph.find_value(str("layers.0.mlp.experts.", name, ".weight"));
      EXPECT_EQ(model.graph.value(id.value()).type.dtype, down) << name;
    }
  }
}

TEST_F(GgufImport, UnknownKeysOfTheArchitectureAreRefusedUnlessTheyAreOff) {
  Metadata metadata = rotary_metadata();
  metadata["llama.attention.sliding_window"] = GgufValue::u32(0);
  metadata["general.anything"] = GgufValue::u32(7);
  write(metadata, rotary_tensors());
  EXPECT_EQ(refusal(), "accepted");
  metadata["llama.attention.sliding_window"] = GgufValue::u32(4096);
  write(metadata, rotary_tensors());
  EXPECT_THAT(refusal(), HasSubstr("llama.attention.sliding_window is 4096; it may change"));
  metadata.erase("llama.attention.sliding_window");
  metadata["llama.attention.causal"] = GgufValue::boolean(false);
  write(metadata, rotary_tensors());
  EXPECT_THAT(refusal(), HasSubstr("llama.attention.causal is false"));
}

TEST_F(GgufImport, RefusesWhatItCannotCompute) {
  const auto with = [&](const std::string& key, const GgufValue& value) {
    Metadata metadata = rotary_metadata();
    metadata[key] = value;
    write(metadata, rotary_tensors());
    return refusal();
  };
  EXPECT_THAT(
      with("general.architecture", GgufValue::text("mamba")),
      HasSubstr("general.architecture is \"mamba\"; partita knows llama, qwen2, qwen3, gpt2"));
  EXPECT_THAT(with("llama.rope.scaling.type", GgufValue::text("yarn")),
              HasSubstr("llama.rope.scaling.type is \"yarn\""));
  EXPECT_THAT(with("llama.rope.dimension_count", GgufValue::u32(2)),
              HasSubstr("llama.rope.dimension_count is 2; expected the size of a head, 4"));
  EXPECT_THAT(with("llama.attention.value_length", GgufValue::u32(2)),
              HasSubstr("llama.attention.value_length is 2"));
  EXPECT_THAT(with("llama.attention.head_count", GgufValue::u32(0)),
              HasSubstr("llama.attention.head_count is 0"));
  EXPECT_THAT(with("llama.expert_count", GgufValue::u32(2147483647)),
              HasSubstr("llama.expert_count is 2147483647; expected at most 4096"));
  EXPECT_THAT(with("llama.block_count", GgufValue::text("x")),
              HasSubstr("llama.block_count is \"x\"; expected an integer"));
  // What a file says reaches no terminal as it is.
  const std::string dirty = "\x1b[2J\n" + std::string(200, 'x');
  const std::string shown = "\"?[2J?" + std::string(95, 'x') + "...\"";
  for (const char* key :
       {"general.architecture", "llama.rope.scaling.type", "llama.block_count", "llama.unknown"}) {
    EXPECT_THAT(with(key, GgufValue::text(dirty)), HasSubstr(str(key, " is ", shown)));
  }
  EXPECT_THAT(with("llama.\n", GgufValue::u32(1)), HasSubstr("llama.? is 1"));
  EXPECT_THAT(with("tokenizer.ggml.bos_token_id", GgufValue::u32(5)),
              HasSubstr("token 5 is outside the vocabulary of 5"));
  Metadata missing = rotary_metadata();
  missing.erase("llama.embedding_length");
  write(missing, rotary_tensors());
  EXPECT_THAT(refusal(), HasSubstr("llama.embedding_length is missing"));
}

TEST_F(GgufImport, LinearScalingIsReadInBothSpellings) {
  for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
    Metadata metadata = rotary_metadata();
    if (std::string(key).ends_with("factor"))
      metadata["llama.rope.scaling.type"] = GgufValue::text("linear");
    metadata[key] = GgufValue::f32(4);
    write(metadata, rotary_tensors());
    const std::string graph = ir::print_graph(import_file().graph);
    EXPECT_THAT(graph, HasSubstr("rope_type = \"linear\""));
    EXPECT_THAT(graph, HasSubstr("factor = 4"));
  }
}

TEST(GgufRopeFactors, PublishedAndOtherParametersAreFoundAgain) {
  for (const formats::RopeConfig& rope : {formats::RopeConfig{500000, "llama3", 8, 1, 4, 8192, 1},
                                          formats::RopeConfig{500000, "llama3", 32, 1, 4, 8192, 1},
                                          formats::RopeConfig{10000, "llama3", 4, 1, 8, 300, 1}}) {
    std::vector<double> stored;
    for (const double factor : rope_factors(rope, 128))
      stored.push_back(static_cast<float>(factor));
    EXPECT_EQ(stored.front(), 1);
    EXPECT_EQ(stored.back(), rope.factor);
    const auto found = rope_config_of(stored, rope.theta);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->original_max_positions, rope.original_max_positions);
    EXPECT_NEAR(found->high_freq_factor, rope.high_freq_factor, 1e-3);
  }
  EXPECT_FALSE(rope_config_of({1, 2, 1, 2}, 10000));
  EXPECT_FALSE(rope_config_of({1, 1}, 10000));
  EXPECT_FALSE(rope_config_of({}, 10000));
}

TEST(GgufNames, EveryNameLeadsToItsCounterpart) {
  const GgufArchitecture& pairs = *find_gguf_architecture("llama");
  EXPECT_EQ(gguf_counterpart(pairs, "model.layers.12.self_attn.q_proj.bias")->name,
            "blk.12.attn_q.bias");
  const auto expert =
      gguf_counterpart(pairs, "model.layers.3.block_sparse_moe.experts.7.w2.weight");
  EXPECT_EQ(expert->name, "blk.3.ffn_down_exps.weight");
  EXPECT_EQ(expert->expert, 7);
  EXPECT_EQ(ir::to_string(from_gguf(*expert, {9, 4, 6}, 2)),
            R"(reshape(slice(tensor("blk.3.ffn_down_exps.weight"), 0, 7, 8), [4,6]))");
  const GgufArchitecture& learned = *find_gguf_architecture("gpt2");
  EXPECT_EQ(gguf_counterpart(learned, "transformer.h.0.attn.c_attn.weight")->layout,
            GgufLayout::kTransposed);
  EXPECT_EQ(gguf_counterpart(learned, "wte.weight")->name, "token_embd.weight");
  EXPECT_FALSE(gguf_counterpart(learned, "transformer.h.0.attn.masked_bias"));
  EXPECT_FALSE(gguf_counterpart(pairs, "model.layers.0.unknown.weight"));
  EXPECT_EQ(gguf_architecture_of("mistral"), &pairs);
  EXPECT_EQ(gguf_architecture_of("qwen3_moe"), nullptr);
}

}  // namespace
}  // namespace partita::importer
