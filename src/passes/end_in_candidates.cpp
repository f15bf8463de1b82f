// SPDX-License-Identifier: Apache-2.0
#include "passes/end_in_candidates.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ops/collective/pieces.h"
#include "ops/op.h"
#include "support/error.h"
#include "support/range.h"

namespace partita::passes {
namespace {

using ir::NodeId;
using ir::ValueId;

// The gather of a vocabulary that lies in pieces: the last node, which only the output reads.
NodeId last_gather(const ir::Graph& graph) {
  const auto last = static_cast<NodeId>(graph.nodes().size()) - 1;
  if (last < 0) return ir::kNoId;
  const ir::Node& node = graph.node(last);
  const bool is_gather = node.op == "all_gather" && node.outputs[0] == graph.outputs()[0] &&
                         node.attributes.integer("dim") == 1;
  if (!is_gather) return ir::kNoId;
  // Pieces that overlap would give candidates twice.
  std::vector<Range> pieces = ops::pieces_of(node.attributes, "", node.op);
  std::erase_if(pieces, [](const Range& piece) { return piece.empty(); });
  std::ranges::sort(pieces, {}, &Range::begin);
  int64_t end = 0;
  for (const Range& piece : pieces) {
    if (piece.begin != end) return ir::kNoId;
    end = piece.end;
  }
  return last;
}

class Ending {
 public:
  explicit Ending(const ir::Graph& program)
      : program_(program),
        result_(program.name()),
        gather_(last_gather(program)),
        k_(candidates_of(program)) {}

  ir::Graph build() {
    const std::vector<ValueId> ids = copy();
    const auto mapped = [&](ValueId value) { return ids[static_cast<size_t>(value)]; };
    std::vector<ValueId> best;
    ValueId logits = ir::kNoId;
    if (gather_ == ir::kNoId) {
      logits = mapped(program_.outputs()[0]);
      best = top_k(logits, k_);
    } else {
      const ir::Node& gather = program_.node(gather_);
      const ValueId piece = mapped(gather.inputs[0]);
      logits = whole_logits(gather, piece);
      best = best_of_pieces(gather, piece);
    }
    result_.set_outputs({logits, best[0], best[1]});
    return std::move(result_);
  }

 private:
  // All values and nodes but the gather; their new ids.
  std::vector<ValueId> copy() {
    std::vector<ValueId> ids(program_.values().size(), ir::kNoId);
    const auto copy_result = [&](NodeId id) {
      if (id == gather_) return;
      ir::Node node = program_.node(id);
      std::vector<ir::TensorType> types;
      for (ValueId& input : node.inputs) input = ids[static_cast<size_t>(input)];
      for (const ValueId output : node.outputs) types.push_back(program_.value(output).type);
      node.outputs.clear();
      const NodeId copied = result_.add_node(std::move(node), types);
      for (size_t i = 0; i < types.size(); ++i) {
        ids[static_cast<size_t>(program_.node(id).outputs[i])] = result_.node(copied).outputs[i];
      }
    };
    NodeId next = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      const ir::Value& value = program_.values()[i];
      if (value.kind == ir::ValueKind::kInput) ids[i] = result_.add_input(value.name, value.type);
      if (value.kind == ir::ValueKind::kState) ids[i] = result_.add_state(value.name, value.type);
      if (value.kind == ir::ValueKind::kWeight)
        ids[i] = result_.add_weight(value.name, value.type, value.source);
      // Nodes without outputs come where they were as well.
      while (value.kind == ir::ValueKind::kResult && next <= value.producer) copy_result(next++);
    }
    while (next < static_cast<NodeId>(program_.nodes().size())) copy_result(next++);
    return ids;
  }

