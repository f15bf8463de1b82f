// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/measured_program.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::api {
namespace {

// Small numbers of both signs: no denormals, no overflow through many operators.
float value_at(size_t index) {
  return static_cast<float>((index * 2654435761U >> 7) % 256) / 512 - 0.25F;
}

// Repeats a pattern, because making each number anew would take longer than measuring.
template <typename T, typename Convert>
void fill(T* to, size_t elements, Convert convert) {
  const size_t pattern = std::min<size_t>(elements, 1 << 14);
  for (size_t i = 0; i < pattern; ++i) to[i] = convert(value_at(i));
  for (size_t i = pattern; i < elements; i += pattern) {
    std::copy_n(to, std::min(pattern, elements - i), to + i);
  }
}

// The same pattern, quantised.
void fill_blocks(DType dtype, int64_t elements, std::byte* to) {
  const int64_t pattern = std::min<int64_t>(elements, 1 << 14);
  std::vector<float> values(static_cast<size_t>(pattern));
  for (size_t i = 0; i < values.size(); ++i) values[i] = value_at(i);
  CHECK(quantize(values.data(), pattern, dtype, to), "the pattern has no large values");
  const int64_t bytes = bytes_of(dtype, elements);
  const int64_t step = bytes_of(dtype, pattern);
  for (int64_t at = step; at < bytes; at += step) {
    std::copy_n(to, std::min(step, bytes - at), to + at);
  }
}

void fill_weight(const ir::Value& weight, std::byte* to) {
  const auto elements = static_cast<size_t>(weight.type.elements());
  if (weight.type.dtype == DType::kBF16) {
    fill(reinterpret_cast<BFloat16*>(to), elements, BFloat16::from_float);
    return;
  }
  if (is_block_type(weight.type.dtype)) {
    fill_blocks(weight.type.dtype, weight.type.elements(), to);
    return;
  }
  CHECK(weight.type.dtype == DType::kF32, "a measured weight is f32, bf16, q8_0 or q4_0");
  fill(reinterpret_cast<float*>(to), elements, [](float value) { return value; });
}

std::vector<ir::Value> inputs_of(const ir::Graph& graph) {
  std::vector<ir::Value> inputs;
  for (const ir::Value& value : graph.values()) {
    if (value.kind == ir::ValueKind::kInput) inputs.push_back(value);
  }
  return inputs;
}

}  // namespace

MeasuredProgram::MeasuredProgram(std::string_view graph_text, const ir::SymbolSizes& max_sizes)
    : max_sizes_(max_sizes),
      inputs_(inputs_of(ir::parse_graph(graph_text))),
      executor_({0, ir::parse_graph(graph_text), {}, max_sizes}, fill_weight, nullptr) {
  size_t most_floats = 0;
  for (const ir::Value& input : inputs_) {
    const auto elements = static_cast<size_t>(input.type.elements(max_sizes));
    if (input.type.dtype != DType::kI32) {
      most_floats = std::max(most_floats, elements);
      continue;
    }
    std::vector<int32_t>& data = integers_[input.name];
    data.assign(elements, 0);
    if (input.name == "block_tables") std::iota(data.begin(), data.end(), 0);
  }
  floats_.resize(most_floats);
  fill(floats_.data(), most_floats, [](float value) { return value; });
  halves_.resize(most_floats);
  fill(halves_.data(), most_floats, BFloat16::from_float);
}

void MeasuredProgram::run(const ir::SymbolSizes& sizes, int32_t first_position) {
  ir::SymbolSizes all = max_sizes_;
  std::vector<runtime::SymbolSize> symbols;
  for (const auto& [symbol, size] : sizes) {
    all[symbol] = size;
    symbols.push_back({symbol, size});
  }
  std::vector<runtime::StepInput> inputs;
  for (const ir::Value& input : inputs_) {
    const int64_t elements = input.type.elements(all);
    const void* data = floats_.data();
    if (input.type.dtype == DType::kBF16) data = halves_.data();
    if (input.type.dtype == DType::kI32) {
      std::vector<int32_t>& integers = integers_.at(input.name);
      if (input.name == "positions") {
        std::iota(integers.begin(), integers.end(), first_position);
      }
      data = integers.data();
    }
    inputs.push_back({input.name, input.type.dtype, data, elements});
  }
  (void)executor_.run({inputs, symbols});
}

}  // namespace partita::api
