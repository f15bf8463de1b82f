// SPDX-License-Identifier: Apache-2.0
// The public bench_model(): runs a plan and puts its predictions beside what was measured.
#include "partita/model_bench.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

#include "api/bench/step_reads.h"
#include "api/calibrate/host_state.h"
#include "api/machine_profile.h"
#include "api/model_impl.h"
#include "api/op_profile.h"
#include "api/plan_impl.h"
#include "api/plan_options.h"
#include "cost/profile.h"
#include "device/cpu/placement.h"
#include "partita/calibrate.h"
#include "planner/mesh_parts.h"
#include "support/error.h"

namespace partita {
namespace {

std::vector<int32_t> random_prompt(int64_t tokens, int64_t vocab_size) {
  std::mt19937 random(1);
  std::vector<int32_t> prompt(static_cast<size_t>(tokens));
  for (int32_t& token : prompt) {
    token = static_cast<int32_t>(random() % static_cast<uint32_t>(vocab_size));
  }
  return prompt;
}

using Clock = std::chrono::steady_clock;

// The seconds of every step of one request; `profile` (if any) notes the operators of each.
std::vector<double> step_seconds(Engine& engine,
                                 const std::vector<int32_t>& prompt,
                                 int64_t output_tokens,
                                 api::OpProfile* profile = nullptr) {
  GenerateOptions generate;
  generate.max_tokens = output_tokens;
  generate.ignore_end_of_text = true;
  const int64_t request = engine.submit(prompt, generate);
  std::vector<double> seconds;
  while (true) {
    const auto start = Clock::now();
    const bool is_running = engine.step();
    if (!is_running) break;
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    if (profile == nullptr) continue;
    profile->note(engine.report(), seconds.size() == 1 ? profile->prefill : profile->decode);
  }
  (void)engine.take(request);
  return seconds;
}

void measure(Engine& engine,
             const plan::Workload& workload,
             const ModelBenchOptions& options,
             ModelBenchResult& result) {
  const std::vector<int32_t> prompt = random_prompt(workload.prompt_tokens, result.vocab_size);
  (void)step_seconds(engine, prompt, workload.output_tokens);
  api::OpProfile profile;
  profile.start(engine.report());
  for (int i = 0; i < options.repeats; ++i) {
    const std::vector<double> seconds = step_seconds(engine, prompt, workload.output_tokens,
                                                     options.profile_ops ? &profile : nullptr);
    CHECK(seconds.size() >= 2, "a request of one step");
    result.prefill.measured.push_back(seconds.front());
    result.decode.measured.insert(result.decode.measured.end(), seconds.begin() + 1, seconds.end());
  }
  std::sort(result.prefill.measured.begin(), result.prefill.measured.end());
  std::sort(result.decode.measured.begin(), result.decode.measured.end());
  result.prefill_ops = api::op_times_of(profile.prefill);
  result.decode_ops = api::op_times_of(profile.decode);
}

// Seconds of several requests at once, each of `output_tokens`, from the first to the last step.
double batch_seconds(Engine& engine,
                     const plan::Workload& workload,
                     int64_t vocab_size,
                     int64_t output_tokens) {
  GenerateOptions generate;
  generate.max_tokens = output_tokens;
  generate.ignore_end_of_text = true;
  std::vector<int64_t> requests;
  for (int64_t i = 0; i < workload.concurrency; ++i) {
    requests.push_back(engine.submit(random_prompt(workload.prompt_tokens, vocab_size), generate));
  }
  const auto start = Clock::now();
  while (engine.step()) {
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  for (const int64_t request : requests) (void)engine.take(request);
  return seconds;
}

// Requests of one token are all prefill; what longer ones take on top is decoding. So it does not
// matter which steps mix both, or how many steps are in flight.
void measure_batch(Engine& engine,
                   const plan::Workload& workload,
                   int repeats,
                   ModelBenchResult& result) {
  (void)batch_seconds(engine, workload, result.vocab_size, workload.output_tokens);
  const auto decode_steps = static_cast<double>(workload.output_tokens - 1);
  for (int i = 0; i < repeats; ++i) {
    const double prefill = batch_seconds(engine, workload, result.vocab_size, 1);
    const double all = batch_seconds(engine, workload, result.vocab_size, workload.output_tokens);
    result.prefill.measured.push_back(prefill);
    result.decode.measured.push_back((all - prefill) / decode_steps);
  }
  std::sort(result.prefill.measured.begin(), result.prefill.measured.end());
  std::sort(result.decode.measured.begin(), result.decode.measured.end());
}

void compare_memory(const RunReport& report,
                    const plan::Plan& plan,
                    bool has_processes,
                    ModelBenchResult& result) {
  for (const RankCost& rank : report.ranks) {
    const auto index = static_cast<size_t>(rank.rank);
    result.memory.push_back({plan.memory.at(index % plan.memory.size()).total(),
                             has_processes ? rank.peak_rss_bytes : 0});
  }
}

// A profile of this machine, measured when it is made; its file goes with it.
class FreshProfile {
 public:
  explicit FreshProfile(const PlanOptions& plan)
      : file_(std::filesystem::temp_directory_path() / str("partita-bench-", getpid(), ".toml")) {
    int64_t ranks = std::max(1, plan.ranks);
    if (!plan.mesh.empty()) {
      const planner::MeshParts parts = planner::parse_parts(plan.mesh);
      ranks = parts.replica.size() * parts.replicas;
    }
    (void)calibrate({.ranks = {static_cast<int>(ranks)}, .output = file_});
  }
  ~FreshProfile() {
    std::error_code ignored;
    std::filesystem::remove(file_, ignored);
  }
  FreshProfile(const FreshProfile&) = delete;
  FreshProfile& operator=(const FreshProfile&) = delete;
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
};

double round_trip_of_profile(const PlanOptions& options, int ranks) {
  const std::filesystem::path file =
      options.devices.empty() ? api::machine_profile_path(ranks) : options.devices;
  std::error_code failure;
  if (file.empty() || !std::filesystem::exists(file, failure)) return 0;
  return cost::load_profile(file).round_trip_ns;
}

}  // namespace

ModelBenchResult bench_model(const Model& model, const ModelBenchOptions& options) {
  if (options.repeats < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[bench] ", options.repeats, " repeats; expected at least 1"));
  }
  if (options.plan.output_tokens < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                "[bench] the output is one token, which prefill gives; expected two or more, so "
                "that there is something to decode");
  }
  if (options.profile_ops && options.plan.concurrency > 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[bench] operators are timed for one request, not ", options.plan.concurrency,
                    "; drop --profile-ops or --batch"));
  }
  api::check_bench_context(model, options.plan);
  // All prompts in one prefill step; of one request it is the one that the plan predicts.
  PlanOptions plan_options = options.plan;
  plan_options.max_context = plan_options.prompt_tokens + plan_options.output_tokens;
  plan_options.max_step_tokens = plan_options.prompt_tokens * plan_options.concurrency;
  std::optional<FreshProfile> profile;
  if (options.calibrates) plan_options.devices = profile.emplace(plan_options).file();
  const Plan plan = Plan::make(model, plan_options);
  const plan::Plan& decided = plan.impl().plan;
  ModelBenchResult result;
  result.mesh = decided.mesh.to_string();
  result.ranks = plan.ranks();
  result.vocab_size = model.vocab_size();
  result.profile = decided.profile;
  result.profile_round_trip_ns = round_trip_of_profile(plan_options, plan.ranks());
  result.prefill.predicted = plan.predicted_prefill_seconds();
  result.decode.predicted = plan.predicted_decode_seconds();
  const api::StepReads reads =
      api::step_reads(model.impl().imported.graph, decided, options.engine.threads_per_rank);
  EngineOptions engine_options = options.engine;
  engine_options.overlap = false;
  const double read_before = api::read_seconds(reads);
  {
    Engine engine(model, plan, engine_options);
    result.busy_share = api::busy_share();
    result.round_trip_before_ns = device::round_trip_ns();
    if (decided.workload.concurrency == 1) {
      measure(engine, decided.workload, options, result);
    } else {
      measure_batch(engine, decided.workload, options.repeats, result);
    }
    compare_memory(engine.report(), decided, options.engine.launcher != "threads", result);
  }
  // When the ranks are gone: threads of theirs that still look for work would be measured too.
  result.step_weight_bytes = reads.bytes();
  result.step_read_seconds = (read_before + api::read_seconds(reads)) / 2;
  result.round_trip_after_ns = device::round_trip_ns();
  return result;
}

}  // namespace partita
