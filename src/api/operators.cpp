// SPDX-License-Identifier: Apache-2.0
// Operators behind the public header: texts to calls, rules to texts.
#include "partita/operators.h"

#include <algorithm>

#include "ir/scanner.h"
#include "ir/type_text.h"
#include "ops/op.h"
#include "ops/prove.h"
#include "ops/rules.h"
#include "support/error.h"

namespace partita {
namespace {

// The reference kernels are slow: a proof beyond this many operations per rule would seem to hang.
constexpr double kMaxProofFlops = 1e8;
// The same for operators that only move elements, and for memory: of all inputs and outputs.
constexpr double kMaxProofElements = 1e6;
// A proof feeds terms of up to 2^(cells - 1) times the input, which must stay in range, and adds
// noise per cell, which must stay below the tolerance.
constexpr int64_t kMaxProofCells = 64;
constexpr int64_t kMaxProofCellsF16 = 8;

OperatorSummary summary_of(const ops::OpDef& op) {
  return {std::string(op.name), std::string(op.summary), std::string(op.notation),
          op.is_collective};
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, "[ops] " + what);
}

// "32x64" and "t,64" to f32[32,64] and f32[t,64]; the element type may stand in front.
ir::TensorType parse_shape(std::string_view text, DType fallback) {
  std::string dims(text);
  std::string type = std::string(to_string(fallback));
  const size_t colon = dims.find(':');
  if (colon != std::string::npos) {
    type = dims.substr(0, colon);
    dims.erase(0, colon + 1);
  }
  // An x between digits separates dims; in a name it is a letter.
  for (size_t i = 1; i + 1 < dims.size(); ++i) {
    const bool is_after = dims[i - 1] >= '0' && dims[i - 1] <= '9';
    if (dims[i] == 'x' && is_after) dims[i] = ',';
  }
  try {
    return ir::parse_type(type + "[" + dims + "]");
  } catch (const Error& error) {
    refuse(str("shape \"", text, "\": ", error.what(), "; expected e.g. 32x64 or bf16:t,64"));
  }
}

ir::Attribute parse_attribute(const std::string& text) {
  const bool is_list = text.find(',') != std::string::npos && text.front() != '[';
  const std::string whole = is_list ? "[" + text + "]" : text;
  try {
    ir::Scanner scanner(whole, "attribute");
    ir::Attribute value = ir::scan_attribute(scanner);
    if (scanner.at_end()) return value;
  } catch (const Error&) {
    // Not a number or list.
  }
  return text;
}

ir::Attributes parse_attributes(const std::vector<std::string>& texts) {
  ir::Attributes attributes;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      refuse(str("attribute \"", text, "\"; expected name=value"));
    }
    attributes.set(text.substr(0, equals), parse_attribute(text.substr(equals + 1)));
  }
  return attributes;
}

// The call as a sample, so that it can be proved: integer inputs keep the bounds of the op's own.
ops::OpSample sample_of(const ops::OpDef& op, const OperatorCall& call) {
  ops::OpSample sample;
  if (op.samples != nullptr) sample = op.samples().front();
  if (!call.attributes.empty() || !call.shapes.empty()) {
    sample.attributes = parse_attributes(call.attributes);
  }
  if (call.shapes.empty()) return sample;
  const std::vector<ir::TensorType> own = std::move(sample.inputs);
  sample.inputs.clear();
  for (size_t i = 0; i < call.shapes.size(); ++i) {
    sample.inputs.push_back(
        parse_shape(call.shapes[i], i < own.size() ? own[i].dtype : DType::kF32));
  }
  sample.integer_below.resize(sample.inputs.size(), 0);
  if (own != sample.inputs) sample.integer_values.clear();
  return sample;
}

std::string types_text(const std::vector<ir::TensorType>& types) {
  std::string text;
  for (const ir::TensorType& type : types) text += str(text.empty() ? "" : ", ", to_string(type));
  return text;
}

// Specs in the names of the factors of a call.
class SpecTexts {
 public:
  SpecTexts(const spec::Notation& notation, const spec::Mesh& mesh)
      : notation_(notation), mesh_(mesh) {}

  std::vector<std::string> of(const std::vector<spec::TensorSpec>& specs,
                              const std::vector<spec::TensorIndex>& tensors) const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < specs.size(); ++i) {
      std::vector<int64_t> shape;
      for (const spec::DimIndex& dim : tensors[i]) shape.push_back(dim_size(notation_, dim));
      texts.push_back(
          spec::to_string(specs[i], shape, mesh_, ops::dim_names(notation_, tensors[i])));
    }
    return texts;
  }

 private:
  const spec::Notation& notation_;
  const spec::Mesh& mesh_;
};

