// SPDX-License-Identifier: Apache-2.0
#include "planner/explain/infeasible.h"

#include <algorithm>

#include "planner/explain/human_text.h"
#include "support/error.h"
#include "support/integers.h"

namespace partita::planner {
namespace {

// Larger systems than this are suggested to nobody.
constexpr int64_t kMaxSuggestedRanks = 4096;
// So many numbers of ranks that are no power-of-two multiple are tried: each is a search of its
// own.
constexpr int64_t kRankTrials = 4;

// The largest number in [least, most] that passes; numbers that pass lie below those that do not.
template <typename Passes>
std::optional<int64_t> largest(int64_t least, int64_t most, const Passes& passes) {
  if (least > most || !passes(least)) return std::nullopt;
  while (least < most) {
    const int64_t middle = least + (most - least + 1) / 2;
    if (passes(middle)) {
      least = middle;
    } else {
      most = middle - 1;
    }
  }
  return least;
}

// The last digit that bytes_text() shows: 0.1 GB of 20 GB. What is found in such steps is true as
// printed.
int64_t shown_unit(int64_t bytes) {
  int64_t unit = 1;
  while (bytes >= unit * 1000) unit *= 1000;
  return std::max<int64_t>(1, unit / 10);
}

// Every device with at least so many bytes. A reserve that was cut to a tenth of a small memory
// (see cost::limit_memory) grows with it.
cost::Profile with_memory(cost::Profile profile, int64_t bytes) {
  const auto grow = [&](cost::Device& device) {
    if (device.memory_bytes >= bytes) return;
    if (device.reserve_bytes == device.memory_bytes / 10) device.reserve_bytes = bytes / 10;
    device.memory_bytes = bytes;
  };
  grow(profile.device);
  for (cost::DeviceKind& kind : profile.kinds) grow(kind.device);
  return profile;
}

// The workload with prompts and answers that still fit into the context.
plan::Workload with_context(plan::Workload workload, int64_t context) {
  workload.max_context = context;
  workload.output_tokens = std::min(workload.output_tokens, context - 1);
  workload.prompt_tokens = std::min(workload.prompt_tokens, context - workload.output_tokens);
  return workload;
}

class FitSearch {
 public:
  explicit FitSearch(const FitQuestion& question) : question_(question) {}

  std::vector<FitChange> changes() {
    try_memory();
    try_context();
    try_concurrency();
    try_step();
    try_weights();
    try_cache();
    try_ranks();
    return std::move(changes_);
  }

 private:
  [[nodiscard]] const PlanRequest& request() const { return question_.request; }

  [[nodiscard]] bool fits(const PlanRequest& changed) const {
    return question_.again(changed, request().graph).fits;
  }

  [[nodiscard]] bool fits(const plan::Workload& workload) const {
    PlanRequest changed = request();
    changed.workload = workload;
    return fits(changed);
  }

  void try_memory() {
    const plan::RankMemory& memory = question_.smallest.fullest_rank();
    const int64_t unit = shown_unit(memory.total());
    const auto is_too_small = [&](int64_t units) {
      PlanRequest changed = request();
      changed.profile = with_memory(request().profile, units * unit);
      return !fits(changed);
    };
    // Twice what the smallest plan needs: a reserve may grow with the memory.
    const int64_t most = 2 * ceil_div(memory.total(), unit);
    if (is_too_small(most)) return;
    const auto units = largest(memory.limit / unit, most - 1, is_too_small);
    const int64_t bytes = (units ? *units + 1 : ceil_div(memory.limit + 1, unit)) * unit;
    changes_.push_back(
        {FitChange::Kind::kMemory, bytes, "", str(bytes_text(bytes), " of memory per device")});
  }

  void try_context() {
    const plan::Workload& workload = request().workload;
    const int64_t block = workload.block_size;
    const auto blocks = largest(1, ceil_div(workload.max_context, block) - 1, [&](int64_t count) {
      return fits(with_context(workload, count * block));
    });
    if (!blocks) return;
    changes_.push_back(
        {FitChange::Kind::kContext, *blocks * block, "",
         str("a context of ", *blocks * block, " instead of ", workload.max_context)});
  }

