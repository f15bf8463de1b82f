// SPDX-License-Identifier: Apache-2.0
// The public Plan: asks the planner, reads and writes plan.json.
#include "partita/plan.h"

#include <algorithm>

#include "api/machine_profile.h"
#include "api/model_impl.h"
#include "api/partition_files.h"
#include "api/plan_impl.h"
#include "api/plan_pins.h"
#include "partition/partition.h"
#include "planner/explain/infeasible.h"
#include "planner/explain/summary.h"
#include "planner/mesh_parts.h"
#include "planner/planner.h"
#include "planner/search/search.h"
#include "planner/solvers/solver_choice.h"
#include "planner/stages/split_points.h"
#include "support/error.h"
#include "support/json.h"

namespace partita {
namespace {

constexpr int64_t kDefaultMaxContext =
    4096;  // a longer context must be asked for: its KV cache is reserved
constexpr double kBytesPerGb = 1e9;

plan::Workload workload_of(const Model& model, const PlanOptions& options) {
  plan::Workload workload;
  const int64_t longest = options.max_context > 0 ? options.max_context : kDefaultMaxContext;
  workload.max_context = std::min(longest, model.max_positions());
  workload.concurrency = options.concurrency;
  workload.output_tokens = std::min(options.output_tokens, workload.max_context - 1);
  workload.prompt_tokens =
      std::min(options.prompt_tokens, workload.max_context - workload.output_tokens);
  workload.max_step_tokens =
      std::max(std::min(options.max_step_tokens, workload.max_context), options.concurrency);
  return workload;
}

void check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[plan] ", name, " is ", value, "; expected ", least, " .. ", most));
}

void check_options(const Model& model, const PlanOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 24;
  check_range("prompt_tokens", options.prompt_tokens, 1, kMost);
  check_range("output_tokens", options.output_tokens, 1, kMost);
  check_range("concurrency", options.concurrency, 1, int64_t{1} << 16);
  // One position is the prompt's, one the answer's.
  if (options.max_context != 0)
    check_range("max_context", options.max_context, 2, model.max_positions());
  check_range("max_step_tokens", options.max_step_tokens, 1, kMost);
  check_range("ranks", options.ranks, 0, int64_t{1} << 16);
  if (options.wire != "f32" && options.wire != "bf16") {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] wire \"", options.wire, "\"; expected f32 or bf16"));
  }
  if (!options.optimize.empty() && !options.mesh.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] a mesh (", options.mesh, ") and something to optimize (",
                    options.optimize, ") are both given; the search chooses the mesh, so give ",
                    "the number of ranks instead"));
  }
  constexpr double kMostSeconds = 1e6;  // clocks cannot count to infinity
  if (!(options.time_limit_seconds > 0 && options.time_limit_seconds <= kMostSeconds)) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] time limit ", options.time_limit_seconds,
                    " seconds; expected a number above 0, up to ", kMostSeconds));
  }
  if (!(options.memory_limit_gb >= 0) || options.memory_limit_gb > 1e9) {
    throw Error(ErrorCode::kInvalidArgument, str("[plan] memory limit ", options.memory_limit_gb,
                                                 " GB; expected a number >= 0"));
  }
}

planner::StageBalance balance_of(const PlanOptions& options) {
  using By = planner::StageBalance::By;
  if (options.split != "time" && options.split != "equal-size") {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] split \"", options.split, "\"; expected time or equal-size"));
  }
  const bool is_equal_size = options.split == "equal-size";
  if (options.memory_weight < 0) {
    return {is_equal_size ? By::kWeightBytes : By::kObjective, 0};
  }
  if (!(options.memory_weight <= 1) || is_equal_size) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] memory_weight ", options.memory_weight,
                    "; expected 0 (balance time) to 1 (balance memory), without split equal-size"));
  }
  return {By::kMix, options.memory_weight};
}

planner::SharedWeights shared_weights_of(const PlanOptions& options) {
  if (options.shared_weights == "by-cost") return planner::SharedWeights::kByCost;
  if (options.shared_weights == "co-locate") return planner::SharedWeights::kTogether;
  if (options.shared_weights == "send") return planner::SharedWeights::kSent;
  throw Error(ErrorCode::kInvalidArgument, str("[plan] shared weights \"", options.shared_weights,
                                               "\"; expected by-cost, co-locate or send"));
}

// The mesh that the options ask for: points without mesh or ranks make one rank per stage.
std::string mesh_of(const PlanOptions& options) {
  const bool is_given = !options.mesh.empty() || options.ranks > 0 || !options.optimize.empty();
  if (options.split_at.empty() || is_given) return options.mesh;
  return str("pp=", options.split_at.size() + 1);
}

