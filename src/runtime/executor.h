// SPDX-License-Identifier: Apache-2.0
// One rank: its weights, states and buffers, and the loop that runs its program step by step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "device/device.h"
#include "ir/graph.h"
#include "ops/kernel.h"
#include "runtime/buffers.h"
#include "runtime/loader.h"
#include "runtime/rank_groups.h"
#include "runtime/step_inputs.h"

namespace partita::runtime {

// What a rank executes.
struct Program {
  int rank = 0;
  ir::Graph graph;                  // with local shapes
  std::vector<std::string> groups;  // of all ranks, in creation order
  ir::SymbolSizes max_sizes;        // largest size of every symbol
};

// Bytes on this rank.
struct MemoryUse {
  int64_t weights = 0;
  int64_t states = 0;
  int64_t activations = 0;
};

// Seconds of loading, see LoadedProgram; buffers: of caches and activations.
struct LoadTimes {
  double read_seconds = 0;
  double bind_seconds = 0;
  double buffer_seconds = 0;
};

// What the nodes of one op have cost since construction; views (reshapes) cost nothing and are not
// listed.
struct OpTime {
  std::string_view op;  // of the program's graph
  int64_t calls = 0;
  double seconds = 0;
};

// Owned and driven by one thread. Allocates everything when constructed and in the first steps of
// each size; later steps allocate nothing. Example:
//   Executor executor(program, read_from(checkpoint), world);
//   const ops::TensorView& logits = executor.run({inputs, symbols})[0];
class Executor {
 public:
  // Makes the groups (a collective call over `world`), loads the weights, zeroes the states.
  // `world` may be null for a program without groups; else it must outlive the executor. Throws
  // what loading throws, naming rank, node and op.
  Executor(Program program,
           const WeightReader& read_weight,
           comm::Communicator* world,
           const LoadProgress& on_progress = {});
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs all nodes once and returns the graph outputs, valid until the next call. Throws
  // kInvalidArgument when an input is missing or has a wrong size, or a symbol exceeds its maximum;
  // other errors name rank, node and op.
  [[nodiscard]] std::span<const ops::TensorView> run(const StepInputs& inputs);
  // Sets all states to zero, as after construction.
  void reset_states();

  [[nodiscard]] int rank() const { return program_.rank; }
  [[nodiscard]] const ir::Graph& graph() const { return program_.graph; }
  [[nodiscard]] MemoryUse memory() const;
  [[nodiscard]] const LoadTimes& load_times() const { return load_times_; }
  // Of all collectives of this rank since construction; zeros without groups.
  [[nodiscard]] comm::Counters counters() const;
  // One entry per op of the program, in the order of first use. Always measured: reading the clock
  // takes some 25 ns per node.
  [[nodiscard]] const std::vector<OpTime>& op_times() const { return op_times_; }

 private:
  // A symbolic dim of a view, rewritten at each step.
  struct DynamicDim {
    int64_t* size;
    size_t symbol;
  };
  struct BoundInput {
    const ir::Value* value;
    ops::TensorView view;                   // its shape of this step
    std::vector<ops::TensorView*> readers;  // node views of the same memory
  };
  struct BoundNode {
    const ir::Node* node;
    ops::BoundKernel* kernel;  // null for views
    size_t op;                 // index in op_times_
    std::vector<ops::TensorView> inputs;
    std::vector<ops::TensorView> outputs;
    size_t reader;  // node whose wished input this node makes (see WishedInput); itself when none
    size_t wished_output;
  };

  void allocate();
  void make_views();
  [[nodiscard]] ops::TensorView view_of(ir::ValueId value) const;
  [[nodiscard]] void* view_data(ir::ValueId value) const;  // its home
  void track(ir::ValueId value, ops::TensorView& view);
  [[nodiscard]] size_t op_index(std::string_view op);
  [[nodiscard]] size_t symbol_index(const std::string& symbol) const;
  void bind_symbols(std::span<const SymbolSize> symbols);
  void bind_inputs(std::span<const StepInput> inputs);
  void run_nodes();
  void place_output(BoundNode& producer);

  Program program_;
  std::unique_ptr<device::Device> device_;
  std::unique_ptr<RankGroups> groups_;
  ops::Scratch scratch_;  // of all kernels
  BufferPlan buffers_;
  LoadedProgram loaded_;
  LoadTimes load_times_;
  device::Buffer arena_;
  std::vector<device::Buffer> states_;  // by value
  std::vector<std::string> symbols_;    // sorted
  std::vector<int64_t> max_sizes_;      // by symbol
  std::vector<int64_t> sizes_;          // by symbol, of this step
  std::vector<DynamicDim> dynamic_dims_;
  std::vector<BoundInput> inputs_;
  std::vector<BoundNode> nodes_;
  std::vector<OpTime> op_times_;
  std::vector<ops::TensorView> outputs_;
};

}  // namespace partita::runtime
