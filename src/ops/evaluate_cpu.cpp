// SPDX-License-Identifier: Apache-2.0
// Runs one operator on tensors in memory.
#include "ops/evaluate.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>

#include "device/cpu/instructions.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::ops {

HostTensor::HostTensor(DType element, std::vector<int64_t> dims)
    : dtype(element), shape(std::move(dims)) {
  if (is_block_type(dtype)) ir::check_blocks(type());
  data.resize(static_cast<size_t>(bytes_of(dtype, elements())));
}

HostTensor HostTensor::from_floats(std::vector<int64_t> dims,
                                   std::span<const float> values,
                                   DType element) {
  HostTensor tensor(element, std::move(dims));
  CHECK(tensor.elements() == static_cast<int64_t>(values.size()), "as many values as elements");
  if (is_block_type(element)) {
    quantize(values.data(), tensor.elements(), element, tensor.data.data());
  } else {
    convert_from_f32(values.data(), element, tensor.data.data(), tensor.elements());
  }
  return tensor;
}

HostTensor HostTensor::from_integers(std::vector<int64_t> dims,
                                     std::span<const int64_t> values,
                                     DType element) {
  HostTensor tensor(element, std::move(dims));
  CHECK(tensor.elements() == static_cast<int64_t>(values.size()), "as many values as elements");
  CHECK(element == DType::kI32 || element == DType::kI64, "integers are i32 or i64");
  for (size_t i = 0; i < values.size(); ++i) {
    const auto narrow = static_cast<int32_t>(values[i]);
    const void* from = element == DType::kI32 ? static_cast<const void*>(&narrow) : &values[i];
    const auto bytes = static_cast<size_t>(size_of(element));
    std::memcpy(tensor.data.data() + i * bytes, from, bytes);
  }
  return tensor;
}

int64_t HostTensor::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

TensorView HostTensor::view() { return {data.data(), dtype, shape}; }

ir::TensorType HostTensor::type() const {
  return {dtype, std::vector<ir::Dim>(shape.begin(), shape.end())};
}

std::vector<float> HostTensor::floats() const {
  std::vector<float> values(static_cast<size_t>(elements()));
  convert_to_f32(dtype, data.data(), values.data(), elements());
  return values;
}

std::vector<HostTensor> evaluate(std::string_view op,
                                 const ir::Attributes& attributes,
                                 std::span<HostTensor> inputs,
                                 const EvaluateOptions& options) {
  std::vector<ir::TensorType> types;
  std::vector<TensorView> views;
  for (HostTensor& input : inputs) {
    types.push_back(input.type());
    views.push_back(input.view());
  }
  std::vector<ir::TensorType> output_types = options.output_types;
  if (output_types.empty()) output_types = infer_types({op, attributes, types});
  std::vector<HostTensor> outputs;
  std::vector<TensorView> output_views;
  for (const ir::TensorType& type : output_types) outputs.emplace_back(type.dtype, type.shape({}));
  for (HostTensor& output : outputs) output_views.push_back(output.view());

  ir::Node node;
  node.op = op;
  node.name = op;
  node.attributes = attributes;
  std::vector<const TensorView*> weights(inputs.size(), nullptr);
  if (options.is_weight_given) {
    for (size_t i = 1; i < inputs.size(); ++i) weights[i] = &views[i];
  }
  const auto released = std::make_unique<bool[]>(inputs.size());
  Scratch scratch;
  const auto kernel = bind_cpu_kernel({node,
                                       types,
                                       output_types,
                                       weights,
                                       {released.get(), inputs.size()},
                                       {},
                                       options.groups,
                                       &scratch},
                                      options.kernel);
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (released[i]) views[i].data = nullptr;  // a kernel that released its weight must not read it
  }
  kernel->run(views, output_views);
  return outputs;
}

namespace {

// Uniform in [0, 1) with 24 bits, so that the value is exact in f32; std distributions differ
// between libraries.
double uniform(std::mt19937_64& generator) {
  return static_cast<double>(generator() >> 40) / static_cast<double>(int64_t{1} << 24);
}

HostTensor random_tensor(const OpSample& sample, size_t input, std::mt19937_64& generator) {
  const ir::TensorType& type = sample.inputs[input];
  const bool has_values = !sample.integer_values.empty() && !sample.integer_values[input].empty();
  if (type.elements() == 0) return {type.dtype, type.shape()};
  if (has_values) {
    return HostTensor::from_integers(type.shape(), sample.integer_values[input], type.dtype);
  }
  const auto count = static_cast<size_t>(type.elements());
  if (sample.integer_below[input] > 0) {
    std::vector<int64_t> values(count);
    for (int64_t& value : values) {
      value = static_cast<int64_t>(uniform(generator) *
                                   static_cast<double>(sample.integer_below[input]));
    }
    return HostTensor::from_integers(type.shape(), values, type.dtype);
  }
  std::vector<float> values(count);
  for (float& value : values) {
    value = static_cast<float>(sample.low + (sample.high - sample.low) * uniform(generator));
  }
  return HostTensor::from_floats(type.shape(), values, type.dtype);
}

}  // namespace

std::vector<std::string_view> usable_kernels_of(std::string_view op) {
  using device::Instructions;
  std::vector<std::string_view> names;
  for (const Kernel& kernel : cpu_kernels_of(op)) {
    const auto needs = [&](Instructions level) { return kernel.name == to_string(level); };
    const auto levels = {Instructions::kAvx2, Instructions::kAvx512};
    const auto* const level = std::find_if(levels.begin(), levels.end(), needs);
    if (level == levels.end() || *level <= device::usable_instructions()) {
      names.push_back(kernel.name);
    }
  }
  return names;
}

std::vector<HostTensor> random_inputs(const OpSample& sample, uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<HostTensor> inputs;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    inputs.push_back(random_tensor(sample, i, generator));
  }
  return inputs;
}

}  // namespace partita::ops
