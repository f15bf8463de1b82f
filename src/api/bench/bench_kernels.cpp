// SPDX-License-Identifier: Apache-2.0
// The public bench_kernels(): products with weights that come from memory, and attention.
#include <algorithm>
#include <cstring>
#include <memory>

#include "api/bench/attention_calls.h"
#include "api/bench/harness.h"
#include "device/cpu/affinity.h"
#include "ops/cpu_kernel.h"
#include "ops/products.h"
#include "partita/bench.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita {
namespace {

// Together the copies of a weight take several times the largest shared caches of today.
constexpr int64_t kCopiesBytes = int64_t{256} << 20;
constexpr const char* kNearF32 = "near-f32";
constexpr const char* kShuffled = "shuffled";

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::kInvalidArgument, "[bench] " + text);
}

DType checked_dtype(const std::string& name, int64_t k) {
  const std::optional<DType> dtype = parse_dtype(name);
  if (!dtype || (dtype != DType::kF32 && dtype != DType::kBF16 && !is_block_type(*dtype))) {
    refuse(str("weights of type \"", name, "\"; expected f32, bf16, q8_0 or q4_0"));
  }
  if (k % block_elements(*dtype) != 0) {
    refuse(str("k = ", k, " for ", name, "; expected a multiple of ", block_elements(*dtype)));
  }
  return *dtype;
}

void check_size(const char* what, int64_t size, int64_t most) {
  if (size < 1 || size > most) refuse(str(what, " = ", size, "; expected 1 to ", most));
}

DType checked_cache_dtype(const std::string& name) {
  const std::optional<DType> dtype = parse_dtype(name);
  if (dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16) return *dtype;
  refuse(str("a cache of type \"", name, "\"; expected f32, bf16 or f16"));
}

void check_attention(const KernelBenchOptions& options) {
  check_size("context", options.context, 1 << 20);
  check_size("prompt", options.prompt, 8192);
  for (const int64_t group : options.groups) check_size("group", group, 64);
  for (const int64_t dim : options.head_dims) check_size("head dim", dim, 1024);
  for (const std::string& name : options.cache_dtypes) (void)checked_cache_dtype(name);
  for (const std::string& name : options.blocks) {
    if (name != "in-order" && name != kShuffled) {
      refuse(str("blocks \"", name, "\"; expected in-order or shuffled"));
    }
  }
}

void check(const KernelBenchOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 20;
  for (const std::string& op : options.ops) {
    if (op != "linear" && op != "attention") {
      refuse(str("operator \"", op, "\"; expected linear or attention"));
    }
  }
  check_attention(options);
  check_size("n", options.n, kMost);
  check_size("k", options.k, kMost);
  check_size("n * k", options.n * options.k, int64_t{1} << 30);
  check_size("rounds", options.rounds, 1000);
  for (const int64_t rows : options.rows) check_size("rows", rows, 8192);
  for (const int threads : options.threads) check_size("threads", threads, 1024);
  for (const std::string& name : options.dtypes) (void)checked_dtype(name, options.k);
  for (const std::string& name : options.products) {
    if (name != "fast" && name != kNearF32) {
      refuse(str("products \"", name, "\"; expected fast or near-f32"));
    }
  }
}

// Values in [-1, 1) that differ from each other; the same on every machine.
void fill(float* values, int64_t count) {
  uint32_t state = 1;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;
    values[i] = static_cast<float>(state >> 8) / static_cast<float>(1U << 23) - 1;
  }
}

device::Buffer random_weight(DType dtype, int64_t n, int64_t k) {
  const auto device = device::make_cpu_device();
  device::Buffer floats = device->allocate(n * k * size_of(DType::kF32));
  auto* values = reinterpret_cast<float*>(floats.data());
  fill(values, n * k);
  if (dtype == DType::kF32) return floats;
  device::Buffer weight = device->allocate(bytes_of(dtype, n * k));
  if (is_block_type(dtype)) {
    (void)quantize(values, n * k, dtype, weight.data());
  } else {
    convert_from_f32(values, dtype, weight.data(), n * k);
  }
  return weight;
}

// The node linear(x[t, k], w[n, k]) with several copies of the weight, each of which is a model's.
class LinearCopies {
 public:
  LinearCopies(DType dtype, bool is_near_f32, const KernelBenchOptions& options)
      : n_(options.n),
        k_(options.k),
        bytes_(bytes_of(dtype, options.n * options.k)),
        is_near_f32_(is_near_f32) {
    const int64_t most_rows = *std::max_element(options.rows.begin(), options.rows.end());
    const device::Buffer weight = random_weight(dtype, n_, k_);
    const int64_t copies = std::max<int64_t>(2, kCopiesBytes / bytes_ + 1);
    for (int64_t i = 0; i < copies; ++i) add_copy(weight, dtype, most_rows);
    x_.resize(static_cast<size_t>(most_rows * k_));
    y_.resize(static_cast<size_t>(most_rows * n_));
    fill(x_.data(), most_rows * k_);
    views_[1] = {nullptr, dtype, {n_, k_}};
  }

  [[nodiscard]] double bytes() const { return static_cast<double>(bytes_); }
  [[nodiscard]] bool is_near_f32() const { return is_near_f32_; }

  void run(int64_t rows) {
    views_[0] = {x_.data(), DType::kF32, {rows, k_}};
    result_[0] = {y_.data(), DType::kF32, {rows, n_}};
    kernels_[next_]->run(views_, result_);
    next_ = (next_ + 1) % kernels_.size();
  }

