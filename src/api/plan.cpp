// SPDX-License-Identifier: Apache-2.0
// The public Plan: asks the planner, reads and writes plan.json.
#include "partita/plan.h"

#include "api/machine_profile.h"
#include "api/model_impl.h"
#include "api/own_plan.h"
#include "api/partition_files.h"
#include "api/plan_impl.h"
#include "api/plan_options.h"
#include "api/plan_pins.h"
#include "partition/partition.h"
#include "passes/near_f32_products.h"
#include "passes/with_cache_dtype.h"
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

constexpr double kBytesPerGb = 1e9;

cost::Profile profile_of(const PlanOptions& options) {
  cost::Profile profile;
  if (!options.devices.empty()) {
    profile = cost::load_profile(options.devices);
  } else {
    const auto ranks = static_cast<int>(api::ranks_of(options, nullptr));
    profile = api::machine_profile(ranks, options.on_measure);
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

// A line about the measurement of this machine, if it was disturbed.
std::string profile_note(const plan::Plan& plan) {
  if (!plan.profile.starts_with(api::kBusyPrefix)) return "";
  return "warning: other programs were busy while this machine was measured, so predicted times "
         "are too long and nothing was kept; run partita calibrate when it rests\n";
}

// The graph of the same model for another type of its KV cache.
ir::Graph graph_for_cache(const Model::Impl& model, DType cache) {
  const ir::Graph graph = passes::with_cache_dtype(model.imported.graph, cache);
  return model.requested.products == "near-f32" ? passes::near_f32_products(graph).graph : graph;
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
    LoadOptions options = model.impl().requested;
    options.dtype = name;
    result.push_back({name, dtype, [directory = model.directory(), options] {
                        return Model::load(directory, options).impl().imported.graph;
                      }});
  }
  return result;
}

// What can be wrong without a measurement is looked at before one is made. The options are checked.
planner::PlanRequest checked_request(const Model& model,
                                     const PlanOptions& options,
                                     std::vector<planner::Pin> pins) {
  const ir::Graph& graph = model.impl().imported.graph;
  std::vector<int64_t> cuts = planner::cuts_at(graph, options.split_at);
  planner::PlanRequest request{.graph = graph,
                               .mesh = {},
                               .profile = profile_of(options),
                               .workload = api::workload_of(model, options),
                               .dtype = model.dtype(),
                               .wire = options.wire,
                               .keep_whole = {},
                               .pins = std::move(pins),
                               .cuts = std::move(cuts),
                               .balance = api::balance_of(options),
                               .shared_weights = api::shared_weights_of(options),
                               .time_limit_s = options.time_limit_seconds};
  request.smaller_weights = smaller_weights(model);
  if (model.kv_cache() == "f32" && !model.impl().partition) {
    request.smaller_cache = [&model] { return graph_for_cache(model.impl(), DType::kF16); };
  }
  return request;
}

Decision with_tried(const planner::PlanRequest& request, const auto& plan_with) {
  std::vector<planner::TriedMesh> tried;
  Decision decision = {plan_with(request, &tried), {}};
  for (const planner::TriedMesh& mesh : tried) decision.candidates.push_back(to_public(mesh));
  return decision;
}

Decision decide(planner::PlanRequest request, const PlanOptions& options) {
  const auto solver = planner::make_solver(options.solver, options.time_limit_seconds);
  request.solver = solver.get();
  if (const std::string mesh = api::mesh_of(options); !mesh.empty()) {
    const bool is_by_stage = mesh.find('|') != std::string::npos;
    if (is_by_stage) request.stage_meshes = planner::parse_parts(mesh).stages;
    if (!is_by_stage) request.mesh = spec::Mesh::parse(mesh);
    return with_tried(request,
                      [](const auto& own, auto* tried) { return planner::make_plan(own, tried); });
  }
  const int64_t ranks = api::ranks_of(options, &request.profile);
  if (!options.optimize.empty()) return search(request, ranks, options);
  return with_tried(request, [&](const auto& own, auto* tried) {
    return planner::plan_for_ranks(own, ranks, tried);
  });
}

// Before the decisions are read: those of another model would be refused by what they name first.
void check_graph_hash(const Json& json, const Model::Impl& model, const std::string& file) {
  if (!json.is_object() || !json.contains("graph_hash")) return;  // refused by the reader
  const auto hash = json_get<std::string>(json, "graph_hash", file);
  const std::string own = ir::hash_of(model.imported.graph);
  if (hash == own) return;
  for (const DType other : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (ir::hash_of(graph_for_cache(model, other)) != hash) continue;
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[plan] ", file, " is for a KV cache of ", to_string(other), ", that of this model is ",
            model.kv_cache, "; give --kv-cache ", to_string(other), " or plan again"));
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[plan] ", file, " is for graph ", hash, ", the graph of this model is ", own,
                  "; plan again or use the model, weights, products, KV cache and block size the "
                  "plan was made for"));
}

// Cuts the program of one rank per stage, as every rank will: so a strategy that its operator does
// not have is the file's error, not that of the rank that meets it first.
void check_programs(const plan::Plan& plan, const ir::Graph& graph, const std::string& file) {
  try {
    for (const plan::Stage& stage : plan.stages) {
      (void)partition::partition_rank(graph, plan, stage.mesh.ranks().front());
    }
  } catch (const Error& error) {
    throw Error(ErrorCode::kInvalidFile, str("[plan] ", file, ": ", error.what()));
  }
}

}  // namespace

planner::PlanRequest api::request_of(const Model& model, const PlanOptions& options) {
  check_plan_options(model, options);
  return checked_request(model, options, plan_pins(model, options).pins);
}

Plan Plan::make(const Model& model, const PlanOptions& given) {
  api::check_plan_options(model, given);
  const PlanOptions options = api::with_autotp_size(given);
  if (api::keeps_own_plan(model, options)) {
    api::refuse_options_beside_own_plan(model, options);
    return Plan(std::make_shared<Impl>(Impl{model, model.impl().partition->plan, {}}));
  }
  api::PlanPins pins = api::plan_pins(model, options);
  Decision decision = decide(checked_request(model, options, std::move(pins.pins)), options);
  if (const auto* infeasible = std::get_if<planner::Infeasible>(&decision.result)) {
    throw InfeasibleError(infeasible->reason, planner::to_json(*infeasible).dump(2) + "\n");
  }
  auto plan = std::get<plan::Plan>(std::move(decision.result));
  const std::string notes = profile_note(plan) + pins.notes;
  return Plan(
      std::make_shared<Impl>(Impl{model, std::move(plan), std::move(decision.candidates), notes}));
}

Plan Plan::read(const Model& model, const std::filesystem::path& file) {
  const ir::Graph& graph = model.impl().imported.graph;
  const Json json = read_json(file);
  check_graph_hash(json, model.impl(), file.string());
  plan::Plan plan = plan::plan_from_json(json, graph, file.string());
  plan::validate(plan, graph);
  check_programs(plan, graph, file.string());
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

void write_partition(
    const Model& model,
    const Plan& plan,
    const std::filesystem::path& out_dir,
    const std::function<void(int64_t done_bytes, int64_t total_bytes)>& on_progress) {
  const Model::Impl& impl = model.impl();
  api::write_partition(impl.imported, plan.impl().plan, impl.open_checkpoint(), out_dir,
                       on_progress);
}

}  // namespace partita
