// SPDX-License-Identifier: Apache-2.0
// Names of step inputs and symbols, and their limits.
#include "api/step_binding.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ops/attention/inputs.h"
#include "partition/plan_index.h"
#include "passes/end_in_candidates.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::api {
namespace {

runtime::StepInput input(std::string_view name, std::span<const int32_t> data) {
  return {name, DType::kI32, data.data(), static_cast<int64_t>(data.size())};
}

// As many rows as logits are wanted of.
size_t whole_rows(const engine::StepBatch& batch) {
  return batch.whole_logits ? batch.logit_rows.size() : 0;
}

int64_t blocks_per_sequence(const plan::Workload& workload) {
  return (workload.max_context - 1) / workload.block_size + 1;
}

// Of one replica; as the planner counts them.
int64_t sequences_of(const plan::Plan& plan) {
  return (plan.workload.concurrency - 1) / plan.replicas + 1;
}

// Block numbers are i32 everywhere. A plan.json edited by hand may ask for anything.
int64_t kv_blocks(const plan::Plan& plan) {
  const plan::Workload& workload = plan.workload;
  const auto blocks = checked_mul(blocks_per_sequence(workload), sequences_of(plan));
  if (blocks && *blocks <= INT32_MAX) return *blocks;
  throw Error(ErrorCode::kUnsupported,
              str("[plan] max_context ", workload.max_context, " for ", sequences_of(plan),
                  " sequences needs more than ", INT32_MAX, " cache blocks of ",
                  workload.block_size, " positions; lower one of them"));
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument,
              str("[step] ", what, "; correct the tokens, or run the same version on both sides"));
}

void check_in_range(const char* name, int64_t value, int64_t begin, int64_t end) {
  if (value < begin || value >= end)
    refuse(str(name, " is ", value, "; expected ", begin, " .. ", end - 1));
}

void check_length(const char* name, const std::vector<int32_t>& values, int64_t expected) {
  const auto length = static_cast<int64_t>(values.size());
  if (length != expected) refuse(str(name, " has ", length, " elements; expected ", expected));
}

// How many positions the leading blocks of a sequence hold.
int64_t cached_positions(const engine::StepBatch& batch, int32_t sequence, int64_t block_size) {
  const auto row = batch.block_tables.begin() + sequence * batch.blocks_per_sequence;
  return (std::find(row, row + batch.blocks_per_sequence, -1) - row) * block_size;
}

void check_tokens(const engine::StepBatch& batch, const engine::RunnerLimits& limits) {
  int32_t known = -1;  // the sequence that `positions` is of
  int64_t positions = 0;
  for (size_t i = 0; i < batch.token_ids.size(); ++i) {
    check_in_range("a token id", batch.token_ids[i], 0, limits.vocab_size);
    const int32_t sequence = batch.sequence_ids[i];
    check_in_range("a sequence id", sequence, 0, batch.sequences);
    if (sequence != known) positions = cached_positions(batch, sequence, limits.block_size);
    known = sequence;
    check_in_range("a position", batch.positions[i], 0, std::min(limits.max_context, positions));
  }
}

// The blocks of a cache are as long as its graph says; a plan.json edited by hand may say
// otherwise.
void check_block_size(const ir::Graph& graph, const plan::Workload& workload) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.op != "attention") continue;
    // [kv_heads, blocks, block_size, head_dim]
    const ir::Value& cache = graph.value(node.inputs.at(ops::attention::kValueCache));
    const int64_t found = cache.type.dims.at(2).size;
    if (found == workload.block_size) continue;
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] workload.block_size is ", workload.block_size, ", but the caches of ",
                    node.name, " have blocks of ", found, " positions; plan again"));
  }
}

// What a decode step costs beyond its tokens, in tokens of a full prefill step: where the straight
// line through both meets zero tokens. 0 when the plan predicts no times.
double step_overhead_tokens(const plan::Plan& plan, int64_t sequences) {
  const double decode = plan.predicted.decode_compute_s + plan.predicted.decode_comm_s;
  const double prefill = plan.predicted.prefill_compute_s + plan.predicted.prefill_comm_s;
  const int64_t more_tokens = plan.workload.max_step_tokens - sequences;
  if (decode <= 0 || prefill <= decode || more_tokens <= 0) return 0;
  const double per_token = (prefill - decode) / static_cast<double>(more_tokens);
  return std::max(0.0, decode / per_token - static_cast<double>(sequences));
}

}  // namespace

