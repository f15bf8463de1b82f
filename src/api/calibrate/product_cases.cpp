// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/product_cases.h"

#include "api/calibrate/case_program.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Size = KernelCase::Size;

std::vector<KernelCase::Run> runs_of(const std::vector<int64_t>& rows) {
  std::vector<KernelCase::Run> runs;
  for (const int64_t count : rows) runs.push_back({.rows = count});
  return runs;
}

// Rows that kernels for few rows are measured with.
std::vector<int64_t> few_rows(bool is_quick) {
  return is_quick ? std::vector<int64_t>{1, 4, 16} : std::vector<int64_t>{1, 2, 4, 8, 16};
}

// These, and those of a prompt.
std::vector<int64_t> all_rows(bool is_quick) {
  std::vector<int64_t> rows = few_rows(is_quick);
  rows.push_back(64);
  rows.push_back(is_quick ? kQuickRows : kMostRows);
  return rows;
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
  const std::string inputs = str("  input %x : f32[t,", shape.k, "]\n");
  result.text = program_text(inputs, shape.nodes, [&](int i) {
    return str("  weight %w", i, " : ", to_string(dtype), "[", shape.n, ",", shape.k,
               "] = tensor(\"w", i, "\")\n  %y", i, " : f32[t,", shape.n, "] = linear(%x, %w", i,
               ")\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  result.runs = runs_of(rows);
  result.weight_bytes = static_cast<double>(bytes_of(dtype, shape.k * shape.n));
  return result;
}

void add_linear(DType dtype, bool is_quick, std::vector<KernelCase>& cases) {
  const std::vector<int64_t> few = few_rows(is_quick);
  // Read over and over, twice the size of a common shared cache is never found in it; quick: 40 MiB
  // are just above it.
  const int64_t large = rows_for(dtype, 4096, int64_t{is_quick ? 40 : 64} << 20);
  const int64_t cached = rows_for(dtype, 512, 512 << 10);
  const int64_t middle = rows_for(dtype, kWidth, 8 << 20);
  cases.push_back(linear_case(dtype, {Size::kEmpty, 64, 64, 8}, {1}));
  cases.push_back(linear_case(dtype, {Size::kCached, 512, cached, 1}, few));
  cases.push_back(linear_case(dtype, {Size::kMiddle, kWidth, middle, 1}, all_rows(is_quick)));
  cases.push_back(linear_case(dtype, {Size::kLarge, 4096, large, 1}, few));
}

// Networks of width k with f rows inside.
struct ExpertsShape {
  Size size;
  int64_t experts, k, f;
  int nodes;
};

// Every token goes to all experts (no share of the routing is 0), so that the tokens per expert are
// those of the step.
KernelCase experts_case(DType dtype, const ExpertsShape& shape, const std::vector<int64_t>& rows) {
  KernelCase result = {.op = "experts", .dtype = dtype, .size = shape.size, .nodes = shape.nodes};
  const std::string inputs =
      str("  input %x : f32[t,", shape.k, "]\n  input %r : f32[t,", shape.experts, "]\n");
  result.text = program_text(inputs, shape.nodes, [&](int i) {
    const auto weight = [&](const char* name, int64_t n, int64_t k) {
      return str("  weight %", name, i, " : ", to_string(dtype), "[", shape.experts, ",", n, ",", k,
                 "] = tensor(\"", name, i, "\")\n");
    };
    return str(weight("gate", shape.f, shape.k), weight("up", shape.f, shape.k),
               weight("down", shape.k, shape.f), "  %y", i, " : f32[t,", shape.k,
               "] = experts(%x, %r, %gate", i, ", %up", i, ", %down", i,
               ") {activation = \"silu\", top_k = ", shape.experts, "}\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  result.runs = runs_of(rows);
  return result;
}

// What streams from memory is known from linear, so the weights lie in caches here. The launch is
// that of two experts, the usual number of a token.
void add_experts(DType dtype, bool is_quick, std::vector<KernelCase>& cases) {
  const auto third = [&](int64_t k, int64_t bytes) { return rows_for(dtype, k, bytes / 3); };
  cases.push_back(experts_case(dtype, {Size::kEmpty, 2, 64, 64, 4}, {1}));
  cases.push_back(
      experts_case(dtype, {Size::kCached, 1, 512, third(512, 768 << 10), 1}, few_rows(is_quick)));
  cases.push_back(experts_case(dtype, {Size::kMiddle, 1, kWidth, third(kWidth, 8 << 20), 1},
                               all_rows(is_quick)));
}

// The usual eight experts.
KernelCase router_case(DType dtype, int64_t width, int nodes, const std::vector<int64_t>& rows) {
  KernelCase result = {.op = "router",
                       .dtype = dtype,
                       .size = width == kWidth ? Size::kMiddle : Size::kEmpty,
                       .nodes = nodes};
  result.text = program_text(str("  input %x : f32[t,", width, "]\n"), nodes, [&](int i) {
    return str("  weight %w", i, " : ", to_string(dtype), "[8,", width, "] = tensor(\"w", i,
               "\")\n  %y", i, " : f32[t,8] = router(%x, %w", i, ") {normalize = 1, top_k = 2}\n");
  });
  result.max_sizes = {{"t", kMostRows}};
  result.runs = runs_of(rows);
  return result;
}

// a[t,k] times b[k,k], both made in the step.
KernelCase matmul_case(DType dtype, int64_t k, int nodes, const std::vector<int64_t>& rows) {
  KernelCase result = {.op = "matmul",
                       .dtype = dtype,
                       .size = nodes == 1 ? Size::kMiddle : Size::kEmpty,
                       .nodes = nodes};
  const std::string_view type = to_string(dtype);
  const std::string inputs =
      str("  input %a : ", type, "[t,", k, "]\n  input %b : ", type, "[", k, ",", k, "]\n");
  result.text = program_text(
      inputs, nodes, [&](int i) { return str("  %y", i, " : f32[t,", k, "] = matmul(%a, %b)\n"); });
  result.max_sizes = {{"t", kMostRows}};
  result.runs = runs_of(rows);
  return result;
}

// Images of 14 x 14 with 64 channels and as many filters of 3 x 3, as in the middle of residual
// networks. Larger images take proportionally longer, so one point says it.
KernelCase conv2d_case(bool is_empty) {
  const int64_t channels = is_empty ? 1 : 64;
  const int64_t side = is_empty ? 4 : 14;
  KernelCase result = {
      .op = "conv2d", .size = is_empty ? Size::kEmpty : Size::kMiddle, .nodes = is_empty ? 8 : 1};
  const std::string shape = str("f32[t,", channels, ",", side, ",", side, "]");
  result.text = program_text(str("  input %x : ", shape, "\n"), result.nodes, [&](int i) {
    return str("  weight %w", i, " : f32[", channels, ",", channels, ",3,3] = tensor(\"w", i,
               "\")\n  %y", i, " : ", shape, " = conv2d(%x, %w", i,
               ") {dilations = [1,1], padding = [1,1,1,1], strides = [1,1]}\n");
  });
  result.max_sizes = {{"t", 1}};
  result.runs = runs_of({1});
  return result;
}

}  // namespace

std::vector<KernelCase> product_cases(bool is_quick) {
  const int64_t most = is_quick ? kQuickRows : kMostRows;
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0}) {
    add_linear(dtype, is_quick, cases);
    add_experts(dtype, is_quick, cases);
  }
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    cases.push_back(router_case(dtype, 64, 8, {1}));
    cases.push_back(router_case(dtype, kWidth, 1, {1, most}));
    cases.push_back(matmul_case(dtype, 16, 8, {1}));
    cases.push_back(matmul_case(dtype, 512, 1, {1, 16, most}));
  }
  cases.push_back(conv2d_case(true));
  cases.push_back(conv2d_case(false));
  return cases;
}

}  // namespace partita::api