// How many ranks the options ask for: those of the mesh, of --ranks, of the described machine, or
// one.
int64_t ranks_of(const PlanOptions& options, const cost::Profile* described) {
  if (const std::string mesh = mesh_of(options); !mesh.empty()) {
    const planner::MeshParts parts = planner::parse_parts(mesh);
    return parts.replica.size() * parts.replicas;
  }
  if (options.ranks > 0) return options.ranks;
  return described != nullptr ? std::max<int64_t>(1, described->device_count()) : 1;
}

cost::Profile profile_of(const PlanOptions& options) {
  cost::Profile profile;
  if (!options.devices.empty()) {
    profile = cost::load_profile(options.devices);
  } else {
    profile = api::machine_profile(static_cast<int>(ranks_of(options, nullptr)));
  }
  if (options.memory_limit_gb > 0) {
    cost::limit_memory(profile, static_cast<int64_t>(options.memory_limit_gb * kBytesPerGb));
  }
  return profile;
}

PlanCandidate to_public(const planner::CandidateReport& report) {
  return {.mesh = report.mesh.to_string(),
          .fits = report.fits,
          .is_pareto = report.is_pareto,
          .is_chosen = report.is_chosen,
          .decode_seconds = report.decode_s,
          .prefill_seconds = report.prefill_s,
          .request_seconds = report.request_s,
          .tokens_per_second = report.traffic.tokens_per_s,
          .first_token_p95_seconds = report.traffic.first_token_p95_s,
          .keeps_up = report.traffic.keeps_up,
          .rank_bytes = report.rank_bytes,
          .limit_bytes = report.limit_bytes,
          .kv_tokens = report.kv_tokens};
}

PlanCandidate to_public(const planner::TriedMesh& tried) {
  return {.mesh = tried.mesh,
          .fits = tried.fits,
          .is_chosen = tried.is_chosen,
          .is_estimate = !tried.is_decided,
          .decode_seconds = tried.step.decode_compute_s + tried.step.decode_comm_s,
          .prefill_seconds = tried.step.prefill_compute_s + tried.step.prefill_comm_s,
          .request_seconds = tried.request_s,
          .rank_bytes = tried.rank_bytes,
          .limit_bytes = tried.limit_bytes};
}

struct Decision {
  planner::PlanResult result;
  std::vector<PlanCandidate> candidates;
};

Decision search(const planner::PlanRequest& request, int64_t ranks, const PlanOptions& options) {
  planner::PlanSearch search =
      planner::search_plans({.plan = request,
                             .ranks = ranks,
                             .objective = planner::parse_objective(options.optimize),
                             .requests_per_s = options.requests_per_second});
  Decision decision = {std::move(search.result), {}};
  for (const auto& report : search.candidates) decision.candidates.push_back(to_public(report));
  return decision;
}

Decision decide(const Model& model, const PlanOptions& options) {
  planner::PlanRequest request = api::request_of(model, options);
  const auto solver = planner::make_solver(options.solver, options.time_limit_seconds);
  request.solver = solver.get();
  if (const std::string mesh = mesh_of(options); !mesh.empty()) {
    const bool is_by_stage = mesh.find('|') != std::string::npos;
    if (is_by_stage) request.stage_meshes = planner::parse_parts(mesh).stages;
    if (!is_by_stage) request.mesh = spec::Mesh::parse(mesh);
    return {planner::make_plan(request), {}};
  }
  const int64_t ranks = ranks_of(options, &request.profile);
  if (!options.optimize.empty()) return search(request, ranks, options);
  std::vector<planner::TriedMesh> tried;
  Decision decision = {planner::plan_for_ranks(request, ranks, &tried), {}};
  for (const planner::TriedMesh& mesh : tried) decision.candidates.push_back(to_public(mesh));
  return decision;
}

// A line about the measurement of this machine, if it was disturbed.
std::string profile_note(const plan::Plan& plan) {
  if (!plan.profile.starts_with(api::kBusyPrefix)) return "";
  return "warning: other programs were busy while this machine was measured, so predicted times "
         "are too long and nothing was kept; run partita calibrate when it rests\n";
}

// A partition without any other wish keeps the plan it was cut by.
bool keeps_own_plan(const Model& model, const PlanOptions& options) {
  return model.impl().partition && options.mesh.empty() && options.ranks == 0 &&
         options.devices.empty() && options.pins.empty() && options.pins_file.empty() &&
         options.tp_plan.empty() && options.autotp.empty() && options.split_at.empty() &&
         options.split == "time" && options.memory_weight < 0 &&
         options.shared_weights == "by-cost" && options.wire == "f32";
}

