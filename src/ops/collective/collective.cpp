// SPDX-License-Identifier: Apache-2.0
// Collectives as operators: what a partitioned program says to other ranks.
#include <array>

#include "ops/collective/pieces.h"
#include "ops/declaration.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// All dims whole, the output like the input; `attributes` are checked to be there.
spec::Notation whole_notation(const OpCall& call) {
  require_inputs(call, 1);
  static_cast<void>(call.attributes.text("group"));
  spec::Notation notation;
  const std::vector<int> dims = add_map_dims(notation, call.inputs[0].dims.size());
  for (spec::Factor& factor : notation.factors) factor.kind = spec::FactorKind::kWhole;
  notation.inputs = {index_of(dims)};
  notation.outputs = {index_of(dims)};
  return notation;
}

// Makes output dim `dim` a factor of its own, of size `size`.
void resize_output(spec::Notation& notation, size_t dim, std::string name, int64_t size) {
  const int factor = add_factor(notation, std::move(name), spec::FactorKind::kWhole, size);
  notation.outputs[0][dim] = {{factor, 1}};
}

void check_reduce(const OpCall& call) {
  const std::string& reduce = call.attributes.text("reduce");
  if (!parse_reduce_kind(reduce)) {
    fail(call, str("reduce = \"", reduce, "\"; expected sum, prod, min, max or avg"));
  }
}

void check_position(const OpCall& call, const std::string& name) {
  const int64_t position = call.attributes.integer(name);
  if (position < 0) fail(call, str(name, " = ", position, "; expected a position in the group"));
}

spec::Notation bind_all_reduce(const OpCall& call) {
  check_reduce(call);
  return bound(call, whole_notation(call));
}

spec::Notation bind_all_gather(const OpCall& call) {
  spec::Notation notation = whole_notation(call);
  const size_t dim = dim_attribute(call, "dim", call.inputs[0].dims.size());
  const auto pieces = pieces_of(call.attributes, "", call.op);
  resize_output(notation, dim, "gathered", covered_size(pieces));
  return bound(call, std::move(notation));
}

spec::Notation bind_reduce_scatter(const OpCall& call) {
  check_reduce(call);
  spec::Notation notation = whole_notation(call);
  const size_t dim = dim_attribute(call, "dim", call.inputs[0].dims.size());
  const auto pieces = pieces_of(call.attributes, "", call.op);
  const ir::Dim& size = call.inputs[0].dims[dim];
  if (!size.is_symbolic() && covered_size(pieces) > size.size) {
    fail(call, str("pieces end at ", covered_size(pieces), " in dim ", dim, " of ",
                   ir::to_string(call.inputs[0])));
  }
  resize_output(notation, dim, "kept", largest_size(pieces));
  return bound(call, std::move(notation));
}

spec::Notation bind_all_to_all(const OpCall& call) {
  spec::Notation notation = whole_notation(call);
  const size_t rank = call.inputs[0].dims.size();
  const size_t dim = dim_attribute(call, "dim", rank);
  const size_t from_dim = dim_attribute(call, "from_dim", rank);
  const auto pieces = pieces_of(call.attributes, "", call.op);
  const auto from_pieces = pieces_of(call.attributes, "from_", call.op);
  if (dim == from_dim) fail(call, str("dim and from_dim are both ", dim, "; expected two dims"));
  if (pieces.size() != from_pieces.size()) fail(call, "as many begins as from_begins are needed");
  resize_output(notation, dim, "kept", largest_size(pieces));
  resize_output(notation, from_dim, "gathered", covered_size(from_pieces));
  return bound(call, std::move(notation));
}

spec::Notation bind_permute(const OpCall& call) {
  const std::vector<int64_t>& sources = call.attributes.integers("sources");
  std::vector<bool> is_taken(sources.size(), false);
  for (const int64_t source : sources) {
    const bool is_known = source >= 0 && source < static_cast<int64_t>(sources.size());
    if (!is_known || is_taken[static_cast<size_t>(source)]) {
      fail(call, str("source ", source, " of ", sources.size(),
                     "; expected every position of the group once"));
    }
    is_taken[static_cast<size_t>(source)] = true;
  }
  return bound(call, whole_notation(call));
}

spec::Notation bind_broadcast(const OpCall& call) {
  check_position(call, "root");
  return bound(call, whole_notation(call));
}

spec::Notation bind_send(const OpCall& call) {
  check_position(call, "to");
  spec::Notation notation = whole_notation(call);
  notation.outputs.clear();
  return bound(call, std::move(notation));
}