  void try_concurrency() {
    plan::Workload workload = request().workload;
    const auto sequences = largest(1, workload.concurrency - 1, [&](int64_t count) {
      workload.concurrency = count;
      return fits(workload);
    });
    if (!sequences) return;
    changes_.push_back(
        {FitChange::Kind::kConcurrency, *sequences, "",
         str(*sequences, " instead of ", request().workload.concurrency, " sequences in flight")});
  }

  void try_step() {
    plan::Workload workload = request().workload;
    const auto tokens =
        largest(workload.concurrency, workload.max_step_tokens - 1, [&](int64_t count) {
          workload.max_step_tokens = count;
          return fits(workload);
        });
    if (!tokens) return;
    changes_.push_back(
        {FitChange::Kind::kStepTokens, *tokens, "",
         str("steps of ", *tokens, " instead of ", request().workload.max_step_tokens, " tokens")});
  }

  // The largest type that is small enough.
  void try_weights() {
    for (const SmallerWeights& weights : request().smaller_weights) {
      const std::optional<ir::Graph> graph = graph_of(weights);
      if (!graph) continue;
      PlanRequest changed = request();
      changed.dtype = weights.dtype;
      if (!question_.again(changed, *graph).fits) continue;
      FitChange& change = changes_.emplace_back();
      change.kind = FitChange::Kind::kWeights;
      change.dtype = weights.name;
      change.text = weights.name + " weights";
      return;
    }
  }

  void try_cache() {
    if (!request().smaller_cache) return;
    if (!question_.again(request(), request().smaller_cache()).fits) return;
    FitChange& change = changes_.emplace_back();
    change.kind = FitChange::Kind::kCache;
    change.dtype = "f16";
    change.text = "an f16 KV cache";
  }

  // Nothing where the model has no weight that can be stored so.
  static std::optional<ir::Graph> graph_of(const SmallerWeights& weights) {
    try {
      return weights.graph();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kUnsupported) throw;
      return std::nullopt;
    }
  }

  // Whether so many ranks are enough.
  bool add_ranks(int64_t ranks) {
    try {
      const PipelinePlan plan = question_.on_ranks(ranks);
      if (!plan.fits) return false;
      const std::string mesh = plan.parts.to_string();
      changes_.push_back(
          {FitChange::Kind::kRanks, ranks, mesh, str(ranks, " devices (", mesh, ")")});
      return true;
    } catch (const Error& error) {
      // Pins may name axes or stages that no mesh of so many ranks has.
      if (error.code() != ErrorCode::kInvalidArgument) throw;
      return false;
    }
  }

  // First the numbers from where the total of weights and caches could fit on, then power-of-two
  // multiples, which more heads can be split over.
  void try_ranks() {
    const plan::RankMemory& memory = question_.smallest.fullest_rank();
    const int64_t ranks =
        question_.smallest.parts.replica.size() * question_.smallest.parts.replicas;
    const int64_t fixed = memory.reserve + memory.activations + memory.communication;
    const int64_t room = memory.limit - fixed;
    if (room <= 0) return;
    const int64_t needed = ceil_div((memory.weights + memory.kv_cache) * ranks, room);
    const int64_t step = question_.rank_step;
    int64_t count = std::max(ranks + step, needed / step * step);
    int64_t power = 2 * ranks;
    while (power < needed) power *= 2;
    for (int64_t i = 0; i < kRankTrials && count < power; ++i, count += step) {
      if (add_ranks(count)) break;
    }
    while (power <= kMaxSuggestedRanks && !add_ranks(power)) power *= 2;
  }

