// SPDX-License-Identifier: Apache-2.0
// Checks and notation pieces shared by the declarations of operators.
#include "ops/declaration.h"

#include <utility>

#include "support/error.h"

namespace partita::ops {

void fail(const OpCall& call, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, str("[ops] ", call.op, ": ", what));
}

void require_inputs(const OpCall& call, size_t count) {
  if (call.inputs.size() != count) {
    fail(call, str(call.inputs.size(), " inputs; expected ", count));
  }
}

void require_rank(const OpCall& call, size_t input, size_t rank) {
  if (call.inputs[input].dims.size() != rank) {
    fail(call, str("input ", input, " is ", ir::to_string(call.inputs[input]), "; expected ", rank,
                   " dims"));
  }
}

void require_min_rank(const OpCall& call, size_t input, size_t rank) {
  if (call.inputs[input].dims.size() < rank) {
    fail(call, str("input ", input, " is ", ir::to_string(call.inputs[input]),
                   "; expected at least ", rank, " dims"));
  }
}

void require_integers(const OpCall& call, size_t input) {
  const DType dtype = call.inputs[input].dtype;
  if (dtype != DType::kI32 && dtype != DType::kI64) {
    fail(call,
         str("input ", input, " is ", ir::to_string(call.inputs[input]), "; expected i32 or i64"));
  }
}

size_t dim_attribute(const OpCall& call, const std::string& name, size_t rank) {
  const int64_t dim = call.attributes.integer(name);
  const auto signed_rank = static_cast<int64_t>(rank);
  if (dim < -signed_rank || dim >= signed_rank) {
    fail(call, str(name, " = ", dim, "; expected a dim of ", rank));
  }
  return static_cast<size_t>(dim < 0 ? dim + signed_rank : dim);
}

size_t dim_attribute_or(const OpCall& call,
                        const std::string& name,
                        size_t rank,
                        int64_t fallback) {
  if (call.attributes.has(name)) return dim_attribute(call, name, rank);
  ir::Attributes defaults;
  defaults.set(name, fallback);
  return dim_attribute({call.op, defaults, call.inputs}, name, rank);
}

std::string leading_dims(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += str("d", i, ",");
  return text;
}

std::string leading_factors(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += str("d", i, " ");
  return text;
}

namespace {

// What is stored in blocks is cut between them: the factor of its last dim.
void keep_blocks(const ir::TensorType& type,
                 const spec::TensorIndex& index,
                 spec::Notation& notation) {
  if (!is_block_type(type.dtype)) return;
  ir::check_blocks(type);
  CHECK(index.back().size() == 1, "blocks of a compound dim in ", spec::to_string(notation));
  notation.factors[static_cast<size_t>(index.back()[0].factor)].granularity =
      block_elements(type.dtype);
}

}  // namespace

spec::Notation bound(const OpCall& call, spec::Notation notation) {
  std::vector<std::vector<int64_t>> shapes;
  for (const ir::TensorType& type : call.inputs) shapes.push_back(type.shape());
  spec::bind(notation, shapes, call.op);
  if (find_op(call.op).reads_blocks) {
    for (size_t i = 0; i < call.inputs.size(); ++i) {
      keep_blocks(call.inputs[i], notation.inputs[i], notation);
    }
  }
  return notation;
}

spec::Notation bind_text(const OpCall& call,
                         std::string_view text,
                         std::span<const spec::NamedInteger> integers) {
  return bound(call, spec::parse_notation(text, integers));
}

int add_factor(spec::Notation& notation, std::string name, spec::FactorKind kind, int64_t size) {
  spec::Factor factor;
  factor.name = std::move(name);
  factor.kind = kind;
  factor.size = size;
  notation.factors.push_back(std::move(factor));
  return static_cast<int>(notation.factors.size()) - 1;
}

spec::TensorIndex index_of(std::span<const int> factors) {
  spec::TensorIndex index;
  for (const int factor : factors) {
    index.emplace_back();
    if (factor >= 0) index.back().push_back({factor, 1});
  }
  return index;
}

std::vector<int> add_map_dims(spec::Notation& notation, size_t count) {
  std::vector<int> factors;
  for (size_t i = 0; i < count; ++i) {
    factors.push_back(add_factor(notation, str("d", i), spec::FactorKind::kMap));
  }
  return factors;
}

double product_of_dims(const ir::TensorType& type,
                       const ir::SymbolSizes& symbols,
                       size_t begin,
                       size_t end) {
  const std::vector<int64_t> shape = type.shape(symbols);
  double product = 1;
  for (size_t i = begin; i < end; ++i) product *= static_cast<double>(shape.at(i));
  return product;
}

double product_of_dims(const ir::TensorType& type, const ir::SymbolSizes& symbols) {
  return product_of_dims(type, symbols, 0, type.dims.size());
}

double no_cost(const OpCall& /*call*/, const ir::SymbolSizes& /*symbols*/) { return 0; }

std::vector<DType> f32_output(const OpCall& /*call*/) { return {DType::kF32}; }

namespace {
ir::TensorType sample_type(DType dtype, std::initializer_list<int64_t> shape) {
  return {dtype, std::vector<ir::Dim>(shape.begin(), shape.end())};
}
}  // namespace

ir::TensorType f32(std::initializer_list<int64_t> shape) { return sample_type(DType::kF32, shape); }

ir::TensorType bf16(std::initializer_list<int64_t> shape) {
  return sample_type(DType::kBF16, shape);
}

ir::TensorType q8(std::initializer_list<int64_t> shape) { return sample_type(DType::kQ8_0, shape); }

ir::TensorType q4(std::initializer_list<int64_t> shape) { return sample_type(DType::kQ4_0, shape); }

ir::TensorType i32(std::initializer_list<int64_t> shape) { return sample_type(DType::kI32, shape); }

OpSample float_sample(std::vector<ir::TensorType> inputs, ir::Attributes attributes) {
  OpSample sample;
  sample.attributes = std::move(attributes);
  sample.integer_below.assign(inputs.size(), 0);
  sample.inputs = std::move(inputs);
  return sample;
}

ir::Attributes attributes(std::initializer_list<std::pair<std::string, ir::Attribute>> list) {
  ir::Attributes result;
  for (const auto& [name, value] : list) result.set(name, value);
  return result;
}

}  // namespace partita::ops