spec::Notation bind_recv(const OpCall& call) {
  require_inputs(call, 0);
  static_cast<void>(call.attributes.text("group"));
  check_position(call, "from");
  spec::Notation notation;
  if (!call.attributes.has("type")) return notation;  // the graph gives the type
  std::vector<int> dims;
  for (const ir::Dim& dim : ir::parse_type(call.attributes.text("type")).dims) {
    const std::string name = dim.is_symbolic() ? dim.symbol : str("d", dims.size());
    dims.push_back(add_factor(notation, name, spec::FactorKind::kWhole, dim.size));
  }
  notation.outputs = {index_of(dims)};
  return notation;
}

std::vector<DType> recv_dtypes(const OpCall& call) {
  if (!call.attributes.has("type")) return {};
  return {ir::parse_type(call.attributes.text("type")).dtype};
}

// Samples are of a group of one rank, called "self": all that a single program can run.
ir::Attributes alone(std::initializer_list<std::pair<std::string, ir::Attribute>> more) {
  ir::Attributes result = attributes(more);
  result.set("group", "self");
  return result;
}

std::vector<int64_t> list(int64_t value) { return {value}; }

std::vector<OpSample> all_reduce_samples() {
  return {float_sample({f32({5, 7})}, alone({{"reduce", "sum"}}))};
}

std::vector<OpSample> piece_samples() {
  return {float_sample({f32({5, 7})},
                       alone({{"dim", int64_t{1}}, {"begins", list(0)}, {"ends", list(7)}}))};
}

std::vector<OpSample> reduce_scatter_samples() {
  std::vector<OpSample> samples = piece_samples();
  for (OpSample& sample : samples) sample.attributes.set("reduce", "max");
  return samples;
}

std::vector<OpSample> all_to_all_samples() {
  std::vector<OpSample> samples = piece_samples();
  for (OpSample& sample : samples) {
    sample.attributes.set("from_dim", int64_t{0});
    sample.attributes.set("from_begins", list(0));
    sample.attributes.set("from_ends", list(5));
  }
  return samples;
}

std::vector<OpSample> permute_samples() {
  return {float_sample({f32({5, 7})}, alone({{"sources", list(0)}}))};
}

std::vector<OpSample> broadcast_samples() {
  return {float_sample({f32({5, 7})}, alone({{"root", int64_t{0}}}))};
}

constexpr OpDef collective(std::string_view name,
                           std::string_view summary,
                           std::string_view notation,
                           spec::Notation (*bind)(const OpCall&),
                           std::vector<OpSample> (*samples)()) {
  OpDef op;
  op.name = name;
  op.summary = summary;
  op.notation = notation;
  op.bind = bind;
  op.flops = no_cost;
  op.samples = samples;
  op.has_side_effect = true;
  op.is_collective = true;
  return op;
}

constexpr OpDef receiving() {
  OpDef op = collective(
      "recv",
      "Receives a tensor from one rank. Attributes group, from (position), type (optional, as "
      "\"f32[t,512]\"; without it the graph gives the type).",
      "y[..] <-; whole ..", bind_recv, nullptr);
  op.output_dtypes = recv_dtypes;
  return op;
}

// Every summary names its attributes; "group" is the name of a group of ranks, positions count in
// it.
constexpr std::array kOps = {
    collective("all_reduce",
               "Reduces over the group; every rank gets the result. Attributes group, reduce.",
               "y[..] = x[..]; whole ..",
               bind_all_reduce,
               all_reduce_samples),
    collective("all_gather",
               "Every rank gets all pieces of dim; rank r gives [begins[r], ends[r]). Attributes "
               "group, dim, begins, ends.",
               "y[..,gathered] = x[..,d]; whole ..",
               bind_all_gather,
               piece_samples),
    collective("reduce_scatter",
               "Reduces over the group; rank r keeps [begins[r], ends[r]) of dim. Attributes "
               "group, reduce, dim, begins, ends.",
               "y[..,kept] = x[..,d]; whole ..",
               bind_reduce_scatter,
               reduce_scatter_samples),
    collective("all_to_all",
               "Moves the split from from_dim to dim: rank r gives [from_begins[r], from_ends[r]) "
               "of from_dim and keeps [begins[r], ends[r]) of dim. Attributes group, dim, begins, "
               "ends, from_dim, from_begins, from_ends.",
               "y[gathered,..,kept] = x[f,..,d]; whole ..",
               bind_all_to_all,
               all_to_all_samples),
    collective("permute",
               "Rank r gets what rank sources[r] of the group has. Attributes group, sources (each "
               "position once).",
               "y[..] = x[..]; whole ..",
               bind_permute,
               permute_samples),
    collective("broadcast",
               "Every rank gets what rank root has. Attributes group, root (position).",
               "y[..] = x[..]; whole ..",
               bind_broadcast,
               broadcast_samples),
    collective("send",
               "Sends x to one rank; no output. Attributes group, to (position).",
               "<- x[..]; whole ..",
               bind_send,
               nullptr),
    receiving(),
};

}  // namespace

std::span<const OpDef> collective_ops() { return kOps; }

}  // namespace partita::ops