double elements_of(const std::vector<ir::TensorType>& types) {
  double sum = 0;
  for (const ir::TensorType& type : types) {
    double product = 1;
    for (const ir::Dim& dim : type.dims) product *= static_cast<double>(dim.size);
    sum += product;
  }
  return sum;
}

void refuse_too_many_cells(const ops::OpSample& sample, const spec::Mesh& mesh) {
  const bool has_f16 = std::ranges::any_of(
      sample.inputs, [](const ir::TensorType& type) { return type.dtype == DType::kF16; });
  const int64_t most = has_f16 ? kMaxProofCellsF16 : kMaxProofCells;
  if (mesh.size() <= most) return;
  refuse(str("--prove on the mesh ", mesh.to_string(), " of ", mesh.size(),
             " cells; expected at most ", most, has_f16 ? " with f16" : "",
             ": rules do not depend on the number"));
}

void refuse_unprovable(const ops::OpDef& op, const ops::OpSample& sample) {
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const ir::TensorType& type = sample.inputs[i];
    if (!type.is_static()) {
      refuse(str("--prove with the symbolic ", to_string(type), "; expected known sizes"));
    }
    const bool is_integer = type.dtype == DType::kI32 || type.dtype == DType::kI64;
    if (is_integer && sample.integer_below[i] == 0 && sample.integer_values.empty()) {
      refuse(str("--prove of ", op.name,
                 " with other shapes: its integers are not random; "
                 "expected the sample"));
    }
  }
  const ops::OpCall call{op.name, sample.attributes, sample.inputs};
  const double elements = elements_of(sample.inputs) + elements_of(ops::infer_types(call));
  if (elements > kMaxProofElements) {
    refuse(str("--prove of a call with ", elements, " elements; expected at most ",
               kMaxProofElements, ": try smaller shapes"));
  }
  const double flops = ops::flops_of(call, {});
  if (flops > kMaxProofFlops) {
    refuse(str("--prove of a call of ", flops, " operations; expected at most ", kMaxProofFlops,
               ": try smaller shapes"));
  }
}

// In a graph an unknown operator is one that partita does not know; here it is a name that is
// wrong.
const ops::OpDef& op_named(const std::string& name) {
  try {
    return ops::find_op(name);
  } catch (const Error& error) {
    throw Error(ErrorCode::kNotFound, error.what());
  }
}

}  // namespace

std::vector<OperatorSummary> list_operators() {
  std::vector<OperatorSummary> operators;
  for (const ops::OpDef* op : ops::all_ops()) operators.push_back(summary_of(*op));
  return operators;
}

OperatorRules operator_rules(const OperatorCall& call) {
  const ops::OpDef& op = op_named(call.op);
  const spec::Mesh mesh = spec::Mesh::parse(call.mesh);
  OperatorRules result;
  result.op = summary_of(op);
  result.mesh = mesh.to_string();
  if (op.is_collective) return result;
  const ops::OpSample sample = sample_of(op, call);
  const ops::OpCall op_call{op.name, sample.attributes, sample.inputs};
  const spec::Notation notation = op.bind(op_call);
  result.call = str(types_text(sample.inputs), " -> ", types_text(ops::infer_types(op_call)));
  result.notation = spec::to_string(notation);
  std::optional<ops::UncutCall> uncut;
  if (call.prove) {
    refuse_unprovable(op, sample);
    refuse_too_many_cells(sample, mesh);
    uncut.emplace(op, sample, 1);
  }
  const SpecTexts texts(notation, mesh);
  for (const ops::OpRule& rule : ops::rules_of(op_call, mesh)) {
    OperatorRule& shown = result.rules.emplace_back();
    shown.choice = spec::to_string(rule.strategy, notation, mesh);
    shown.inputs = texts.of(rule.strategy.inputs, notation.inputs);
    shown.outputs = texts.of(rule.outputs, notation.outputs);
    shown.reduction = ops::to_string(rule.reduction);
    shown.keeps_attributes = rule.keeps_attributes;
    shown.is_even = rule.is_even;
    shown.flops = rule.flops;
    shown.bytes = rule.bytes;
    if (!uncut) continue;
    const auto wrong = uncut->disprove(rule.strategy, notation, mesh);
    shown.is_proved = !wrong.has_value();
    shown.counterexample = wrong.value_or("");
  }
  return result;
}

}  // namespace partita
