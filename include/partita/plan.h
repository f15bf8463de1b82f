// SPDX-License-Identifier: Apache-2.0
// Planning: how a model lies on the ranks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "partita/error.h"
#include "partita/model.h"

namespace partita {

struct PlanOptions {
  // Explicit degrees, e.g. "tp=2,pp=2": the axis pp makes stages, the others split tensors. Stages
  // of unlike sizes are given one by one, with bars between: "tp=2 | tp=1". Empty: `ranks` decides.
  std::string mesh;
  // Number of ranks over which the planner chooses the degrees itself; 0 = 1, or all of `devices`.
  int ranks = 0;
  // A described machine (docs/formats/devices.md) that need not be present. Empty: this machine,
  // measured once and cached.
  std::filesystem::path devices;
  // The workload the plan is made for; max_context bounds prompt + output of one sequence.
  int64_t prompt_tokens = 512;
  int64_t output_tokens = 128;
  int64_t concurrency = 1;
  int64_t max_context = 0;  // 0 = what the model allows, at most 4096
  int64_t max_step_tokens = 512;
  double memory_limit_gb = 0;  // per rank, 1e9 bytes; 0 = what the device has
  double time_limit_seconds = 30;
  // How the terms of sums travel between ranks: "f32" = as they are, or "bf16" = rounded to half
  // the bytes, which changes a sum by at most 2^-8 of the sum of its terms' sizes.
  std::string wire = "f32";
  // Where stages are cut by hand: "before:layers.4", "after:layers.7.mlp", an operator's number; a
  // stage more than points. Without a mesh or ranks: one rank per stage.
  std::vector<std::string> split_at = {};
  // What balances the stages: "time" (the default), "equal-size" (bytes of weights), or, with
  // memory_weight, a mix of time (0) and weights and KV caches (1). Below 0: not given.
  std::string split = "time";
  double memory_weight = -1;
  // Weights that several stages read: "copy" (each has its own, which the cuts reckon with), "send"
  // (the first stage has it and sends it to the others at every step; not those in blocks of q8 or
  // q4), "by-cost" (the faster of both that fits) or "co-locate" (no cut between their readers).
  std::string shared_weights = "by-cost";
  // "exact", or "ilp": the same problem as an integer program, solved by CBC; a slow second
  // opinion.
  std::string solver = "exact";
  // "latency", "throughput" or "kv": searches replicas, stages and tensor ranks together for the
  // fastest request, the most tokens per second, or the most cached positions. Empty: one replica,
  // fastest request. Needs `ranks` or `devices`, not `mesh`.
  std::string optimize = {};
  // Poisson arrivals that `optimize` simulates; 0 = `concurrency` clients that each wait for their
  // answer.
  double requests_per_second = 0;
  // Decisions the planner must follow, "PATTERN=DECISION", and a file of more
  // (docs/formats/pins.md).
  std::vector<std::string> pins = {};
  std::filesystem::path pins_file = {};
  // A base_model_tp_plan to follow: a JSON file, or "config" = the model's config.json.
  std::string tp_plan = {};
  // DeepSpeed's automatic tensor parallelism to follow: a JSON file, or "built-in".
  std::string autotp = {};
  // Told the number of ranks before this machine is measured for them, which takes seconds. Without
  // `devices`, the first time only.
  std::function<void(int ranks)> on_measure = {};
};

// One arrangement that a search looked at, and what it would do. Without PlanOptions::optimize no
// traffic is simulated: what follows from it is 0.
struct PlanCandidate {
  std::string mesh;  // e.g. "dp=2,tp=4"
  bool fits = false;
  bool is_pareto = false;  // no other one is as good in latency, throughput and memory
  bool is_chosen = false;
  bool is_estimate = false;    // so much slower by an estimate that it was not planned: only mesh,
                               // fits and request_seconds are known
  double decode_seconds = 0;   // one step, all sequences of a replica in flight
  double prefill_seconds = 0;  // one full prefill chunk
  double request_seconds = 0;  // one request
  double tokens_per_second = 0;  // of all replicas, simulated
  double first_token_p95_seconds = 0;
  bool keeps_up = true;     // false: requests arrive faster than they are served
  int64_t rank_bytes = 0;   // of the fullest rank
  int64_t limit_bytes = 0;  // of its device
  int64_t kv_tokens = 0;    // positions that all caches could hold
};

// No plan fits. The message names what is too much, by how much, and every single change of
// workload or devices after which a plan fits.
class InfeasibleError : public Error {
 public:
  InfeasibleError(const std::string& message, std::string json)
      : Error(ErrorCode::kInfeasible, message), json_(std::move(json)) {}
  // The same as a JSON object, for programs.
  [[nodiscard]] const std::string& json() const { return json_; }

