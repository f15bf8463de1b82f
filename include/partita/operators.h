// SPDX-License-Identifier: Apache-2.0
// The operators and the ways in which a mesh may cut them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace partita {

struct OperatorSummary {
  std::string name;
  std::string summary;   // one sentence
  std::string notation;  // index notation: docs/reference/operators.md
  bool is_collective = false;
};

// All operators, sorted by name.
[[nodiscard]] std::vector<OperatorSummary> list_operators();

// A call of one operator on a mesh.
struct OperatorCall {
  std::string op;
  std::string mesh = "tp=2";
  // One text per input: "32x64", "t,64" with a symbolic dim t, "bf16:7x12"; "" is a scalar. Empty
  // list: the operator's sample. Element types not given are those of the sample, else f32.
  std::vector<std::string> shapes = {};
  // "dim=1", "shape=32,-1", "eps=1e-5". Empty, with no shapes: those of the sample.
  std::vector<std::string> attributes = {};
  // Runs the reference kernel on virtual ranks with random inputs and compares, rule by rule.
  bool prove = false;
};

// One way to cut the call. Specs as in docs/design/specs.md.
struct OperatorRule {
  std::string choice;  // "k:tp": which index each mesh axis splits; "replicated"
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;  // after the reduction
  // "none", "all_reduce", "reduce_scatter"; "passed" where terms of an input go on to the next
  // operator.
  std::string reduction;
  bool keeps_attributes = true;  // the pieces run the call as it is
  bool is_even = true;           // all pieces of a dim are of one size
  double flops = 0;              // of the rank with the largest pieces; 0 with symbolic dims
  double bytes = 0;
  // Only when asked for; symbolic dims, large calls and meshes of many cells are refused.
  std::optional<bool> is_proved;
  std::string counterexample;  // where the proof failed
};

struct OperatorRules {
  OperatorSummary op;
  std::string mesh;
  std::string call;      // "f32[32,64], f32[64,32] -> f32[32,32]"
  std::string notation;  // with the factors of this call
  std::vector<OperatorRule> rules;
};

// All rules of a call. Throws kNotFound for an unknown operator (naming similar ones) and
// kInvalidArgument for a call, mesh or text that does not fit.
[[nodiscard]] OperatorRules operator_rules(const OperatorCall& call);

}  // namespace partita
