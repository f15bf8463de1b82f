// SPDX-License-Identifier: Apache-2.0
// Prints docs/reference/operators.md from the operator table; with --check FILE compares it with a
// file instead.
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "ops/op.h"
#include "spec/strategy.h"

namespace {

using namespace partita;

// What one mesh axis may do with the sample: "t | h | none".
void print_strategies(std::ostream& out, const ops::OpDef& op, const ops::OpSample& sample) {
  const spec::Mesh mesh = spec::Mesh::parse("axis=2");
  const spec::Notation notation = op.bind({op.name, sample.attributes, sample.inputs});
  out << "- sample";
  for (const ir::TensorType& type : sample.inputs) out << " `" << ir::to_string(type) << "`";
  out << ": `" << spec::to_string(notation) << "`\n";
  for (const spec::Strategy& strategy : spec::derive_strategies(notation, mesh)) {
    out << "  - " << spec::to_string(strategy, notation, mesh) << ": ";
    for (size_t i = 0; i < strategy.outputs.size(); ++i) {
      const std::vector<int64_t> shape = spec::output_shapes(notation)[i];
      out << "`" << spec::to_string(strategy.outputs[i], shape, mesh) << "` ";
    }
    out << "<-";
    for (size_t i = 0; i < strategy.inputs.size(); ++i) {
      const std::vector<int64_t> shape = sample.inputs[i].shape();
      out << " `" << spec::to_string(strategy.inputs[i], shape, mesh) << "`";
    }
    out << "\n";
  }
}

std::string reference_page() {
  std::ostringstream out;
  out << "<!-- SPDX-License-Identifier: Apache-2.0 -->\n"
         "# Operators\n\n"
         "Written by the target `operator_reference` from the declarations in `src/ops/`; do not "
         "edit.\n"
         "The notation says how an operator may be cut: `map` factors freely, `sum`, `max`, `min`, "
         "`prod` and `gather`\n"
         "factors so that every rank holds a term of the result, `whole` factors never. `..` "
         "stands for any dims, `linear`\n"
         "names the inputs whose unreduced terms may pass through. Below each operator: what one "
         "mesh axis may do with a\n"
         "sample, as specs of the outputs `<-` specs of the inputs.\n";
  for (const ops::OpDef* op : ops::all_ops()) {
    out << "\n## " << op->name << "\n\n"
        << op->summary << "\n\n```\n"
        << op->notation << "\n```\n\n";
    if (op->is_collective) out << "- collective\n";
    if (op->has_side_effect) out << "- has a side effect: never removed or merged\n";
    if (op->samples != nullptr) print_strategies(out, *op, op->samples().front());
  }
  return out.str();
}

int check(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (text == reference_page()) return 0;
  std::cerr << path << " is stale; run: operator_reference > docs/reference/operators.md\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string_view(argv[1]) == "--check") return check(argv[2]);
    if (argc != 1) {
      std::cerr << "usage: operator_reference [--check FILE]\n";
      return 2;
    }
    std::cout << reference_page();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
