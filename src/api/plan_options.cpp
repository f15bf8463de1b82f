// SPDX-License-Identifier: Apache-2.0
#include "api/plan_options.h"

#include <algorithm>
#include <vector>

#include "api/model_impl.h"
#include "planner/mesh_parts.h"
#include "planner/search/search.h"
#include "planner/solvers/solver_choice.h"
#include "support/error.h"

namespace partita::api {
namespace {

// A longer context must be asked for: its KV cache is reserved.
constexpr int64_t kDefaultMaxContext = 4096;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, "[plan] " + message);
}

void check_range(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  refuse(str(name, " is ", value, "; expected ", least, " .. ", most));
}

int64_t context_of(const Model& model, const PlanOptions& options) {
  const int64_t longest = options.max_context > 0 ? options.max_context : kDefaultMaxContext;
  return std::min(longest, model.max_positions());
}

// What the caller has changed must fit; defaults give way.
void check_context(const Model& model, const PlanOptions& options) {
  const PlanOptions unset;
  const int64_t context = context_of(model, options);
  const bool has_prompt = options.prompt_tokens != unset.prompt_tokens;
  const bool has_output = options.output_tokens != unset.output_tokens;
  const int64_t asked =
      (has_prompt ? options.prompt_tokens : 1) + (has_output ? options.output_tokens : 1);
  if (asked <= context) return;
  const std::string hint =
      str(" in a context of ", context, " positions (max_context; the model allows ",
          model.max_positions(), ")");
  if (has_prompt && has_output) {
    refuse(str("prompt_tokens ", options.prompt_tokens, " and output_tokens ",
               options.output_tokens, hint, "; expected ", context, " together at most"));
  }
  refuse(str(has_prompt ? "prompt_tokens" : "output_tokens", " is ", asked - 1, hint,
             "; expected 1 .. ", context - 1));
}

void check_workload(const Model& model, const PlanOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 24;
  check_range("prompt_tokens", options.prompt_tokens, 1, kMost);
  check_range("output_tokens", options.output_tokens, 1, kMost);
  check_range("concurrency", options.concurrency, 1, int64_t{1} << 16);
  check_range("max_step_tokens", options.max_step_tokens, 1, kMost);
  // One position is the prompt's, one the answer's.
  const int64_t context = options.max_context;
  if (context != 0 && (context < 2 || context > model.max_positions())) {
    refuse(str("max_context is ", context, "; expected 2 .. ", model.max_positions(),
               ", or 0 = what the model allows, at most ", kDefaultMaxContext));
  }
  check_context(model, options);
}

void check_limits(const PlanOptions& options) {
  constexpr double kMostSeconds = 1e6;  // clocks cannot count to infinity
  if (!(options.time_limit_seconds > 0 && options.time_limit_seconds <= kMostSeconds)) {
    refuse(str("time limit ", options.time_limit_seconds,
               " seconds; expected a number above 0, up to ", kMostSeconds));
  }
  if (!(options.memory_limit_gb >= 0) || options.memory_limit_gb > 1e9) {
    refuse(str("memory limit ", options.memory_limit_gb, " GB; expected a number >= 0"));
  }
}

// What the stages are known to be before anything is measured; 0 = the planner chooses.
int64_t stages_of(const PlanOptions& options) {
  const std::string mesh = mesh_of(options);
  if (!mesh.empty()) return static_cast<int64_t>(planner::parse_parts(mesh).stages.size());
  const bool is_alone = options.ranks <= 1 && options.devices.empty() && options.autotp.empty();
  return is_alone ? 1 : 0;
}

void check_stages(const Model& model, const PlanOptions& options) {
  const int64_t stages = stages_of(options);
  const auto operators = static_cast<int64_t>(model.impl().imported.graph.nodes().size());
  if (stages > operators) {
    refuse(str("mesh ", options.mesh, " has ", stages, " stages; the model has ", operators,
               " operators in ", model.layers(), " layers, and a stage needs one at least"));
  }
  const auto points = static_cast<int64_t>(options.split_at.size());
  if (points > 0 && stages > 0 && stages != points + 1) {
    const std::string mesh = mesh_of(options);
    refuse(str(points, points == 1 ? " split point makes " : " split points make ", points + 1,
               " stages, but ", mesh.empty() ? str("ranks ", options.ranks) : str("mesh ", mesh),
               " makes ", stages, "; drop it or give the mesh pp=", points + 1));
  }
  const bool balances = options.memory_weight >= 0 || options.split != PlanOptions{}.split;
  if (balances && stages == 1) {
    refuse(str(options.memory_weight >= 0 ? "memory_weight" : "split",
               " balances stages, and there is one; give a mesh with pp, or ranks"));
  }
}

