// SPDX-License-Identifier: Apache-2.0
// A batch of the engine as the inputs of a rank program.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/step_runner.h"
#include "ir/types.h"
#include "plan/plan.h"
#include "runtime/step_inputs.h"

namespace partita::api {

// Names data and sizes of `batch` as language models call them; borrows the batch and
// `row_numbers`, which are 0, 1, ... for at least as many rows as it has. Allocates nothing.
// Example:
//   const StepBinding binding(batch, row_numbers);
//   executor.run(binding.inputs());
class StepBinding {
 public:
  StepBinding(const engine::StepBatch& batch, std::span<const int32_t> row_numbers);
  [[nodiscard]] runtime::StepInputs inputs() const { return {inputs_, symbols_}; }

 private:
  std::array<runtime::StepInput, 6> inputs_;
  std::array<runtime::SymbolSize, 5> symbols_;
};

// Throws kInvalidArgument naming the first value of `batch` that the limits or the batch itself do
// not allow: lengths that differ, tokens outside the vocabulary, positions without a cache block,
// numbers of sequences, blocks or rows that do not exist. Whoever takes a batch from another
// process or a user calls it, before kernels index with these numbers.
void check_batch(const engine::StepBatch& batch, const engine::RunnerLimits& limits);

// What the scheduler must respect when a model runs by this plan. `graph` is the unsharded one.
// Throws kUnsupported for no language model or a KV cache of too many blocks, kInvalidArgument for
// blocks of another size than those of the graph.
[[nodiscard]] engine::RunnerLimits limits_of(const ir::Graph& graph, const plan::Plan& plan);

// The largest size of every symbol over all steps. A step may ask for the logits of all its tokens;
// generation asks for one row per sequence, so that most of that buffer is never touched and costs
// addresses only.
[[nodiscard]] ir::SymbolSizes max_sizes_of(const plan::Plan& plan);

// What all values that one stage sends to another occupy at most in a step; 0 for one stage.
[[nodiscard]] int64_t stage_message_bytes(const ir::Graph& graph, const plan::Plan& plan);

}  // namespace partita::api
