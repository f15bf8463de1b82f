// SPDX-License-Identifier: Apache-2.0
// Reads the text form of a graph (docs/formats/graph.md).
#include <limits>
#include <set>

#include "ir/graph.h"
#include "ir/scanner.h"
#include "ir/type_text.h"
#include "ir/weight_text.h"
#include "support/error.h"

namespace partita::ir {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : scanner_(text, "graph text") {}

  Graph parse() {
    scanner_.expect("graph");
    graph_ = Graph(scanner_.quoted());
    scanner_.expect("{");
    while (!scanner_.accept("return")) statement();
    std::vector<ValueId> outputs;
    if (scanner_.peek('%')) outputs = used_values();
    scanner_.expect("}");
    if (!scanner_.at_end()) scanner_.fail("the end of the text");
    graph_.set_outputs(std::move(outputs));
    return std::move(graph_);
  }

 private:
  void statement() {
    if (scanner_.accept("input")) {
      const std::string name = new_name();
      graph_.add_input(name, type_after_colon());
    } else if (scanner_.accept("state")) {
      const std::string name = new_name();
      graph_.add_state(name, type_after_colon());
    } else if (scanner_.accept("weight")) {
      const std::string name = new_name();
      TensorType type = type_after_colon();
      if (!type.is_static()) scanner_.fail("a weight type without symbols before here");
      scanner_.expect("=");
      graph_.add_weight(name, std::move(type), scan_weight_source(scanner_));
    } else if (scanner_.peek('%')) {
      node();
    } else {
      scanner_.fail("input, weight, state, return or a value name with %");
    }
  }

  std::string name() {
    scanner_.expect("%");
    return scanner_.value_name();
  }

  // Names of values and nodes share one space, so that a node without outputs is found by name too.
  std::string new_name() {
    std::string result = name();
    if (!names_.insert(result).second) scanner_.fail(str("a new name; %", result, " exists"));
    return result;
  }

  TensorType type_after_colon() {
    scanner_.expect(":");
    return scan_type(scanner_);
  }

  std::vector<ValueId> used_values() {
    std::vector<ValueId> ids;
    do {
      const std::string used = name();
      const auto id = graph_.find_value(used);
      if (!id) scanner_.fail(str("a value defined earlier; %", used, " is not"));
      ids.push_back(*id);
    } while (scanner_.accept(","));
    return ids;
  }

  void node() {
    Node node;
    node.name = new_name();
    size_t names = 1;
    for (; scanner_.accept(","); ++names) {
      const std::string expected = str(node.name, ".", names);
      if (new_name() != expected) scanner_.fail(str("further outputs to be called %", expected));
    }
    scanner_.expect(":");
    const std::vector<TensorType> types = output_types(names);
    scanner_.expect("=");
    node.op = scanner_.identifier();
    scanner_.expect("(");
    if (scanner_.peek('%')) node.inputs = used_values();
    scanner_.expect(")");
    if (scanner_.accept("{")) attributes(node);
    graph_.add_node(std::move(node), types);
  }

  std::vector<TensorType> output_types(size_t count) {
    std::vector<TensorType> types;
    if (count == 1 && scanner_.accept("(")) {
      scanner_.expect(")");
      return types;
    }
    do {
      types.push_back(scan_type(scanner_));
    } while (scanner_.accept(","));
    if (types.size() != count) scanner_.fail(str(count, " types before here, one per output"));
    return types;
  }

  void attributes(Node& node) {
    do {
      const std::string key = scanner_.identifier();
      scanner_.expect("=");
      Attribute value = scan_attribute(scanner_);
      if (key == "layer") {
        set_layer(node, value);
        continue;
      }
      if (node.attributes.has(key)) scanner_.fail(str("each attribute once; ", key, " came twice"));
      node.attributes.set(key, std::move(value));
    } while (scanner_.accept(","));
    scanner_.expect("}");
  }

  void set_layer(Node& node, const Attribute& value) {
    const auto* layer = std::get_if<int64_t>(&value);
    if (layer == nullptr || *layer < -1 || *layer > std::numeric_limits<int32_t>::max()) {
      scanner_.fail("a layer of -1 .. 2^31-1 before here");
    }
    node.layer = static_cast<int32_t>(*layer);
  }

  Scanner scanner_;
  Graph graph_;
  std::set<std::string> names_;
};

}  // namespace

Graph parse_graph(std::string_view text) {
  Graph graph = Parser(text).parse();
  verify(graph);
  return graph;
}

}  // namespace partita::ir
