// SPDX-License-Identifier: Apache-2.0
// Types and notation of values that are quantised rows.
#include "ops/quantized_rows.h"

#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {

std::optional<DType> quantized_for(const ir::Attributes& attributes) {
  if (!attributes.has(kQuantizedFor)) return std::nullopt;
  const std::string& name = attributes.text(kQuantizedFor);
  const std::optional<DType> weight = parse_dtype(name);
  if (weight && is_block_type(*weight)) return weight;
  throw Error(ErrorCode::kInvalidArgument,
              str("[ops] ", kQuantizedFor, " = \"", name, "\"; expected q8_0 or q4_0"));
}

bool can_quantize(const ir::TensorType& rows) {
  return rows.dtype == DType::kF32 && !rows.dims.empty() && rows.dims.back().size > 0 &&
         rows.dims.back().size % kRowBlock == 0;
}

ir::TensorType quantized_rows_type(const ir::TensorType& rows) {
  CHECK(can_quantize(rows), ir::to_string(rows), " has no whole blocks");
  ir::TensorType type = rows;
  type.dtype = DType::kU8;
  type.dims.back() = rows.dims.back().size / kRowBlock;
  type.dims.emplace_back(kRowBlockBytes);
  return type;
}

bool is_quantized_rows(const ir::TensorType& type) {
  return type.dtype == DType::kU8 && type.dims.size() > 1 && type.dims.back() == kRowBlockBytes;
}

spec::Notation with_quantized_output(const OpCall& call, spec::Notation notation) {
  if (!quantized_for(call.attributes)) return notation;
  if (!can_quantize(call.inputs[0])) {
    fail(call, str("input 0 is ", ir::to_string(call.inputs[0]), "; expected f32 rows of whole ",
                   "blocks of ", kRowBlock, ", as their results are quantised"));
  }
  for (spec::Factor& factor : notation.factors) factor.kind = spec::FactorKind::kWhole;
  notation.linear_in.clear();
  const int64_t blocks = call.inputs[0].dims.back().size / kRowBlock;
  spec::TensorIndex& output = notation.outputs.back();
  output.back() = {{add_factor(notation, "blocks", spec::FactorKind::kWhole, blocks), 1}};
  output.push_back({{add_factor(notation, "bytes", spec::FactorKind::kWhole, kRowBlockBytes), 1}});
  return notation;
}

std::vector<DType> quantized_dtypes(const OpCall& call, size_t outputs) {
  std::vector<DType> dtypes(outputs, call.inputs[0].dtype);
  if (quantized_for(call.attributes)) dtypes.back() = DType::kU8;
  return dtypes;
}

}  // namespace partita::ops