void check_choices(const PlanOptions& options) {
  if (options.wire != "f32" && options.wire != "bf16") {
    refuse(str("wire \"", options.wire, "\"; expected f32 or bf16"));
  }
  (void)planner::make_solver(options.solver, options.time_limit_seconds);
  (void)balance_of(options);
  (void)shared_weights_of(options);
  if (options.optimize.empty()) return;
  (void)planner::parse_objective(options.optimize);
  if (!options.mesh.empty()) {
    refuse(str("a mesh (", options.mesh, ") and something to optimize (", options.optimize,
               ") are both given; the search chooses the mesh, so give the number of ranks ",
               "instead"));
  }
}

}  // namespace

void check_plan_options(const Model& model, const PlanOptions& options) {
  check_workload(model, options);
  check_range("ranks", options.ranks, 0, int64_t{1} << 16);
  check_limits(options);
  check_choices(options);
  check_stages(model, options);
}

void check_bench_context(const Model& model, const PlanOptions& options) {
  const int64_t asked = options.prompt_tokens + options.output_tokens;
  if (asked <= model.max_positions()) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[bench] prompt_tokens ", options.prompt_tokens, " and output_tokens ",
                  options.output_tokens, " make ", asked, " positions; the model allows ",
                  model.max_positions(), ": give fewer of them"));
}

plan::Workload workload_of(const Model& model, const PlanOptions& options) {
  plan::Workload workload;
  workload.max_context = context_of(model, options);
  workload.concurrency = options.concurrency;
  workload.output_tokens = std::min(options.output_tokens, workload.max_context - 1);
  workload.prompt_tokens =
      std::min(options.prompt_tokens, workload.max_context - workload.output_tokens);
  workload.max_step_tokens =
      std::max(std::min(options.max_step_tokens, workload.max_context), options.concurrency);
  return workload;
}

planner::StageBalance balance_of(const PlanOptions& options) {
  using By = planner::StageBalance::By;
  if (options.split != "time" && options.split != "equal-size") {
    refuse(str("split \"", options.split, "\"; expected time or equal-size"));
  }
  const bool is_equal_size = options.split == "equal-size";
  if (options.memory_weight < 0) {
    return {is_equal_size ? By::kWeightBytes : By::kObjective, 0};
  }
  if (!(options.memory_weight <= 1) || is_equal_size) {
    refuse(str("memory_weight ", options.memory_weight,
               "; expected 0 (balance time) to 1 (balance memory), without split equal-size"));
  }
  return {By::kMix, options.memory_weight};
}

planner::SharedWeights shared_weights_of(const PlanOptions& options) {
  if (options.shared_weights == "by-cost") return planner::SharedWeights::kByCost;
  if (options.shared_weights == "copy") return planner::SharedWeights::kCopied;
  if (options.shared_weights == "co-locate") return planner::SharedWeights::kTogether;
  if (options.shared_weights == "send") return planner::SharedWeights::kSent;
  refuse(str("shared weights \"", options.shared_weights,
             "\"; expected by-cost, copy, co-locate or send"));
}

std::string mesh_of(const PlanOptions& options) {
  const bool is_given = !options.mesh.empty() || options.ranks > 0 || !options.optimize.empty();
  if (options.split_at.empty() || is_given) return options.mesh;
  return str("pp=", options.split_at.size() + 1);
}

int64_t ranks_of(const PlanOptions& options, const cost::Profile* described) {
  if (const std::string mesh = mesh_of(options); !mesh.empty()) {
    const planner::MeshParts parts = planner::parse_parts(mesh);
    return parts.replica.size() * parts.replicas;
  }
  if (options.ranks > 0) return options.ranks;
  return described != nullptr ? std::max<int64_t>(1, described->device_count()) : 1;
}

}  // namespace partita::api