  const FitQuestion& question_;
  std::vector<FitChange> changes_;
};

// The kinds of memory that are too much already without the others, in the order in which a rank
// needs them.
std::string kinds_too_large(const plan::RankMemory& memory) {
  int64_t sum = memory.reserve + memory.weights;
  if (sum > memory.limit) return "weights alone";
  sum += memory.kv_cache;
  if (sum > memory.limit) return "weights and KV cache";
  sum += memory.activations;
  return sum > memory.limit ? "weights, KV cache and activations"
                            : "weights, KV cache, activations and buffers";
}

// Rank and stage of the fullest rank.
void find_fullest(const PipelinePlan& plan, Infeasible& result) {
  const plan::RankMemory& fullest = plan.fullest_rank();
  for (size_t stage = plan.stages.size(); stage-- > 0;) {
    const auto& memory = plan.stages[stage].memory;
    for (size_t cell = memory.size(); cell-- > 0;) {
      if (memory[cell] != fullest) continue;
      result.rank = plan.parts.stages[stage].ranks()[cell];
      result.stage = static_cast<int>(stage);
    }
  }
}

std::string reason_of(const Infeasible& result, const FitQuestion& question) {
  const PipelinePlan& plan = question.smallest;
  const int64_t ranks = plan.parts.replica.size() * plan.parts.replicas;
  const plan::RankMemory& memory = result.memory;
  std::string text = str("[planner] ", question.request.graph.name(), " does not fit on ", ranks,
                         ranks == 1 ? " device of " : " devices of ", bytes_text(memory.limit));
  if (plan.parts.replica.axis_count() > 0) text += str(" (", plan.parts.replica.to_string(), ")");
  text += str(": ", result.too_large, " are too much; rank ", result.rank,
              plan.stages.size() > 1 ? str(" of stage ", result.stage) : "", " needs ",
              bytes_text(memory.total()), " (weights ", bytes_text(memory.weights), ", KV cache ",
              bytes_text(memory.kv_cache), ", activations ", bytes_text(memory.activations),
              ", buffers ", bytes_text(memory.communication), ", reserve ",
              bytes_text(memory.reserve), "), ", bytes_text(result.shortfall_bytes), " too much; ");
  if (result.changes.empty()) return text + "no single change of workload or devices makes it fit";
  text += "any of these makes it fit: ";
  for (size_t i = 0; i < result.changes.size(); ++i) {
    text += (i == 0 ? "" : ", or ") + result.changes[i].text;
  }
  return text;
}

const char* name_of(FitChange::Kind kind) {
  switch (kind) {
    case FitChange::Kind::kMemory:
      return "memory_bytes_per_device";
    case FitChange::Kind::kContext:
      return "max_context";
    case FitChange::Kind::kConcurrency:
      return "concurrency";
    case FitChange::Kind::kStepTokens:
      return "max_step_tokens";
    case FitChange::Kind::kWeights:
      return "weights";
    case FitChange::Kind::kCache:
      return "kv_cache";
    case FitChange::Kind::kRanks:
      return "ranks";
  }
  CHECK(false, "unknown kind of change");
  return "";
}

}  // namespace

Infeasible explain_infeasible(const FitQuestion& question) {
  Infeasible result;
  result.memory = question.smallest.fullest_rank();
  result.shortfall_bytes = result.memory.excess();
  result.too_large = kinds_too_large(result.memory);
  find_fullest(question.smallest, result);
  result.changes = FitSearch(question).changes();
  for (const FitChange& change : result.changes) {
    if (change.kind != FitChange::Kind::kRanks) continue;
    result.fitting_ranks = change.value;
    result.fitting_mesh = change.mesh;
  }
  result.reason = reason_of(result, question);
  return result;
}

Json to_json(const Infeasible& infeasible) {
  Json json;
  json["error"] = "infeasible";
  json["message"] = infeasible.reason;
  json["too_large"] = infeasible.too_large;
  json["rank"] = infeasible.rank;
  json["stage"] = infeasible.stage;
  json["shortfall_bytes"] = infeasible.shortfall_bytes;
  const plan::RankMemory& memory = infeasible.memory;
  json["memory"] = {{"weights", memory.weights},         {"kv_cache", memory.kv_cache},
                    {"activations", memory.activations}, {"communication", memory.communication},
                    {"reserve", memory.reserve},         {"limit", memory.limit}};
  json["changes_that_fit"] = Json::array();
  for (const FitChange& change : infeasible.changes) {
    Json entry;
    entry["change"] = name_of(change.kind);
    entry["value"] = change.dtype.empty() ? Json(change.value) : Json(change.dtype);
    if (!change.mesh.empty()) entry["mesh"] = change.mesh;
    entry["text"] = change.text;
    json["changes_that_fit"].push_back(std::move(entry));
  }
  return json;
}

}  // namespace partita::planner