 private:
  void add_copy(const device::Buffer& weight, DType dtype, int64_t most_rows) {
    const device::Buffer plain = device::make_cpu_device()->allocate(bytes_);
    std::memcpy(plain.data(), weight.data(), static_cast<size_t>(bytes_));
    ir::Node node;
    node.op = node.name = "linear";
    if (is_near_f32_) {
      node.attributes.set(std::string(ops::kProducts), std::string(ops::kNearF32));
    }
    const std::vector<ir::TensorType> inputs = {{DType::kF32, {"t", k_}}, {dtype, {n_, k_}}};
    const std::vector<ir::TensorType> outputs = {{DType::kF32, {"t", n_}}};
    const ops::TensorView view{plain.data(), dtype, {n_, k_}};
    const std::array<const ops::TensorView*, 2> weights = {nullptr, &view};
    std::array<bool, 2> released = {};
    const ir::SymbolSizes sizes = {{"t", most_rows}};
    kernels_.push_back(ops::bind_cpu_kernel(
        {node, inputs, outputs, weights, released, sizes, nullptr, &scratch_}));
    CHECK(released[1], "linear keeps its weight for itself");
  }

  int64_t n_;
  int64_t k_;
  int64_t bytes_;
  bool is_near_f32_;
  ops::Scratch scratch_;
  std::vector<std::unique_ptr<ops::BoundKernel>> kernels_;
  size_t next_ = 0;
  std::vector<float> x_;
  std::vector<float> y_;
  std::array<ops::TensorView, 2> views_;
  std::array<ops::TensorView, 1> result_;
};

api::Arithmetic arithmetic_of(DType weight) {
  if (is_block_type(weight)) return api::Arithmetic::kInt8;
  return weight == DType::kBF16 ? api::Arithmetic::kBF16 : api::Arithmetic::kF32;
}

void add_linear_cases(LinearCopies& copies,
                      DType dtype,
                      const KernelBenchOptions& options,
                      std::vector<api::BenchCase>& cases) {
  const char* const mode = copies.is_near_f32() ? " near-f32" : "";
  for (const int64_t rows : options.rows) {
    const auto products = static_cast<double>(rows) * static_cast<double>(options.n * options.k);
    cases.push_back({.name = str("linear ", to_string(dtype), mode, " rows ", rows),
                     .run = [&copies, rows] { copies.run(rows); },
                     .bytes = copies.bytes(),
                     .operations = 2 * products,
                     .arithmetic = arithmetic_of(dtype)});
  }
}

// All that is measured of one type, in turns.
void run_linear(DType dtype, const KernelBenchOptions& options, api::Harness& harness) {
  std::vector<std::unique_ptr<LinearCopies>> copies;
  std::vector<api::BenchCase> cases;
  for (const std::string& products : options.products) {
    const bool is_near_f32 = products == kNearF32;
    if (is_near_f32 && dtype != DType::kBF16) continue;
    copies.push_back(std::make_unique<LinearCopies>(dtype, is_near_f32, options));
    add_linear_cases(*copies.back(), dtype, options, cases);
  }
  if (!cases.empty()) harness.run(cases);
}

void run_linear(const KernelBenchOptions& options, api::Harness& harness) {
  for (const std::string& name : options.dtypes) {
    if (options.rows.empty()) return;
    run_linear(checked_dtype(name, options.k), options, harness);
  }
}

// One decoded token, which reads the whole cache of its sequence.
void run_decode(const std::string& name, const api::AttentionShape& shape, api::Harness& harness) {
  const int64_t bytes =
      bytes_of(shape.cache, 2 * shape.positions * api::kBenchKvHeads * shape.head_dim);
  api::AttentionCalls calls(shape, std::max<int64_t>(2, kCopiesBytes / bytes + 1), 1);
  harness.run({{.name = str(name, " context ", shape.positions),
                .run = [&calls] { calls.run(1); },
                .bytes = calls.bytes(),
                .operations = calls.operations(1)}});
}

void run_prompt(const std::string& name, const api::AttentionShape& shape, api::Harness& harness) {
  api::AttentionCalls calls(shape, 2, shape.positions);
  harness.run({{.name = str(name, " prompt ", shape.positions),
                .run = [&calls, tokens = shape.positions] { calls.run(tokens); },
                .operations = calls.operations(shape.positions),
                .arithmetic = api::Arithmetic::kF32}});
}

void run_attention(const KernelBenchOptions& options, api::Harness& harness) {
  for (const std::string& type : options.cache_dtypes) {
    const DType dtype = checked_cache_dtype(type);
    for (const int64_t dim : options.head_dims) {
      for (const int64_t group : options.groups) {
        const std::string name = str("attention ", type, " group ", group, " head dim ", dim);
        for (const std::string& blocks : options.blocks) {
          run_decode(str(name, " ", blocks),
                     {dtype, group, dim, options.context, blocks == kShuffled}, harness);
        }
        run_prompt(name, {dtype, group, dim, options.prompt}, harness);
      }
    }
  }
}

}  // namespace

std::vector<BenchReport> bench_kernels(const KernelBenchOptions& options) {
  check(options);
  std::vector<int> threads = options.threads;
  if (threads.empty()) {
    threads.push_back(1);
    if (device::usable_cores() > 1) threads.push_back(device::usable_cores());
  }
  std::vector<BenchReport> reports;
  for (const int count : threads) {
    api::Harness harness(
        "kernels",
        {.threads = count, .rounds = options.rounds, .quiet_seconds = options.quiet_seconds});
    for (const std::string& op : options.ops) {
      op == "linear" ? run_linear(options, harness) : run_attention(options, harness);
    }
    reports.push_back(harness.report());
  }
  return reports;
}

}  // namespace partita
