// SPDX-License-Identifier: Apache-2.0
// Shape rules of source expressions.
#include "ir/weight_type.h"

#include <algorithm>

#include "support/checked_math.h"
#include "support/error.h"

namespace partita::ir {
namespace {

[[noreturn]] void broken(const WeightSource& source,
                         const TensorType& input,
                         std::string_view rule) {
  throw Error(ErrorCode::kInvalidFile, str("[weight source] ", to_string(source), " meets ",
                                           to_string(input), "; expected ", rule));
}

TensorType slice_type(const WeightSource& source, TensorType input) {
  const auto dim = static_cast<size_t>(source.dim);
  if (source.dim < 0 || dim >= input.dims.size()) broken(source, input, "a dim of the input");
  if (source.range.begin < 0 || source.range.end < source.range.begin ||
      source.range.end > input.dims[dim].size) {
    broken(source, input, "a range inside the dim");
  }
  input.dims[dim] = source.range.size();
  return input;
}

TensorType transpose_type(const WeightSource& source, const TensorType& input) {
  TensorType result{.dtype = input.dtype, .dims = {}};
  std::vector<bool> used(input.dims.size(), false);
  if (source.integers.size() != input.dims.size()) broken(source, input, "one entry per dim");
  for (const int64_t from : source.integers) {
    const auto index = static_cast<size_t>(from);
    if (from < 0 || index >= used.size() || used[index]) broken(source, input, "a permutation");
    used[index] = true;
    result.dims.push_back(input.dims[index]);
  }
  return result;
}

TensorType reshape_type(const WeightSource& source, const TensorType& input) {
  TensorType result{.dtype = input.dtype, .dims = {}};
  for (const int64_t size : source.integers) result.dims.emplace_back(size);
  if (checked_product(source.integers) != input.elements()) {
    broken(source, input, "as many elements as before");
  }
  return result;
}

TensorType concat_type(const WeightSource& source, const std::vector<TensorType>& inputs) {
  if (inputs.empty()) broken(source, {}, "at least one part");
  TensorType result = inputs[0];
  const auto dim = static_cast<size_t>(source.dim);
  if (source.dim < 0 || dim >= result.dims.size()) broken(source, result, "a dim of the parts");
  for (size_t i = 1; i < inputs.size(); ++i) {
    TensorType part = inputs[i];
    if (part.dims.size() != result.dims.size()) broken(source, part, "parts of equal dims");
    const auto joined = checked_add(result.dims[dim].size, part.dims[dim].size);
    if (!joined) broken(source, part, "a size below 2^63");
    part.dims[dim] = result.dims[dim];
    if (part != result) broken(source, inputs[i], "parts that differ in the joined dim only");
    result.dims[dim] = *joined;
  }
  return result;
}

TensorType stack_type(const WeightSource& source, const std::vector<TensorType>& inputs) {
  if (inputs.empty()) broken(source, {}, "at least one part");
  for (const TensorType& part : inputs) {
    if (part != inputs[0]) broken(source, part, "parts of equal types");
  }
  TensorType result = inputs[0];
  result.dims.insert(result.dims.begin(), static_cast<int64_t>(inputs.size()));
  return result;
}

void collect(const WeightSource& source, std::vector<std::string>& names) {
  if (source.kind == WeightSource::Kind::kTensor) names.push_back(source.tensor);
  for (const WeightSource& input : source.inputs) collect(input, names);
}

}  // namespace

TensorType type_of(const WeightSource& source, const TensorTypeLookup& lookup) {
  using Kind = WeightSource::Kind;
  if (source.kind == Kind::kTensor) return lookup(source.tensor);
  std::vector<TensorType> inputs;
  for (const WeightSource& input : source.inputs) inputs.push_back(type_of(input, lookup));
  if (source.kind == Kind::kConcat) return concat_type(source, inputs);
  if (source.kind == Kind::kStack) return stack_type(source, inputs);
  CHECK(inputs.size() == 1, "a source expression with ", inputs.size(), " inputs");
  switch (source.kind) {
    case Kind::kSlice:
      return slice_type(source, inputs[0]);
    case Kind::kTranspose:
      return transpose_type(source, inputs[0]);
    case Kind::kReshape:
      return reshape_type(source, inputs[0]);
    case Kind::kTensor:
    case Kind::kConcat:
    case Kind::kStack:
      break;
  }
  return {};
}

std::vector<std::string> tensors_of(const WeightSource& source) {
  std::vector<std::string> names;
  collect(source, names);
  return names;
}

}  // namespace partita::ir
