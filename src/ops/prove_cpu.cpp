// SPDX-License-Identifier: Apache-2.0
// Cuts the inputs of an op, runs its kernel on the pieces, puts the results together and compares.
#include "ops/prove.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "support/error.h"

namespace partita::ops {
namespace {

// Types whose values times a power of two are exact.
bool is_narrow(const HostTensor& tensor) {
  return tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF16 || is_block_type(tensor.dtype);
}

// The elements of `whole` in `ranges`, copied block by block.
HostTensor cut(const HostTensor& whole, std::vector<Range> ranges) {
  std::vector<int64_t> shape;
  for (const Range& range : ranges) shape.push_back(range.size());
  HostTensor piece(whole.dtype, shape);
  const int64_t block = block_elements(whole.dtype);
  std::vector<int64_t> whole_shape = whole.shape;
  if (!shape.empty()) {
    CHECK(ranges.back().begin % block == 0, "a cut through a block");
    ranges.back() = {ranges.back().begin / block, ranges.back().end / block};
    shape.back() /= block;
    whole_shape.back() /= block;
  }
  const auto bytes = static_cast<size_t>(block_bytes(whole.dtype));
  for (int64_t i = 0; i < piece.elements() / block; ++i) {
    int64_t rest = i;
    int64_t from = 0;
    int64_t stride = 1;
    for (size_t dim = shape.size(); dim-- > 0;) {
      from += (ranges[dim].begin + rest % shape[dim]) * stride;
      rest /= shape[dim];
      stride *= whole_shape[dim];
    }
    std::memcpy(piece.data.data() + static_cast<size_t>(i) * bytes,
                whole.data.data() + static_cast<size_t>(from) * bytes, bytes);
  }
  return piece;
}

HostTensor with_values(const HostTensor& like, const std::vector<double>& values) {
  const bool is_integer = like.dtype == DType::kI32 || like.dtype == DType::kI64;
  if (is_integer) {
    const std::vector<int64_t> integers(values.begin(), values.end());
    return HostTensor::from_integers(like.shape, integers, like.dtype);
  }
  const std::vector<float> floats(values.begin(), values.end());
  return HostTensor::from_floats(like.shape, floats, like.dtype);
}

// A number in [-1, 1) that depends only on its arguments.
double noise(int64_t element, int64_t term) {
  const auto mixed = static_cast<uint64_t>(element) * 0x9e3779b97f4a7c15U +
                     static_cast<uint64_t>(term + 1) * 0xbf58476d1ce4e5b9U;
  const uint64_t spread = (mixed ^ (mixed >> 29)) * 0x94d049bb133111ebU;
  return static_cast<double>(spread >> 40) / static_cast<double>(1U << 23) - 1;
}

// Term `term` of `count` that sum to the tensor. Narrow ones: (2^(count-1), ..., -2, -1) times the
// tensor, which are exact; f32: 1.6, -0.4, ... times the tensor and noise; integers: noise.
HostTensor term_of(const HostTensor& whole, int64_t term, int64_t count) {
  const std::vector<float> values = whole.floats();
  std::vector<double> terms(values.size());
  const bool is_float =
      is_narrow(whole) || whole.dtype == DType::kF32 || whole.dtype == DType::kF64;
  for (size_t i = 0; i < values.size(); ++i) {
    const auto other = [&](int64_t index) -> double {
      if (is_narrow(whole)) return -std::ldexp(values[i], static_cast<int>(index) - 1);
      const double random = noise(static_cast<int64_t>(i), index);
      return is_float ? random - 0.4 * static_cast<double>(values[i]) : std::floor(4 * random);
    };
    terms[i] = static_cast<double>(values[i]);
    if (term > 0) {
      terms[i] = other(term);
    } else {
      for (int64_t index = 1; index < count; ++index) terms[i] -= other(index);
    }
  }
  return with_values(whole, terms);
}

double combine(ReduceKind kind, double a, double b) {
  switch (kind) {
    case ReduceKind::kSum:
      return a + b;
    case ReduceKind::kProd:
      return a * b;
    case ReduceKind::kMin:
      return std::min(a, b);
    case ReduceKind::kMax:
      return std::max(a, b);
    case ReduceKind::kAvg:
      break;
  }
  CHECK(false, "strategies have no Partial(avg)");
  return 0;
}

// The values of `tensors` of the cells in the group, reduced; a spec has Partials of one kind.
std::vector<double> reduced(const std::vector<std::vector<HostTensor>>& tensors,
                            size_t output,
                            const spec::TensorSpec& spec,
                            const spec::Mesh& mesh,
                            int64_t cell) {
  std::vector<int> axes;
  for (const spec::PartialAxis& partial : spec.partials) axes.push_back(partial.axis);
  std::vector<double> result;
  for (const int64_t other : mesh.group(cell, axes)) {
    const std::vector<float> values = tensors[static_cast<size_t>(other)][output].floats();
    if (result.empty()) {
      result.assign(values.begin(), values.end());
      continue;
    }
    for (size_t i = 0; i < values.size(); ++i) {
      result[i] = combine(spec.partials[0].kind, result[i], static_cast<double>(values[i]));
    }
  }
  return result;
}

std::optional<std::string> difference(const std::vector<double>& found,
                                      const HostTensor& expected,
                                      double tolerance) {
  const std::vector<float> wanted = expected.floats();
  if (found.size() != wanted.size()) return str(found.size(), " elements, not ", wanted.size());
  double scale = 1;
  for (const float value : wanted) {
    if (std::isfinite(value)) scale = std::max(scale, std::abs(static_cast<double>(value)));
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto value = static_cast<double>(wanted[i]);
    const bool is_near = std::abs(found[i] - value) <= tolerance * scale;
    if (found[i] == value || is_near) continue;
    return str("element ", i, " is ", found[i], ", not ", value);
  }
  return std::nullopt;
}

std::vector<double> values_of(const HostTensor& tensor) {
  const std::vector<float> values = tensor.floats();
  return {values.begin(), values.end()};
}

EvaluateOptions reference_options(const OpDef& op) {
  return {.kernel = cpu_kernels_of(op.name).back().name};
}

}  // namespace

UncutCall::UncutCall(const OpDef& op, const OpSample& sample, uint64_t seed)
    : op_(op), sample_(sample), inputs_(random_inputs(sample, seed)), inputs_after_(inputs_) {
  outputs_ = evaluate(op.name, sample.attributes, inputs_after_, reference_options(op));
  if (std::ranges::any_of(inputs_, is_narrow) || std::ranges::any_of(outputs_, is_narrow)) {
    tolerance_ = 0x1p-6;
  }
}

spec::Notation UncutCall::notation() const {
  return op_.bind({op_.name, sample_.attributes, sample_.inputs});
}

UncutCall::Tensors UncutCall::cut_inputs(const spec::Strategy& strategy,
                                         const spec::Mesh& mesh,
                                         int64_t cell) const {
  Tensors pieces;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const spec::TensorSpec& spec = strategy.inputs[i];
    std::vector<int> axes;
    for (const spec::PartialAxis& partial : spec.partials) axes.push_back(partial.axis);
    const HostTensor term =
        axes.empty() ? inputs_[i]
                     : term_of(inputs_[i], mesh.position(cell, axes), mesh.size_of(axes));
    pieces.push_back(cut(term, spec::local_ranges(spec, inputs_[i].shape, mesh, cell)));
  }
  return pieces;
}

