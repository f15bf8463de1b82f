// SPDX-License-Identifier: Apache-2.0
// The presets of DeepSpeed's partition_config, by model type.
#include <array>

#include "api/autotp_config.h"
#include "support/error.h"

namespace partita::api {
namespace {

using planner::PartitionType;

struct PresetRow {
  std::string_view preset;
  std::string_view pattern;
  PartitionType type;
};

// Of a tensor the first row that matches counts.
constexpr std::array<PresetRow, 31> kRows = {{
    {"bloom", R"(.*\.self_attention\.dense\.weight$)", PartitionType::kRow},
    {"bloom", R"(.*\.mlp\.dense_4h_to_h\.weight$)", PartitionType::kRow},
    {"bloom", R"(.*\.self_attention\.query_key_value\.weight$)", PartitionType::kColumn},
    {"bloom", R"(.*\.mlp\.dense_h_to_4h\.weight$)", PartitionType::kColumn},
    {"chatglm", R"(.*\.self_attention\.dense\.weight$)", PartitionType::kRow},
    {"chatglm", R"(.*\.mlp\.dense_4h_to_h\.weight$)", PartitionType::kRow},
    {"chatglm", R"(.*\.self_attention\.query_key_value\.weight$)", PartitionType::kColumn},
    {"chatglm", R"(.*\.mlp\.dense_h_to_4h\.weight$)", PartitionType::kColumn},
    {"deepseek_v2", R"(.*\.self_attn\.o_proj\.weight$)", PartitionType::kRow},
    {"deepseek_v2", R"(.*\.self_attn\.(q_a_proj|kv_a_proj_with_mqa)\.weight$)",
     PartitionType::kSkip},
    {"deepseek_v2", R"(.*\.self_attn\.(q_proj|q_b_proj|kv_b_proj)\.weight$)",
     PartitionType::kColumn},
    {"deepseek_v2", R"(.*\.mlp\.gate\.weight$)", PartitionType::kSkip},
    {"deepseek_v2", R"(.*\.mlp\.(experts\.\d+\.|shared_experts\.)?down_proj\.weight$)",
     PartitionType::kRow},
    {"deepseek_v2", R"(.*\.mlp\.(experts\.\d+\.|shared_experts\.)?(gate|up)_proj\.weight$)",
     PartitionType::kColumn},
    {"llama", R"(.*\.self_attn\.o_proj\.weight$)", PartitionType::kRow},
    {"llama", R"(.*\.self_attn\.[qkv]_proj\.weight$)", PartitionType::kColumn},
    {"llama", R"(.*\.mlp\.down_proj\.weight$)", PartitionType::kRow},
    {"llama", R"(.*\.mlp\.(gate|up)_proj\.weight$)", PartitionType::kColumn},
    {"mixtral", R"(.*\.self_attn\.o_proj\.weight$)", PartitionType::kRow},
    {"mixtral", R"(.*\.self_attn\.[qkv]_proj\.weight$)", PartitionType::kColumn},
    {"mixtral", R"(.*\.block_sparse_moe\.gate\.weight$)", PartitionType::kSkip},
    {"mixtral", R"(.*\.block_sparse_moe\.experts\.\d+\.w2\.weight$)", PartitionType::kRow},
    {"mixtral", R"(.*\.block_sparse_moe\.experts\.\d+\.w[13]\.weight$)", PartitionType::kColumn},
    {"phi3", R"(.*\.self_attn\.o_proj\.weight$)", PartitionType::kRow},
    {"phi3", R"(.*\.self_attn\.qkv_proj\.weight$)", PartitionType::kColumn},
    {"phi3", R"(.*\.mlp\.down_proj\.weight$)", PartitionType::kRow},
    {"phi3", R"(.*\.mlp\.gate_up_proj\.weight$)", PartitionType::kColumn},
    {"qwen2", R"(.*\.self_attn\.o_proj\.weight$)", PartitionType::kRow},
    {"qwen2", R"(.*\.self_attn\.[qkv]_proj\.weight$)", PartitionType::kColumn},
    {"qwen2", R"(.*\.mlp\.down_proj\.weight$)", PartitionType::kRow},
    {"qwen2", R"(.*\.mlp\.(gate|up)_proj\.weight$)", PartitionType::kColumn},
}};

}  // namespace

std::vector<planner::LayerSpec> autotp_preset(std::string_view name) {
  std::vector<planner::LayerSpec> specs;
  for (const PresetRow& row : kRows) {
    if (row.preset != name) continue;
    planner::LayerSpec& spec = specs.emplace_back();
    spec.patterns = {std::string(row.pattern)};
    spec.compiled.emplace_back(spec.patterns.front());
    spec.type = row.type;
    spec.is_default = true;
    spec.source = str("partition_config: preset ", name, " ", row.pattern);
  }
  return specs;
}

std::vector<std::string> autotp_preset_names() {
  std::vector<std::string> names;
  for (const PresetRow& row : kRows) {
    if (names.empty() || names.back() != row.preset) names.emplace_back(row.preset);
  }
  return names;
}

}  // namespace partita::api