void check_batch(const engine::StepBatch& batch, const engine::RunnerLimits& limits) {
  const auto tokens = static_cast<int64_t>(batch.token_ids.size());
  const int64_t most_blocks = (limits.max_context - 1) / limits.block_size + 1;
  check_in_range("the number of tokens", tokens, 1,
                 std::max(limits.max_step_tokens, limits.max_sequences) + 1);
  check_in_range("the number of sequences", batch.sequences, 1, limits.max_sequences + 1);
  check_in_range("the number of blocks per sequence", batch.blocks_per_sequence, 1,
                 most_blocks + 1);
  check_length("positions", batch.positions, tokens);
  check_length("sequence_ids", batch.sequence_ids, tokens);
  check_length("block_tables", batch.block_tables, batch.sequences * batch.blocks_per_sequence);
  for (const int32_t block : batch.block_tables)
    check_in_range("a block number", block, -1, limits.kv_blocks);
  check_tokens(batch, limits);
  int64_t previous = -1;
  for (const int32_t row : batch.logit_rows) {
    check_in_range("a logit row", row, previous + 1, tokens);
    previous = row;
  }
}

StepBinding::StepBinding(const engine::StepBatch& batch, std::span<const int32_t> row_numbers)
    : inputs_{input("token_ids", batch.token_ids),
              input("positions", batch.positions),
              input("sequence_ids", batch.sequence_ids),
              input("block_tables", batch.block_tables),
              input("logit_rows", batch.logit_rows),
              input(passes::kWholeRows, row_numbers.first(whole_rows(batch)))},
      symbols_{{{"t", static_cast<int64_t>(batch.token_ids.size())},
                {"s", batch.sequences},
                {"m", batch.blocks_per_sequence},
                {"r", static_cast<int64_t>(batch.logit_rows.size())},
                {passes::kWholeRowsSymbol, static_cast<int64_t>(whole_rows(batch))}}} {}

engine::RunnerLimits limits_of(const ir::Graph& graph, const plan::Plan& plan) {
  if (graph.outputs().empty() || graph.value(graph.outputs().front()).type.dims.size() != 2) {
    throw Error(ErrorCode::kUnsupported,
                str("[api] graph \"", graph.name(),
                    "\" has no output of logits [r, vocab_size]; expected a language model"));
  }
  const plan::Workload& workload = plan.workload;
  check_block_size(graph, workload);
  engine::RunnerLimits limits;
  limits.vocab_size = graph.value(graph.outputs().front()).type.dims[1].size;
  limits.max_context = workload.max_context;
  limits.max_step_tokens = workload.max_step_tokens;
  limits.max_sequences = sequences_of(plan);
  limits.block_size = workload.block_size;
  limits.candidates = passes::candidates_of(graph);
  limits.kv_blocks = kv_blocks(plan);
  limits.replicas = plan.replicas;
  limits.stages = static_cast<int64_t>(plan.stages.size());
  // One more waits in front of the first stage, so that it never waits for the frontend.
  limits.steps_in_flight = limits.stages > 1 ? limits.stages + 1 : 1;
  limits.step_overhead_tokens = step_overhead_tokens(plan, limits.max_sequences);
  return limits;
}

ir::SymbolSizes max_sizes_of(const plan::Plan& plan) {
  const plan::Workload& workload = plan.workload;
  const int64_t sequences = sequences_of(plan);
  const int64_t tokens = std::max(workload.max_step_tokens, sequences);
  return {{"t", tokens},
          {"s", sequences},
          {"m", blocks_per_sequence(workload)},
          {"r", tokens},
          {std::string(passes::kWholeRowsSymbol), tokens},
          {"c", kv_blocks(plan)}};
}

int64_t stage_message_bytes(const ir::Graph& graph, const plan::Plan& plan) {
  const ir::SymbolSizes sizes = max_sizes_of(plan);
  const partition::PlanIndex index(graph, plan);
  std::map<std::pair<int, int>, int64_t> bytes;
  for (const partition::Transfer& transfer : index.transfers()) {
    bytes[{transfer.from_stage, transfer.to_stage}] +=
        graph.value(transfer.value).type.bytes(sizes);
  }
  int64_t most = 0;
  for (const auto& [stages, sum] : bytes) most = std::max(most, sum);
  return most;
}

}  // namespace partita::api
