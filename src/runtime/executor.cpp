// SPDX-License-Identifier: Apache-2.0
// Loads a rank program and runs its steps.
#include "runtime/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "runtime/node_error.h"
#include "runtime/wished_inputs.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

// Larger terms are made in memory of this rank alone: to write what the other ranks have read last
// costs a product more than the copy that is saved (terms of 2 MB: 2 % of a prefill step).
constexpr int64_t kMostWishedBytes = int64_t{1} << 19;

using ir::ValueId;
using ir::ValueKind;

// Errors of a rank say so.
template <typename Work>
void with_rank_context(int rank, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    throw Error(error.code(), str("rank ", rank, ": ", error.what()));
  }
}

}  // namespace

Executor::Executor(Program program,
                   const WeightReader& read_weight,
                   comm::Communicator* world,
                   const LoadProgress& on_progress)
    : program_(std::move(program)), device_(device::make_cpu_device()) {
  with_rank_context(program_.rank, [&] {
    CHECK(world != nullptr || program_.groups.empty(), "groups need a world");
    if (world != nullptr) groups_ = std::make_unique<RankGroups>(*world, program_.groups);
    buffers_ = plan_buffers(program_.graph, program_.max_sizes);
    loaded_ = load_program({program_.graph, buffers_, program_.max_sizes, groups_.get(), &scratch_,
                            read_weight, on_progress},
                           *device_);
    const auto start = std::chrono::steady_clock::now();
    allocate();
    make_views();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
    load_times_ = {loaded_.read_seconds, loaded_.bind_seconds, spent.count()};
  });
}

Executor::~Executor() = default;

void Executor::allocate() {
  arena_ = device_->allocate(buffers_.arena_bytes);
  states_.resize(program_.graph.values().size());
  for (size_t i = 0; i < states_.size(); ++i) {
    const ir::Value& value = program_.graph.values()[i];
    if (value.kind == ValueKind::kState)
      states_[i] = device_->allocate(value.type.bytes(program_.max_sizes));
  }
  reset_states();
}

void Executor::reset_states() {
  for (const device::Buffer& state : states_) {
    if (state.bytes() > 0) std::memset(state.data(), 0, static_cast<size_t>(state.bytes()));
  }
}

void Executor::make_views() {
  for (const auto& [symbol, size] : program_.max_sizes) {
    symbols_.push_back(symbol);
    max_sizes_.push_back(size);
  }
  sizes_ = max_sizes_;
  for (const ir::Value& value : program_.graph.values()) {
    if (value.kind == ValueKind::kInput)
      inputs_.push_back({&value, {nullptr, value.type.dtype, value.type.shape()}, {}});
  }
  for (BoundInput& input : inputs_)
    track(*program_.graph.find_value(input.value->name), input.view);
  const auto& nodes = program_.graph.nodes();
  nodes_.reserve(nodes.size());
  // Views are tracked by address, so the lists are filled before.
  for (size_t i = 0; i < nodes.size(); ++i) {
    ops::BoundKernel* kernel = loaded_.kernels[i].get();
    const size_t op = kernel == nullptr ? 0 : op_index(nodes[i].op);
    BoundNode& bound = nodes_.emplace_back(BoundNode{&nodes[i], kernel, op, {}, {}, i, 0});
    for (const ValueId id : nodes[i].inputs) bound.inputs.push_back(view_of(id));
    for (const ValueId id : nodes[i].outputs) bound.outputs.push_back(view_of(id));
    for (size_t k = 0; k < bound.inputs.size(); ++k) track(nodes[i].inputs[k], bound.inputs[k]);
    for (size_t k = 0; k < bound.outputs.size(); ++k) track(nodes[i].outputs[k], bound.outputs[k]);
  }
  for (const WishedInput& wish : find_wished_inputs(program_.graph, buffers_)) {
    nodes_[wish.producer].reader = wish.reader;
    nodes_[wish.producer].wished_output = wish.output;
  }
  const auto& outputs = program_.graph.outputs();
  for (const ValueId id : outputs) outputs_.push_back(view_of(id));
  for (size_t k = 0; k < outputs.size(); ++k) track(outputs[k], outputs_[k]);
}

ops::TensorView Executor::view_of(ValueId id) const {
  const ir::TensorType& type = program_.graph.value(id).type;
  return {view_data(id), type.dtype, type.shape()};
}

void* Executor::view_data(ValueId id) const {
  const auto root = static_cast<size_t>(buffers_.storage[static_cast<size_t>(id)]);
  switch (program_.graph.values()[root].kind) {
    case ValueKind::kInput:
      return nullptr;  // given at each step
    case ValueKind::kWeight:
      return loaded_.weights[root].data();
    case ValueKind::kState:
      return states_[root].data();
    case ValueKind::kResult:
      break;
  }
  return arena_.data() + buffers_.offset[root];
}

