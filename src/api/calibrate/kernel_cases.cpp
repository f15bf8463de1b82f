// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/kernel_cases.h"

#include <array>

#include "api/calibrate/case_program.h"
#include "api/calibrate/product_cases.h"
#include "ir/graph.h"
#include "ops/op.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Size = KernelCase::Size;

// An operator on rows of some width, and what follows its name: arguments and attributes.
struct RowOp {
  const char* name;
  const char* call;
};
constexpr std::array<RowOp, 12> kRowOps = {{
    {"add", "(%x, %x2)"},
    {"mul", "(%x, %x2)"},
    {"silu", "(%x)"},
    {"gelu", "(%x)"},
    {"gelu_tanh", "(%x)"},
    {"relu", "(%x)"},
    {"tanh", "(%x)"},
    {"sigmoid", "(%x)"},
    {"gated", "(%x, %x2) {activation = \"silu\"}"},
    {"rms_norm", "(%x, %w) {eps = 1e-05}"},
    {"layer_norm", "(%x, %w, %b) {eps = 1e-05}"},
    {"softmax", "(%x)"},
}};

KernelCase row_case(const RowOp& op, int64_t width, int nodes, const std::vector<int64_t>& rows) {
  KernelCase result = {
      .op = op.name, .size = width == kWidth ? Size::kMiddle : Size::kEmpty, .nodes = nodes};
  const std::string inputs =
      str("  input %x : f32[t,", width, "]\n  input %x2 : f32[t,", width, "]\n  weight %w : f32[",
          width, "] = tensor(\"w\")\n  weight %b : f32[", width, "] = tensor(\"b\")\n");
  result.text = program_text(inputs, nodes, [&](int i) {
    return str("  %y", i, " : f32[t,", width, "] = ", op.name, op.call, "\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  for (const int64_t count : rows) result.runs.push_back({.rows = count});
  return result;
}

KernelCase rope_case(int64_t heads, int nodes, const std::vector<int64_t>& rows) {
  KernelCase result = {
      .op = "rope", .size = heads > 1 ? Size::kMiddle : Size::kEmpty, .nodes = nodes};
  const std::string inputs =
      str("  input %x : f32[t,", heads, ",64]\n  input %positions : i32[t]\n");
  result.text = program_text(inputs, nodes, [&](int i) {
    return str("  %y", i, " : f32[t,", heads, ",64] = rope(%x, %positions) {theta = 10000.0}\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  for (const int64_t count : rows) result.runs.push_back({.rows = count});
  return result;
}

// The 64 likeliest of so many tokens, as programs end.
KernelCase top_k_case(int64_t width) {
  KernelCase result = {.op = "top_k", .size = width == kWidth ? Size::kMiddle : Size::kEmpty};
  result.text = program_text(str("  input %x : f32[t,", width, "]\n"), 1, [](int i) {
    return str("  %y", i, ", %y", i, ".1 : f32[t,64], i32[t,64] = top_k(%x) {k = 64}\n");
  });
  result.max_sizes = {{"t", 1}};
  result.runs = {{.rows = 1}};
  return result;
}

// One decoded token that sees 512 positions, and a prompt whose tokens see half of it on average.
KernelCase attention_case(DType cache, bool is_empty, int64_t tokens) {
  constexpr int64_t kHeads = 8;
  const int64_t heads = is_empty ? 1 : kHeads;
  const int64_t kv_heads = is_empty ? 1 : kHeads / 4;
  KernelCase result = {
      .op = "attention", .dtype = cache, .size = is_empty ? Size::kEmpty : Size::kMiddle};
  result.text =
      str("graph \"measured\" {\n  input %q : f32[t,", heads, ",64]\n  input %k : f32[t,", kv_heads,
          ",64]\n  input %v : f32[t,", kv_heads,
          ",64]\n  input %positions : i32[t]\n  input %sequence_ids : i32[t]\n"
          "  input %block_tables : i32[s,m]\n  state %k_cache : ",
          to_string(cache), "[", kv_heads, ",c,64,16]\n  state %v_cache : ", to_string(cache), "[",
          kv_heads, ",c,16,64]\n  %y0 : f32[t,", heads,
          ",64] = attention(%q, %k, %v, %k_cache, %v_cache, %positions, "
          "%sequence_ids, %block_tables) {group = ",
          heads / kv_heads, ", scale = 0.125}\n  return %y0\n}\n");
  result.max_sizes = {{"t", kMostRows}, {"s", 1}, {"m", 33}, {"c", 33}};
  if (is_empty) {
    result.runs = {{.rows = 1}};
  } else {
    result.runs = {{.rows = 1, .first_position = 511, .seen_blocks = 512 / 16},
                   {.rows = tokens, .seen_blocks = tokens / 2 / 16}};
  }
  return result;
}

}  // namespace

double KernelCase::flops(size_t run) const {
  const ir::Graph graph = ir::parse_graph(text);
  const ir::Node& node = graph.node(0);
  std::vector<ir::TensorType> inputs;
  for (const ir::ValueId input : node.inputs) inputs.push_back(graph.value(input).type);
  ir::SymbolSizes symbols = max_sizes;
  symbols["t"] = runs[run].rows;
  symbols["m"] = runs[run].seen_blocks;
  return ops::flops_of({node.op, node.attributes, inputs}, symbols);
}

std::vector<KernelCase> kernel_cases(bool is_quick) {
  std::vector<KernelCase> cases = product_cases(is_quick);
  const int64_t most = is_quick ? kQuickRows : kMostRows;
  for (const RowOp& op : kRowOps) {
    cases.push_back(row_case(op, 64, 8, {1}));
    cases.push_back(row_case(op, kWidth, 1, {1, most}));
  }
  cases.push_back(rope_case(1, 8, {1}));
  cases.push_back(rope_case(kWidth / 64, 1, {1, most}));
  for (const int64_t width : {int64_t{64}, kWidth}) cases.push_back(top_k_case(width));
  for (const DType cache : {DType::kF32, DType::kBF16, DType::kF16}) {
    cases.push_back(attention_case(cache, true, 1));
    cases.push_back(attention_case(cache, false, most));
  }
  return cases;
}

}  // namespace partita::api
