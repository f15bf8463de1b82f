// SPDX-License-Identifier: Apache-2.0
// What an operator is: one declaration in index notation, from which the rest is derived.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "spec/notation.h"

namespace partita::ops {

// An operator with its attributes and input types: what a declaration looks at.
struct OpCall {
  std::string_view op;
  const ir::Attributes& attributes;
  std::span<const ir::TensorType> inputs;
};

// A small valid call with concrete shapes, used to prove every derived strategy numerically, to
// compare kernels and by the generated reference pages. Float inputs are random in [low, high);
// `integer_below` bounds the random values of integer inputs (0 for float inputs); a non-empty
// integer_values[i] gives all elements of integer input i (positions, block tables).
struct OpSample {
  ir::Attributes attributes;
  std::vector<ir::TensorType> inputs;
  std::vector<int64_t> integer_below;                // per input
  std::vector<std::vector<int64_t>> integer_values;  // per input, or empty
  double low = -1;
  double high = 1;
};

// While a weight is brought into a kernel's layout, the plain and the new copy of one block of this
// size both take memory; the plain copy of each finished block is given back at once. Small against
// a device, and a product of one row still streams a block for a millisecond.
inline constexpr int64_t kPackedBlockBytes = int64_t{32} << 20;

// One operator. Rows of static tables; each folder ops/<op>/ defines `std::span<const OpDef>
// <op>_ops()` and `std::span<const ops::KernelList> <op>_cpu_kernels()`; CMake writes the operator
// table from the folder names.
struct OpDef {
  std::string_view name;
  std::string_view summary;   // one sentence for the reference page
  std::string_view notation;  // text of the notation as shown to people
  // The bound notation of a call. Throws kInvalidArgument (number of inputs, dims, attributes),
  // naming the op.
  spec::Notation (*bind)(const OpCall& call) = nullptr;
  // Output element types; null = the type of input 0 for every output. (Output dims come from the
  // notation.)
  std::vector<DType> (*output_dtypes)(const OpCall& call) = nullptr;
  // Floating-point operations; null = 1 per output element.
  double (*flops)(const OpCall& call, const ir::SymbolSizes& symbols) = nullptr;
  // Bytes read and written; null = all inputs and outputs once.
  double (*bytes)(const OpCall& call, const ir::SymbolSizes& symbols) = nullptr;
  // Rows that each weight in use meets, at least 1: what the rate of the kernel depends on; null =
  // the tokens.
  double (*rows)(const OpCall& call, const ir::SymbolSizes& symbols) = nullptr;
  std::vector<OpSample> (*samples)() = nullptr;
  bool has_side_effect =
      false;  // changes a state input in place, or talks to other ranks: never removed or merged
  bool is_collective = false;
  // Weights may be stored in blocks (is_block_type()); its kernels read them so.
  bool reads_blocks = false;
  // Kernels keep weights that no other node reads, but for readers of packed rows, in a layout of
  // their own: see kPackedBlockBytes.
  bool packs_weights = false;
  // Kernels read rows of a weight that another node's kernel has packed (ops/packed_rows.h).
  bool reads_packed_rows = false;
  // flops and bytes are to be asked of the largest piece: the work is not the whole one divided by
  // the piece's share of all factors (some factors are only in a part of it, or pieces cannot share
  // evenly).
  bool is_cost_of_piece = false;
};

// All operators, sorted by name (generated table).
[[nodiscard]] std::span<const OpDef* const> all_ops();
// The operator of that name; throws kUnsupported listing similar names.
[[nodiscard]] const OpDef& find_op(std::string_view name);

// Output types of a call: symbolic dims keep the symbol of the input dim that carries the factor.
[[nodiscard]] std::vector<ir::TensorType> infer_types(const OpCall& call);
[[nodiscard]] double flops_of(const OpCall& call, const ir::SymbolSizes& symbols);
[[nodiscard]] double bytes_of(const OpCall& call, const ir::SymbolSizes& symbols);

// Adds a node to `graph` with inferred outputs and returns its first output.
struct NodeOptions {
  std::string name;
  ir::Attributes attributes = {};
  int32_t layer = -1;
};
ir::ValueId add_op(ir::Graph& graph,
                   std::string_view op,
                   std::vector<ir::ValueId> inputs,
                   NodeOptions options);

// ir::verify() plus: every op is known and the types of all results are what infer_types() says.
// Collectives, whose output may be uneven, only check the number of dims.
void verify_types(const ir::Graph& graph);

// The bound notation of a node, its input types taken from the graph.
[[nodiscard]] spec::Notation notation_of(const ir::Graph& graph, const ir::Node& node);

}  // namespace partita::ops