// Types smaller than the model's, as a load with them gives them. A partition has its type already,
// and so have weights that are stored in blocks.
std::vector<planner::SmallerWeights> smaller_weights(const Model& model) {
  const bool is_plain = model.dtype() == "f32" || model.dtype() == "bf16";
  std::vector<planner::SmallerWeights> result;
  if (!is_plain || model.impl().partition) return result;
  for (const char* name : {"bf16", "q8", "q4"}) {
    if (model.dtype() == name) continue;
    const std::string dtype = name[0] == 'q' ? str(name, "_0") : name;
    result.push_back({name, dtype, [directory = model.directory(), name] {
                        return Model::load(directory, {.dtype = name}).impl().imported.graph;
                      }});
  }
  return result;
}

}  // namespace

planner::PlanRequest api::request_of(const Model& model, const PlanOptions& options) {
  check_options(model, options);
  planner::PlanRequest request{
      .graph = model.impl().imported.graph,
      .mesh = {},
      .profile = profile_of(options),
      .workload = workload_of(model, options),
      .dtype = model.dtype(),
      .wire = options.wire,
      .keep_whole = {},
      .pins = plan_pins(model, options).pins,
      .cuts = planner::cuts_at(model.impl().imported.graph, options.split_at),
      .balance = balance_of(options),
      .shared_weights = shared_weights_of(options),
      .time_limit_s = options.time_limit_seconds};
  request.smaller_weights = smaller_weights(model);
  return request;
}

Plan Plan::make(const Model& model, const PlanOptions& given) {
  check_options(model, given);
  const PlanOptions options = api::with_autotp_size(given);
  if (keeps_own_plan(model, options)) {
    return Plan(std::make_shared<Impl>(Impl{model, model.impl().partition->plan, {}}));
  }
  Decision decision = decide(model, options);
  if (const auto* infeasible = std::get_if<planner::Infeasible>(&decision.result)) {
    throw InfeasibleError(infeasible->reason, planner::to_json(*infeasible).dump(2) + "\n");
  }
  auto plan = std::get<plan::Plan>(std::move(decision.result));
  const std::string notes = profile_note(plan) + api::plan_pins(model, options).notes;
  return Plan(
      std::make_shared<Impl>(Impl{model, std::move(plan), std::move(decision.candidates), notes}));
}

Plan Plan::read(const Model& model, const std::filesystem::path& file) {
  const ir::Graph& graph = model.impl().imported.graph;
  plan::Plan plan = plan::plan_from_json(read_json(file), graph, file.string());
  plan::validate(plan, graph);
  return Plan(std::make_shared<Impl>(Impl{model, std::move(plan), {}}));
}

int Plan::replicas() const { return static_cast<int>(impl_->plan.replicas); }

const std::vector<PlanCandidate>& Plan::candidates() const { return impl_->candidates; }

const std::string& Plan::notes() const { return impl_->notes; }

int Plan::ranks() const { return static_cast<int>(impl_->plan.ranks()); }

std::string Plan::hash() const {
  return plan::hash_of(impl_->plan, impl_->model.impl().imported.graph);
}

std::string Plan::to_json() const {
  return plan::to_json(impl_->plan, impl_->model.impl().imported.graph).dump(2) + "\n";
}

void Plan::write(const std::filesystem::path& file) const {
  write_json(file, plan::to_json(impl_->plan, impl_->model.impl().imported.graph));
}

std::string Plan::explain() const {
  return planner::explain(impl_->plan, impl_->model.impl().imported.graph);
}

std::string Plan::dump_program(int rank) const {
  if (rank < 0 || rank >= ranks()) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[plan] rank ", rank, "; expected 0 .. ", ranks() - 1));
  }
  return ir::print_graph(
      partition::partition_rank(impl_->model.impl().imported.graph, impl_->plan, rank).graph);
}

double Plan::predicted_decode_seconds() const {
  return impl_->plan.predicted.decode_compute_s + impl_->plan.predicted.decode_comm_s;
}

double Plan::predicted_prefill_seconds() const {
  return impl_->plan.predicted.prefill_compute_s + impl_->plan.predicted.prefill_comm_s;
}

void write_partition(const Model& model, const Plan& plan, const std::filesystem::path& out_dir) {
  const Model::Impl& impl = model.impl();
  api::write_partition(impl.imported, plan.impl().plan, impl.open_checkpoint(), out_dir);
}

}  // namespace partita
