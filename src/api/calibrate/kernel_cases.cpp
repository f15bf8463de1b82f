// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/kernel_cases.h"

#include <array>
#include <functional>

#include "ir/graph.h"
#include "ops/op.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Size = KernelCase::Size;

// The step size that plans are made for by default, and a quarter of it for a quick look.
constexpr int64_t kMostRows = 512;
constexpr int64_t kQuickRows = 128;
constexpr int64_t kWidth = 2048;

// A program of `nodes` alike nodes; `node(i)` gives the lines of node i, "%y<i>" its result.
std::string program(const std::string& inputs,
                    int nodes,
                    const std::function<std::string(int)>& node) {
  std::string text = str("graph \"measured\" {\n", inputs);
  std::string body;
  for (int i = 0; i < nodes; ++i) {
    const std::string lines = node(i);
    // Weights are declared before all nodes.
    const size_t split = lines.find("  %y");
    text += lines.substr(0, split);
    body += lines.substr(split);
  }
  return str(text, body, "  return %y", nodes - 1, "\n}\n");
}

struct LinearShape {
  Size size;
  int64_t k, n;
  int nodes;
};

// Rows of k weights that together have about so many bytes; whole tiles of every layout.
int64_t rows_for(DType dtype, int64_t k, int64_t bytes) {
  constexpr int64_t kTile = 64;
  return bytes / bytes_of(dtype, k) / kTile * kTile;
}

KernelCase linear_case(DType dtype, const LinearShape& shape, const std::vector<int64_t>& rows) {
  KernelCase result = {.op = "linear", .dtype = dtype, .size = shape.size, .nodes = shape.nodes};
  result.text = program(str("  input %x : f32[t,", shape.k, "]\n"), shape.nodes, [&](int i) {
    return str("  weight %w", i, " : ", to_string(dtype), "[", shape.n, ",", shape.k,
               "] = tensor(\"w", i, "\")\n  %y", i, " : f32[t,", shape.n, "] = linear(%x, %w", i,
               ")\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  for (const int64_t count : rows) result.runs.push_back({.rows = count});
  result.weight_bytes = static_cast<double>(bytes_of(dtype, shape.k * shape.n));
  return result;
}

void add_linear(DType dtype, bool is_quick, std::vector<KernelCase>& cases) {
  const std::vector<int64_t> few =
      is_quick ? std::vector<int64_t>{1, 4, 16} : std::vector<int64_t>{1, 2, 4, 8, 16};
  std::vector<int64_t> all = few;
  all.push_back(64);
  all.push_back(is_quick ? kQuickRows : kMostRows);
  // Read over and over, twice the size of a common shared cache is never found in it; quick: 40 MiB
  // are just above it.
  const int64_t large = rows_for(dtype, 4096, int64_t{is_quick ? 40 : 64} << 20);
  const int64_t cached = rows_for(dtype, 512, 512 << 10);
  const int64_t middle = rows_for(dtype, kWidth, 8 << 20);
  cases.push_back(linear_case(dtype, {Size::kEmpty, 64, 64, 8}, {1}));
  cases.push_back(linear_case(dtype, {Size::kCached, 512, cached, 1}, few));
  cases.push_back(linear_case(dtype, {Size::kMiddle, kWidth, middle, 1}, all));
  cases.push_back(linear_case(dtype, {Size::kLarge, 4096, large, 1}, few));
}

// An operator on rows of some width, and what follows its name: arguments and attributes.
struct RowOp {
  const char* name;
  const char* call;
};
constexpr std::array<RowOp, 11> kRowOps = {{
    {"add", "(%x, %x2)"},
    {"mul", "(%x, %x2)"},
    {"silu", "(%x)"},
    {"gelu", "(%x)"},
    {"gelu_tanh", "(%x)"},
    {"relu", "(%x)"},
    {"tanh", "(%x)"},
    {"sigmoid", "(%x)"},
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
  result.text = program(inputs, nodes, [&](int i) {
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
  result.text = program(inputs, nodes, [&](int i) {
    return str("  %y", i, " : f32[t,", heads, ",64] = rope(%x, %positions) {theta = 10000.0}\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  for (const int64_t count : rows) result.runs.push_back({.rows = count});
  return result;
}

// One decoded token that sees 512 positions, and a prompt whose tokens see half of it on average.
KernelCase attention_case(bool is_empty, int64_t tokens) {
  constexpr int64_t kHeads = 8;
  const int64_t heads = is_empty ? 1 : kHeads;
  const int64_t kv_heads = is_empty ? 1 : kHeads / 4;
  KernelCase result = {.op = "attention", .size = is_empty ? Size::kEmpty : Size::kMiddle};
  result.text = str("graph \"measured\" {\n  input %q : f32[t,", heads, ",64]\n  input %k : f32[t,",
                    kv_heads, ",64]\n  input %v : f32[t,", kv_heads,
                    ",64]\n  input %positions : i32[t]\n  input %sequence_ids : i32[t]\n"
                    "  input %block_tables : i32[s,m]\n  state %k_cache : f32[",
                    kv_heads, ",c,64,16]\n  state %v_cache : f32[", kv_heads,
                    ",c,16,64]\n  %y0 : f32[t,", heads,
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
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    add_linear(dtype, is_quick, cases);
  }
  const int64_t most = is_quick ? kQuickRows : kMostRows;
  for (const RowOp& op : kRowOps) {
    cases.push_back(row_case(op, 64, 8, {1}));
    cases.push_back(row_case(op, kWidth, 1, {1, most}));
  }
  cases.push_back(rope_case(1, 8, {1}));
  cases.push_back(rope_case(kWidth / 64, 1, {1, most}));
  cases.push_back(attention_case(true, 1));
  cases.push_back(attention_case(false, most));
  return cases;
}

}  // namespace partita::api