 private:
  std::string json_;
};

// All decisions. Immutable, cheap to copy, thread-safe.
class Plan {
 public:
  // Throws InfeasibleError; kInvalidArgument for a bad mesh or an unknown solver, for pins that
  // match nothing or contradict each other, and for options that would change nothing: a partition
  // is not planned again unless mesh, ranks or another cut is asked for.
  [[nodiscard]] static Plan make(const Model& model, const PlanOptions& options = {});
  // Reads plan.json, possibly edited by hand, and checks it against the model. Throws kNotFound,
  // kInvalidFile and kInvalidArgument naming the file.
  [[nodiscard]] static Plan read(const Model& model, const std::filesystem::path& file);

  [[nodiscard]] int ranks() const;  // of one replica
  [[nodiscard]] int replicas() const;
  [[nodiscard]] std::string hash() const;
  [[nodiscard]] std::string to_json()
      const;  // docs/formats/plan.md; the same inputs give the same bytes
  void write(const std::filesystem::path& file) const;
  // A few lines for people: mesh, stages, collectives, memory per rank, predicted times.
  [[nodiscard]] std::string explain() const;
  // What the search for a mesh looked at, in the order it was tried; empty when the mesh was given
  // or the plan was read.
  [[nodiscard]] const std::vector<PlanCandidate>& candidates() const;
  // What the user should know about imported rules: unused ones, weights without rule. Lines.
  [[nodiscard]] const std::string& notes() const;
  // The program of one rank in text form.
  [[nodiscard]] std::string dump_program(int rank) const;
  [[nodiscard]] double predicted_decode_seconds() const;   // per step
  [[nodiscard]] double predicted_prefill_seconds() const;  // per full prefill chunk

  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit Plan(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;  // shared: copies of a Plan are the same immutable data
};

// Writes the problem whose solution the plan is as an integer program (.lp or .mps by the name),
// of a plan of several stages one file per stage: "plan.stage0.lp", ... Where unlike devices may
// share in several ways it is the program of the best one. `options` as for Plan::make. Throws
// kInvalidArgument for another name, kSystem when a file cannot be written.
void export_ilp(const Model& model,
                const Plan& plan,
                const PlanOptions& options,
                const std::filesystem::path& file);

// The planner's own plan against that of `options.tp_plan` ("config" when empty) followed as
// transformers would: what it does not list is on every rank. A few lines: predicted times of both.
[[nodiscard]] std::string compare_tp_plan(const Model& model, const PlanOptions& options);

// The planner's own plan against what people do by hand, under the same cost model: Megatron-LM's
// tensor plan, and layers shared out evenly over stages with the best tensor plan inside. On
// `options.mesh` when given, else on every split of the ranks into stages and tensor ranks. A line
// each: mesh, predicted times, how many times the planner's own request.
[[nodiscard]] std::string compare_baselines(const Model& model, const PlanOptions& options);

// Cuts the checkpoint: writes rank-<i>.safetensors and rank-<i>.graph for every rank, partita.json,
// and copies of the config and the tokenizer into `out_dir` (created; must be empty or absent).
// Model::load(out_dir) runs it again, also at another rank count. `on_progress`, when there is one,
// is told the bytes of weights written so far and in all; what it throws ends the writing. Whatever
// ends it early, nothing is left behind.
void write_partition(
    const Model& model,
    const Plan& plan,
    const std::filesystem::path& out_dir,
    const std::function<void(int64_t done_bytes, int64_t total_bytes)>& on_progress = {});

}  // namespace partita
