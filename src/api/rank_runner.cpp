// SPDX-License-Identifier: Apache-2.0
// Wires partition, runtime and engine together for one rank.
#include "api/rank_runner.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>

#include "api/step_binding.h"
#include "passes/end_in_candidates.h"
#include "runtime/checkpoint_reader.h"
#include "support/error.h"

namespace partita::api {
namespace {

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Of this program alone: what getrusage() counts includes the program that was running before exec.
int64_t peak_rss_bytes() {
  std::ifstream status("/proc/self/status");
  int64_t kib = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:" && status >> kib) return kib * 1024;
  }
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;  // Linux counts KiB
}

std::vector<engine::CollectiveReport> collective_reports(const comm::Counters& counters) {
  std::vector<engine::CollectiveReport> reports;
  for (size_t kind = 0; kind < counters.size(); ++kind) {
    const comm::Counter& counter = counters[kind];
    if (counter.calls == 0) continue;
    reports.push_back({std::string(comm::to_string(static_cast<comm::CollectiveKind>(kind))),
                       counter.calls, counter.payload_bytes, counter.wire_bytes, counter.seconds,
                       counter.waiting});
  }
  return reports;
}

}  // namespace

comm::AllReduceOptions all_reduce_options(const plan::Plan& plan) {
  return {.one_shot_bytes = plan.one_shot_bytes, .bf16_wire = plan.wire == "bf16"};
}

RankPart make_rank_part(const ir::Graph& graph, const plan::Plan& plan, int rank) {
  const auto ranks = static_cast<int>(plan.ranks());
  RankPart part{.rank = rank,
                .replica = rank / ranks,
                .program = partition::partition_rank(graph, plan, rank % ranks),
                .groups = {},
                .max_sizes = max_sizes_of(plan),
                .all_reduce = all_reduce_options(plan)};
  for (partition::Group& group : partition::groups_of(graph, plan))
    part.groups.push_back(std::move(group.name));
  return part;
}

RankRunner::RankRunner(RankPart part,
                       const formats::Checkpoint& checkpoint,
                       comm::Communicator& world,
                       const runtime::LoadProgress& on_progress)
    : rank_(part.rank),
      replica_(part.replica),
      stage_(part.program.stage),
      has_logits_(part.program.has_logits),
      row_numbers_(static_cast<size_t>(part.max_sizes.at("r"))) {
  std::iota(row_numbers_.begin(), row_numbers_.end(), 0);
  span_.rank = rank_;
  program_seconds_ = part.program_seconds;
  const Stopwatch stopwatch;
  const int64_t read_before = checkpoint.bytes_read();
  world.set_all_reduce(part.all_reduce);  // the groups of the program get the same
  runtime::Program program{part.rank, passes::end_in_candidates(part.program.graph),
                           std::move(part.groups), std::move(part.max_sizes)};
  executor_ = std::make_unique<runtime::Executor>(
      std::move(program), runtime::read_from(checkpoint), &world, on_progress);
  bytes_read_ = checkpoint.header_bytes() + checkpoint.bytes_read() - read_before;
  load_seconds_ = stopwatch.seconds();
}

RowOutputs RankRunner::run(const engine::StepBatch& batch) {
  const comm::Counters before = executor_->counters();
  span_.begin = clock_seconds();
  const StepBinding binding(batch, row_numbers_);
  const std::span<const ops::TensorView> outputs = executor_->run(binding.inputs());
  span_.end = clock_seconds();
  const comm::Counters after = executor_->counters();
  const auto spent = [&](comm::CollectiveKind kind) {
    return after[static_cast<size_t>(kind)].seconds - before[static_cast<size_t>(kind)].seconds;
  };
  span_.receiving = spent(comm::CollectiveKind::kRecv);
  span_.sending = spent(comm::CollectiveKind::kSend);
  step_seconds_ += span_.end - span_.begin;
  busy_seconds_ += span_.busy_seconds();
  ++steps_;
  if (!has_logits_) return {};
  RowOutputs rows;
  if (batch.whole_logits) rows.logits = logits_of(outputs);
  if (outputs.size() > 1) {
    const auto count = static_cast<size_t>(outputs[1].elements());
    rows.candidates = {{outputs[1].as<const float>(), count},
                       {outputs[2].as<const int32_t>(), count}};
  }
  return rows;
}

std::span<const float> RankRunner::logits_of(std::span<const ops::TensorView> outputs) {
  CHECK(!outputs.empty(), "the rank with the logits has no output");
  const ops::TensorView& logits = outputs.front();
  const auto elements = static_cast<size_t>(logits.elements());
  if (logits.dtype == DType::kF32) return {logits.as<const float>(), elements};
  converted_logits_.resize(elements);
  convert_to_f32(logits.dtype, logits.data, converted_logits_.data(), logits.elements());
  return converted_logits_;
}

engine::RankReport RankRunner::report() const {
  const runtime::MemoryUse memory = executor_->memory();
  engine::RankReport report;
  report.rank = rank_;
  report.replica = replica_;
  report.stage = stage_;
  report.pid = getpid();
  report.weight_bytes = memory.weights;
  report.kv_bytes = memory.states;
  report.activation_bytes = memory.activations;
  report.bytes_read = bytes_read_;
  report.peak_rss_bytes = peak_rss_bytes();
  report.load_seconds = load_seconds_;
  const runtime::LoadTimes& load = executor_->load_times();
  report.load = {program_seconds_, load.read_seconds, load.bind_seconds, load.buffer_seconds};
  report.step_seconds = step_seconds_;
  report.busy_seconds = busy_seconds_;
  report.steps = steps_;
  report.collectives = collective_reports(executor_->counters());
  for (const runtime::OpTime& time : executor_->op_times()) {
    report.ops.push_back({std::string(time.op), time.calls, time.seconds});
  }
  return report;
}

}  // namespace partita::api