  ValueId whole_logits(const ir::Node& gather, ValueId piece) {
    const ir::TensorType& type = program_.value(gather.inputs[0]).type;
    const ir::Dim rows{kWholeRowsSymbol.data()};
    const ValueId wanted = result_.add_input(std::string(kWholeRows), {DType::kI32, {rows}});
    ir::Node take;
    take.op = "take_rows";
    take.name = free_name("logits.whole_rows");
    take.inputs = {piece, wanted};
    const ValueId taken = add(std::move(take), {{type.dtype, {rows, type.dims[1]}}})[0];
    ir::Node whole = gather;
    whole.inputs = {taken};
    whole.outputs.clear();
    const ir::TensorType& gathered = program_.value(gather.outputs[0]).type;
    return add(std::move(whole), {{gathered.dtype, {rows, gathered.dims[1]}}})[0];
  }

  std::vector<ValueId> best_of_pieces(const ir::Node& gather, ValueId piece) {
    const std::vector<Range> pieces = ops::pieces_of(gather.attributes, "", gather.op);
    const ir::TensorType& type = program_.value(gather.inputs[0]).type;
    const std::vector<ValueId> own = top_k(piece, std::min(k_, type.dims[1].size));
    // Which columns each rank's candidates are, and what its first token is.
    std::vector<int64_t> begins;
    std::vector<int64_t> ends;
    std::vector<int64_t> firsts;
    int64_t columns = 0;
    for (const Range& range : pieces) {
      const int64_t count = std::min(k_, range.size());
      begins.push_back(count == 0 ? 0 : columns);
      ends.push_back(count == 0 ? 0 : columns + count);
      firsts.push_back(range.begin);
      columns += count;
    }
    ir::Attributes attributes;
    attributes.set("begins", begins);
    attributes.set("ends", ends);
    ir::Node merge;
    merge.attributes = attributes;
    attributes.set("group", gather.attributes.text("group"));
    attributes.set("dim", int64_t{1});
    for (const ValueId value : own) {
      ir::Node all;
      all.op = "all_gather";
      all.name = free_name(result_.value(value).name + ".all_gather");
      all.inputs = {value};
      all.attributes = attributes;
      ir::TensorType gathered = result_.value(value).type;
      gathered.dims[1] = ir::Dim(columns);
      merge.inputs.push_back(add(std::move(all), {gathered})[0]);
    }
    merge.op = "merge_top_k";
    merge.name = free_name("candidates");
    merge.attributes.set("k", k_);
    merge.attributes.set("firsts", firsts);
    return add(std::move(merge), candidate_types(k_));
  }

  std::vector<ValueId> top_k(ValueId logits, int64_t k) {
    ir::Node node;
    node.op = "top_k";
    node.name = free_name(gather_ == ir::kNoId ? "candidates" : "own_candidates");
    node.inputs = {logits};
    node.attributes.set("k", k);
    return add(std::move(node), candidate_types(k));
  }

  [[nodiscard]] std::vector<ir::TensorType> candidate_types(int64_t k) const {
    const ir::Dim& rows = program_.value(program_.outputs()[0]).type.dims[0];
    return {{DType::kF32, {rows, ir::Dim(k)}}, {DType::kI32, {rows, ir::Dim(k)}}};
  }

  std::vector<ValueId> add(ir::Node node, const std::vector<ir::TensorType>& types) {
    const NodeId id = result_.add_node(std::move(node), types);
    return result_.node(id).outputs;
  }

  [[nodiscard]] std::string free_name(const std::string& wish) const {
    std::string name = wish;
    for (int number = 2; result_.find_value(name); ++number) name = str(wish, "-", number);
    return name;
  }

  const ir::Graph& program_;
  ir::Graph result_;
  NodeId gather_;
  int64_t k_;
};

}  // namespace

int64_t candidates_of(const ir::Graph& graph) {
  if (graph.outputs().size() != 1) return 0;
  const ir::TensorType& logits = graph.value(graph.outputs()[0]).type;
  const bool are_logits = logits.dtype == DType::kF32 && logits.dims.size() == 2 &&
                          logits.dims[0].is_symbolic() && !logits.dims[1].is_symbolic();
  return are_logits ? std::min(kMostCandidates, logits.dims[1].size) : 0;
}

ir::Graph end_in_candidates(const ir::Graph& program) {
  return candidates_of(program) == 0 ? program : Ending(program).build();
}

}  // namespace partita::passes