// Notes what of `view` changes from step to step: symbolic dims, and the data of step inputs.
void Executor::track(ValueId id, ops::TensorView& view) {
  const ir::TensorType& type = program_.graph.value(id).type;
  for (size_t dim = 0; dim < type.dims.size(); ++dim) {
    if (type.dims[dim].is_symbolic()) {
      dynamic_dims_.push_back({&view.shape[dim], symbol_index(type.dims[dim].symbol)});
    }
  }
  const ir::Value& root = program_.graph.value(buffers_.storage[static_cast<size_t>(id)]);
  for (BoundInput& input : inputs_) {
    if (input.value == &root && &input.view != &view) input.readers.push_back(&view);
  }
}

size_t Executor::op_index(std::string_view op) {
  const auto found = std::ranges::find(op_times_, op, &OpTime::op);
  if (found != op_times_.end()) return static_cast<size_t>(found - op_times_.begin());
  op_times_.push_back({.op = op});
  return op_times_.size() - 1;
}

size_t Executor::symbol_index(const std::string& symbol) const {
  const auto found = std::ranges::lower_bound(symbols_, symbol);
  CHECK(found != symbols_.end() && *found == symbol, "symbol ", symbol, " has no maximum");
  return static_cast<size_t>(found - symbols_.begin());
}

std::span<const ops::TensorView> Executor::run(const StepInputs& inputs) {
  with_rank_context(program_.rank, [&] {
    bind_symbols(inputs.symbols);
    bind_inputs(inputs.inputs);
    run_nodes();
  });
  return outputs_;
}

void Executor::bind_symbols(std::span<const SymbolSize> symbols) {
  sizes_ = max_sizes_;
  for (const SymbolSize& given : symbols) {
    const auto found = std::ranges::find(symbols_, given.symbol);
    if (found == symbols_.end()) continue;
    const auto index = static_cast<size_t>(found - symbols_.begin());
    if (given.size < 0 || given.size > max_sizes_[index]) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[runtime] the step has ", given.symbol, " = ", given.size,
                      "; expected 0 .. ", max_sizes_[index]));
    }
    sizes_[index] = given.size;
  }
  for (const DynamicDim& dim : dynamic_dims_) *dim.size = sizes_[dim.symbol];
}

void Executor::bind_inputs(std::span<const StepInput> inputs) {
  for (BoundInput& bound : inputs_) {
    const auto found = std::ranges::find(inputs, bound.value->name, &StepInput::name);
    if (found == inputs.end()) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[runtime] the step lacks the input \"", bound.value->name, "\"; expected ",
                      ir::to_string(bound.value->type)));
    }
    if (found->dtype != bound.view.dtype || found->elements != bound.view.elements()) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[runtime] the input \"", bound.value->name, "\" has ", found->elements,
                      " elements of ", to_string(found->dtype), "; expected ",
                      bound.view.elements(), " of ", ir::to_string(bound.value->type)));
    }
    // Kernels never write to an input.
    for (ops::TensorView* reader : bound.readers) reader->data = const_cast<void*>(found->data);
  }
}

// Lets a node make its output where the node that reads it wants it, or else in the arena.
void Executor::place_output(BoundNode& producer) {
  BoundNode& reader = nodes_[producer.reader];
  ops::TensorView& made = producer.outputs[producer.wished_output];
  const int64_t bytes = made.elements() * size_of(made.dtype);
  void* place = bytes > kMostWishedBytes ? nullptr : reader.kernel->wished_input(bytes);
  if (place == nullptr) place = view_data(producer.node->outputs[producer.wished_output]);
  made.data = place;
  reader.inputs[0].data = place;
}

void Executor::run_nodes() {
  using Clock = std::chrono::steady_clock;
  Clock::time_point before = Clock::now();
  for (BoundNode& bound : nodes_) {
    if (bound.kernel == nullptr) continue;
    if (&nodes_[bound.reader] != &bound) place_output(bound);
    with_node_context(*bound.node, [&] { bound.kernel->run(bound.inputs, bound.outputs); });
    if (groups_ != nullptr) groups_->progress();
    const Clock::time_point after = Clock::now();
    OpTime& time = op_times_[bound.op];
    ++time.calls;
    time.seconds += std::chrono::duration<double>(after - before).count();
    before = after;
  }
}

MemoryUse Executor::memory() const {
  MemoryUse use;
  use.weights = weight_bytes_of(program_.graph);
  for (const device::Buffer& state : states_) use.states += state.bytes();
  use.activations = buffers_.arena_bytes;
  return use;
}

comm::Counters Executor::counters() const {
  return groups_ == nullptr ? comm::Counters{} : groups_->counters();
}

}  // namespace partita::runtime
