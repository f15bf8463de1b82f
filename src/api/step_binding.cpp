// SPDX-License-Identifier: Apache-2.0
// Names of step inputs and symbols, and their limits.
#include "api/step_binding.h"

#include <algorithm>

#include "support/error.h"

namespace partita::api {
namespace {

runtime::StepInput input(std::string_view name, const std::vector<int32_t>& data) {
  return {name, DType::kI32, data.data(), static_cast<int64_t>(data.size())};
}

int64_t blocks_per_sequence(const plan::Workload& workload) {
  return (workload.max_context + workload.block_size - 1) / workload.block_size;
}

}  // namespace

StepBinding::StepBinding(const engine::StepBatch& batch)
    : inputs_{input("token_ids", batch.token_ids), input("positions", batch.positions),
              input("sequence_ids", batch.sequence_ids), input("block_tables", batch.block_tables),
              input("logit_rows", batch.logit_rows)},
      symbols_{{{"t", static_cast<int64_t>(batch.token_ids.size())},
                {"s", batch.sequences},
                {"m", batch.blocks_per_sequence},
                {"r", static_cast<int64_t>(batch.logit_rows.size())}}} {}

engine::RunnerLimits limits_of(const ir::Graph& graph, const plan::Plan& plan) {
  if (graph.outputs().empty() || graph.value(graph.outputs().front()).type.dims.size() != 2) {
    throw Error(ErrorCode::kUnsupported,
                str("[api] graph \"", graph.name(),
                    "\" has no output of logits [r, vocab_size]; expected a language model"));
  }
  const plan::Workload& workload = plan.workload;
  engine::RunnerLimits limits;
  limits.vocab_size = graph.value(graph.outputs().front()).type.dims[1].size;
  limits.max_context = workload.max_context;
  limits.max_step_tokens = workload.max_step_tokens;
  limits.max_sequences = workload.concurrency;
  limits.block_size = workload.block_size;
  limits.kv_blocks = blocks_per_sequence(workload) * workload.concurrency;
  return limits;
}

ir::SymbolSizes max_sizes_of(const plan::Workload& workload) {
  const int64_t blocks = blocks_per_sequence(workload);
  const int64_t tokens = std::max(workload.max_step_tokens, workload.concurrency);
  return {{"t", tokens},
          {"s", workload.concurrency},
          {"m", blocks},
          {"r", tokens},
          {"c", blocks * workload.concurrency}};
}

}  // namespace partita::api