ir::Attributes UncutCall::attributes_of(const spec::Strategy& strategy,
                                        const spec::Notation& notation,
                                        const spec::Mesh& mesh,
                                        int64_t cell) const {
  ir::Attributes attributes = sample_.attributes;
  const auto ranges = spec::factor_ranges(notation, strategy, mesh, cell);
  for (const auto& [name, value] : spec::local_attributes(notation, ranges)) {
    attributes.set(name, value);
  }
  return attributes;
}

// A rank's program is verified like any graph: the types of the pieces follow from the declaration.
void UncutCall::require_types(const ir::Attributes& attributes,
                              const Tensors& inputs,
                              const std::vector<ir::TensorType>& expected) const {
  std::vector<ir::TensorType> types;
  for (const HostTensor& input : inputs) types.push_back(input.type());
  const auto inferred = infer_types({op_.name, attributes, types});
  if (inferred == expected) return;
  throw Error(ErrorCode::kInternal, str("inferred type ", ir::to_string(inferred.at(0)),
                                        " of a piece, not ", ir::to_string(expected.at(0))));
}

UncutCall::Tensors UncutCall::run_piece(const spec::Strategy& strategy,
                                        const spec::Notation& notation,
                                        const spec::Mesh& mesh,
                                        int64_t cell,
                                        Tensors& inputs) const {
  EvaluateOptions options = reference_options(op_);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const auto ranges = spec::local_ranges(strategy.outputs[i], outputs_[i].shape, mesh, cell);
    ir::TensorType& type = options.output_types.emplace_back();
    type.dtype = outputs_[i].dtype;
    for (const Range& range : ranges) type.dims.emplace_back(range.size());
  }
  ir::Attributes attributes = attributes_of(strategy, notation, mesh, cell);
  if (attributes.has("shape")) attributes.set("shape", options.output_types[0].shape());
  require_types(attributes, inputs, options.output_types);
  return evaluate(op_.name, attributes, inputs, options);
}

std::optional<std::string> UncutCall::disprove(const spec::Strategy& strategy,
                                               const spec::Notation& notation,
                                               const spec::Mesh& mesh) const {
  std::vector<Tensors> inputs;
  std::vector<Tensors> outputs;
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    inputs.push_back(cut_inputs(strategy, mesh, cell));
    outputs.push_back(run_piece(strategy, notation, mesh, cell, inputs.back()));
  }
  for (int64_t cell = 0; cell < mesh.size(); ++cell) {
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const spec::TensorSpec& spec = strategy.outputs[i];
      const auto ranges = spec::local_ranges(spec, outputs_[i].shape, mesh, cell);
      const auto found = reduced(outputs, i, spec, mesh, cell);
      const auto wrong = difference(found, cut(outputs_[i], ranges), tolerance_);
      if (wrong) return str("output ", i, " at cell ", cell, ": ", *wrong);
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const spec::TensorSpec& spec = strategy.inputs[i];
      if (!spec.partials.empty()) continue;
      const auto ranges = spec::local_ranges(spec, inputs_[i].shape, mesh, cell);
      const HostTensor& after = inputs[static_cast<size_t>(cell)][i];
      const auto wrong = difference(values_of(after), cut(inputs_after_[i], ranges), tolerance_);
      if (wrong) return str("state ", i, " at cell ", cell, ": ", *wrong);
    }
  }
  return std::nullopt;
}

std::vector<Range> growing_pieces(int64_t size, int64_t count, int64_t granularity) {
  std::vector<Range> pieces;
  for (int64_t i = 0; i < count; ++i) {
    const auto cut_at = [&](int64_t position) {
      return size / granularity * position * position / (count * count) * granularity;
    };
    pieces.push_back({cut_at(i), cut_at(i + 1)});
  }
  return pieces;
}

}  // namespace partita::ops
