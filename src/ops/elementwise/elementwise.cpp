// SPDX-License-Identifier: Apache-2.0
// Elementwise operators: one table of unary and binary functions, the binary ones with numpy
// broadcasting.
#include <algorithm>
#include <array>

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// In which inputs a function is linear (see spec::Notation::linear_in).
enum class Linear : uint8_t { kNone, kFirst, kEach, kTogether };

template <Linear kLinear>
spec::Notation bind_unary(const OpCall& call) {
  require_inputs(call, 1);
  if (call.op == "scale") static_cast<void>(call.attributes.number("factor"));
  if (call.op == "leaky_relu") static_cast<void>(call.attributes.number("slope"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  if (kLinear == Linear::kFirst) notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

// The dim of `type` that is aligned with output dim `dim`; size 1 when missing.
ir::Dim aligned_dim(const ir::TensorType& type, size_t dim, size_t rank) {
  const size_t missing = rank - type.dims.size();
  return dim < missing ? ir::Dim(1) : type.dims[dim - missing];
}

std::vector<std::vector<int>> linear_sets(Linear linear) {
  switch (linear) {
    case Linear::kNone:
      return {};
    case Linear::kFirst:
      return {{0}};
    case Linear::kEach:
      return {{0}, {1}};
    case Linear::kTogether:
      return {{0, 1}};
  }
  return {};
}

template <Linear kLinear>
spec::Notation bind_binary(const OpCall& call) {
  require_inputs(call, 2);
  const ir::TensorType& a = call.inputs[0];
  const ir::TensorType& b = call.inputs[1];
  if (a.dtype != b.dtype) {
    fail(call, str("inputs are ", ir::to_string(a), " and ", ir::to_string(b),
                   "; expected one element type"));
  }
  const size_t rank = std::max(a.dims.size(), b.dims.size());
  spec::Notation notation;
  std::vector<int> out(rank, -1);
  std::vector<std::vector<int>> in(2);
  for (size_t dim = 0; dim < rank; ++dim) {
    const std::array sizes = {aligned_dim(a, dim, rank), aligned_dim(b, dim, rank)};
    if (sizes[0].size != 1 || sizes[1].size != 1) {
      out[dim] = add_factor(notation, str("d", dim), spec::FactorKind::kMap);
    }
    for (size_t i = 0; i < 2; ++i) {
      if (dim >= rank - call.inputs[i].dims.size())
        in[i].push_back(sizes[i].size == 1 ? -1 : out[dim]);
    }
  }
  notation.inputs = {index_of(in[0]), index_of(in[1])};
  notation.outputs = {index_of(out)};
  notation.linear_in = linear_sets(kLinear);
  return bound(call, std::move(notation));
}

std::vector<OpSample> unary_samples() {
  return {float_sample({f32({5, 7})}), float_sample({f32({2, 3, 4})})};
}

std::vector<OpSample> positive_unary_samples() {
  std::vector<OpSample> samples = unary_samples();
  for (OpSample& sample : samples) {
    sample.low = 0.25;
    sample.high = 4;
  }
  return samples;
}

std::vector<OpSample> scale_samples() {
  std::vector<OpSample> samples = unary_samples();
  for (OpSample& sample : samples) sample.attributes.set("factor", 0.125);
  return samples;
}

std::vector<OpSample> leaky_relu_samples() {
  std::vector<OpSample> samples = unary_samples();
  for (OpSample& sample : samples) sample.attributes.set("slope", 0.25);
  return samples;
}

std::vector<OpSample> clip_samples() {
  std::vector<OpSample> samples = unary_samples();
  samples[0].attributes.set("low", -0.5);
  for (OpSample& sample : samples) sample.attributes.set("high", 0.25);
  return samples;
}

std::vector<OpSample> binary_samples() {
  return {float_sample({f32({5, 7}), f32({5, 7})}), float_sample({f32({5, 6}), f32({6})}),
          float_sample({f32({3, 1, 4}), f32({5, 1})})};
}

std::vector<OpSample> positive_binary_samples() {
  std::vector<OpSample> samples = binary_samples();
  for (OpSample& sample : samples) {
    sample.low = 0.25;
    sample.high = 4;
  }
  return samples;
}

template <Linear kLinear = Linear::kNone>
constexpr OpDef unary(std::string_view name,
                      std::string_view summary,
                      std::vector<OpSample> (*samples)() = unary_samples) {
  OpDef op;
  op.name = name;
  op.summary = summary;
  op.notation =
      kLinear == Linear::kFirst ? "y[..] = f(x[..]); map ..; linear x" : "y[..] = f(x[..]); map ..";
  op.bind = bind_unary<kLinear>;
  op.samples = samples;
  return op;
}

template <Linear kLinear = Linear::kNone>
constexpr OpDef binary(std::string_view name,
                       std::string_view summary,
                       std::string_view notation,
                       std::vector<OpSample> (*samples)() = binary_samples) {
  OpDef op;
  op.name = name;
  op.summary = summary;
  op.notation = notation;
  op.bind = bind_binary<kLinear>;
  op.samples = samples;
  return op;
}

constexpr std::array kOps = {
    unary("silu", "x / (1 + exp(-x))."),
    unary("gelu", "x / 2 * (1 + erf(x / sqrt(2)))."),
    unary("gelu_tanh", "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."),
    unary("relu", "max(x, 0)."),
    unary("tanh", "Hyperbolic tangent."),
    unary("sigmoid", "1 / (1 + exp(-x))."),
    unary("exp", "e to the power x."),
    unary<Linear::kFirst>("neg", "-x."),
    unary("sqrt", "Square root.", positive_unary_samples),
    unary("rsqrt", "1 / sqrt(x).", positive_unary_samples),
    unary("abs", "Absolute value."),
    unary("log", "Natural logarithm.", positive_unary_samples),
    unary("erf", "Error function."),
    unary("sin", "Sine of radians."),
    unary("cos", "Cosine of radians."),
    unary("floor", "Largest integer that is not above x."),
    unary("ceil", "Smallest integer that is not below x."),
    unary("leaky_relu", "x where x >= 0, else x * slope. Attribute slope.", leaky_relu_samples),
    unary("clip", "min(max(x, low), high). Attributes low, high; none when missing.", clip_samples),
    unary<Linear::kFirst>("scale", "x * factor. Attribute factor.", scale_samples),
    binary<Linear::kTogether>(
        "add", "a + b with numpy broadcasting.", "y[..] = a[..] + b[..]; map ..; linear a b"),
    binary<Linear::kTogether>(
        "sub", "a - b with numpy broadcasting.", "y[..] = a[..] - b[..]; map ..; linear a b"),
    binary<Linear::kEach>(
        "mul", "a * b with numpy broadcasting.", "y[..] = a[..] * b[..]; map ..; linear a | b"),
    binary<Linear::kFirst>("div",
                           "a / b with numpy broadcasting.",
                           "y[..] = a[..] / b[..]; map ..; linear a",
                           positive_binary_samples),
    binary("pow",
           "a to the power b with numpy broadcasting.",
           "y[..] = pow(a[..], b[..]); map ..",
           positive_binary_samples),
    binary("max",
           "The larger of a and b with numpy broadcasting.",
           "y[..] = max(a[..], b[..]); map .."),
    binary("min",
           "The smaller of a and b with numpy broadcasting.",
           "y[..] = min(a[..], b[..]); map .."),
};

}  // namespace

std::span<const OpDef> elementwise_ops() { return kOps; }

}  // namespace partita::ops
