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

namespace {

// A call with its node, types and views; inputs from the second on may be seen as loaded weights.
class Call {
 public:
  Call(std::string_view op, const ir::Attributes& attributes, std::span<HostTensor> inputs) {
    node_.op = node_.name = op;
    node_.attributes = attributes;
    for (HostTensor& input : inputs) {
      types_.push_back(input.type());
      views_.push_back(input.view());
    }
    weights_.resize(inputs.size());
    released_ = std::make_unique<bool[]>(inputs.size());
  }

  void make_outputs(std::vector<ir::TensorType> types) {
    output_types_ = std::move(types);
    if (output_types_.empty()) output_types_ = infer_types({node_.op, node_.attributes, types_});
    for (const ir::TensorType& type : output_types_)
      outputs_.emplace_back(type.dtype, type.shape({}));
    for (HostTensor& output : outputs_) output_views_.push_back(output.view());
  }

  void give_weights() {
    for (size_t i = 1; i < views_.size(); ++i) weights_[i] = &views_[i];
  }

  // Arguments of a binding; valid as long as the call.
  [[nodiscard]] BindArgs bind_args(Groups* groups) {
    return {node_,  types_, output_types_, weights_, {released_.get(), views_.size()},
            sizes_, groups, &scratch_};
  }

  std::vector<HostTensor> run(BoundKernel& kernel) {
    // A kernel that released its weight must not read it.
    for (size_t i = 0; i < views_.size(); ++i) {
      if (released_[i]) views_[i].data = nullptr;
    }
    kernel.run(views_, output_views_);
    return std::move(outputs_);
  }

 private:
  ir::Node node_;
  std::vector<ir::TensorType> types_;
  std::vector<TensorView> views_;
  std::vector<const TensorView*> weights_;
  std::unique_ptr<bool[]> released_;
  std::vector<ir::TensorType> output_types_;
  std::vector<HostTensor> outputs_;
  std::vector<TensorView> output_views_;
  ir::SymbolSizes sizes_;
  Scratch scratch_;
};

}  // namespace

std::vector<HostTensor> evaluate(std::string_view op,
                                 const ir::Attributes& attributes,
                                 std::span<HostTensor> inputs,
                                 const EvaluateOptions& options) {
  Call call(op, attributes, inputs);
  call.make_outputs(options.output_types);
  if (options.is_weight_given) call.give_weights();
  return call.run(*bind_cpu_kernel(call.bind_args(options.groups), options.kernel));
}

std::vector<std::string_view> accepting_kernels(std::string_view op,
                                                const ir::Attributes& attributes,
                                                std::span<HostTensor> inputs) {
  Call call(op, attributes, inputs);
  call.make_outputs({});
  std::vector<std::string_view> names;
  for (const Kernel& kernel : cpu_kernels_of(op)) {
    if (kernel.bind(call.bind_args(nullptr)) != nullptr) names.push_back(kernel.name);
  }
  return names;
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
