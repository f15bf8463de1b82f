// SPDX-License-Identifier: Apache-2.0
#include "planner/stage_decisions.h"

#include <algorithm>

#include "cost/memory.h"
#include "planner/stored.h"
#include "support/error.h"

namespace partita::planner {
namespace {

// A reader of a value: when it runs (node index within the stage; the end for readers outside) and
// the spec it wants.
struct Reading {
  int64_t time = 0;
  SpecId spec = 0;
  std::string consumer;
};

class DecisionWriter {
 public:
  DecisionWriter(const StageProblem& stage, PlanSpace& space, const std::vector<int>& choice)
      : stage_(stage), space_(space), choice_(choice), end_(stage.nodes().size()) {}

  StageDecisions write() {
    result_.node_cost.resize(static_cast<size_t>(end_));
    for (int64_t node = stage_.nodes().begin; node < stage_.nodes().end; ++node) {
      write_op(static_cast<ir::NodeId>(node));
    }
    const auto& values = space_.graph().values();
    for (ir::ValueId id = 0; id < static_cast<ir::ValueId>(values.size()); ++id) write_value(id);
    result_.activation_bytes = cost::peak_live_bytes(live_, end_ + 1);
    return std::move(result_);
  }

 private:
  void write_op(ir::NodeId node) {
    const StrategyOption& option = stage_.option(choice_, node);
    const plan::CostTerms cost = {.decode_compute_s = option.seconds.decode,
                                  .prefill_compute_s = option.seconds.prefill};
    result_.ops.push_back({space_.graph().node(node).name, option.axis_factor, cost,
                           space_.source_of_option(node, option)});
    add_terms(result_.cost, cost);
    result_.node_cost[static_cast<size_t>(node - stage_.nodes().begin)] += option.seconds;
  }

  void write_value(ir::ValueId id) {
    const ir::Value& value = space_.graph().value(id);
    const std::vector<Reading> readings = readings_of(id);
    const bool is_kept = is_stored(value) && !stage_.is_sent_here(id);
    const bool is_made = value.producer != ir::kNoId && stage_.nodes().begin <= value.producer &&
                         value.producer < stage_.nodes().end;
    if (!is_made && readings.empty()) return;
    const SpecId own = is_kept   ? stage_.stored_spec(choice_, id)
                       : is_made ? made_spec(id)
                                 : space_.replicated(id);
    if (is_kept || is_made) result_.values.emplace_back(id, own);
    if (is_kept || is_made) note_source(id, is_made);
    write_versions(id, own, readings);
    const bool gathers = is_kept && sends(id) && own != space_.replicated(id);
    if (gathers) note(id, space_.replicated(id), end_, end_);
    if (is_kept || value.kind == ir::ValueKind::kInput) return;
    note_versions(id, own, begin_of(value, readings), readings);
  }

  // When a value that is not stored here is first there: a weight comes when it is read, results of
  // earlier stages come at once.
  [[nodiscard]] int64_t begin_of(const ir::Value& value,
                                 const std::vector<Reading>& readings) const {
    if (is_stored(value)) return readings.front().time;
    const bool is_made = value.producer >= stage_.nodes().begin;
    return is_made ? value.producer - stage_.nodes().begin : 0;
  }

  // A result is as its operator makes it; a stored value as its pin, else its only reader, wants
  // it.
  void note_source(ir::ValueId id, bool is_made) {
    std::string source = space_.source_of_stored(id);
    const std::vector<Use> readers = stage_.uses_of(id).readers;
    if (is_made) source = source_of_op(space_.graph().value(id).producer);
    if (!is_made && source.empty() && readers.size() == 1) source = source_of_op(readers[0].node);
    if (!source.empty()) result_.sources[id] = std::move(source);
  }

  [[nodiscard]] const std::string& source_of_op(ir::NodeId node) const {
    return result_.ops[static_cast<size_t>(node - stage_.nodes().begin)].source;
  }

  [[nodiscard]] std::vector<Reading> readings_of(ir::ValueId id) const {
    std::vector<Reading> readings;
    const StageProblem::LocalUses uses = stage_.uses_of(id);
    for (const Use& use : uses.readers) {
      const StrategyOption& option = stage_.option(choice_, use.node);
      readings.push_back({use.node - stage_.nodes().begin,
                          option.inputs[static_cast<size_t>(use.slot)],
                          space_.graph().node(use.node).name});
    }
    const ir::NodeId producer = space_.graph().value(id).producer;
    const bool is_made =
        producer != ir::kNoId && stage_.nodes().begin <= producer && producer < stage_.nodes().end;
    const bool leaves = (uses.is_needed_outside && is_made) || sends(id);
    if (leaves) readings.push_back({end_, space_.replicated(id), ""});
    return readings;
  }

  // A stored weight that later stages are sent.
  [[nodiscard]] bool sends(ir::ValueId id) const {
    if (!space_.facts().is_sent(id) || stage_.is_sent_here(id)) return false;
    const StageProblem::LocalUses uses = stage_.uses_of(id);
    return uses.is_needed_outside && !uses.readers.empty();
  }

  [[nodiscard]] SpecId made_spec(ir::ValueId id) const {
    const ir::NodeId producer = space_.graph().value(id).producer;
    const auto& outputs = space_.graph().node(producer).outputs;
    const auto slot = std::find(outputs.begin(), outputs.end(), id) - outputs.begin();
    return stage_.option(choice_, producer).outputs[static_cast<size_t>(slot)];
  }

  // The spec that the readers are served from: the layout of a result, else the value's own.
  [[nodiscard]] SpecId served_spec(ir::ValueId id, SpecId own) const {
    if (space_.graph().value(id).kind != ir::ValueKind::kResult) return own;
    return stage_.layout(choice_, id).value_or(own);
  }

  void write_versions(ir::ValueId id, SpecId own, const std::vector<Reading>& readings) {
    const SpecId served = served_spec(id, own);
    if (served != own) write_reshard(id, own, served, readings);
    std::vector<SpecId> written = {served};
    for (const Reading& reading : readings) {
      if (std::find(written.begin(), written.end(), reading.spec) != written.end()) continue;
      written.push_back(reading.spec);
      write_reshard(id, served, reading.spec, readings);
    }
  }

  void write_reshard(ir::ValueId id, SpecId from, SpecId to, const std::vector<Reading>& readings) {
    const PricedReshard& priced = space_.price(from, to, id);
    CHECK(priced.cost < kForbidden, "a forbidden reshard of ", space_.graph().value(id).name);
    plan::ReshardDecision reshard;
    reshard.value = space_.graph().value(id).name;
    reshard.from = space_.spec(from);
    reshard.to = space_.spec(to);
    reshard.steps = priced.steps;
    for (const Reading& reading : readings) {
      const bool is_listed =
          !reshard.consumers.empty() && reshard.consumers.back() == reading.consumer;
      if (reading.spec == to && !is_listed) reshard.consumers.push_back(reading.consumer);
    }
    reshard.decode_bytes = priced.decode_bytes;
    reshard.cost = {.decode_comm_s = priced.seconds.decode,
                    .prefill_comm_s = priced.seconds.prefill};
    add_terms(result_.cost, reshard.cost);
    result_.communication_bytes = std::max(result_.communication_bytes, priced.largest_bytes);
    const ir::NodeId node = space_.graph().value(id).producer;
    if (stage_.nodes().begin <= node && node < stage_.nodes().end) {
      result_.node_cost[static_cast<size_t>(node - stage_.nodes().begin)] += priced.seconds;
    }
    result_.reshards.emplace_back(id, std::move(reshard));
  }

  // When each version of a value is alive: its own from `first` on, the served one from the first
  // reading, others from their first to their last.
  void note_versions(ir::ValueId id,
                     SpecId own,
                     int64_t first,
                     const std::vector<Reading>& readings) {
    const SpecId served = served_spec(id, own);
    const int64_t first_reading = readings.empty() ? first : readings.front().time;
    if (served != own) note(id, own, first, first_reading);
    int64_t served_last = served == own ? first : first_reading;
    std::vector<std::pair<SpecId, std::pair<int64_t, int64_t>>> others;
    for (const Reading& reading : readings) {
      if (reading.spec == served) {
        served_last = std::max(served_last, reading.time);
        continue;
      }
      const auto known = std::find_if(others.begin(), others.end(), [&](const auto& other) {
        return other.first == reading.spec;
      });
      if (known != others.end()) {
        known->second.second = reading.time;
        continue;
      }
      others.push_back({reading.spec, {reading.time, reading.time}});
      served_last = std::max(served_last, reading.time);
    }
    note(id, served, served == own ? first : first_reading, served_last);
    for (const auto& [spec, times] : others) note(id, spec, times.first, times.second);
  }

  void note(ir::ValueId id, SpecId spec, int64_t first, int64_t last) {
    live_.push_back({first, last, space_.largest_bytes(spec, id)});
  }

  const StageProblem& stage_;
  PlanSpace& space_;
  const std::vector<int>& choice_;
  int64_t end_;
  StageDecisions result_;
  std::vector<cost::LiveValue> live_;
};

}  // namespace

void add_terms(plan::CostTerms& terms, const plan::CostTerms& more) {
  terms.decode_compute_s += more.decode_compute_s;
  terms.decode_comm_s += more.decode_comm_s;
  terms.prefill_compute_s += more.prefill_compute_s;
  terms.prefill_comm_s += more.prefill_comm_s;
}

StageDecisions decisions_of(const StageProblem& stage,
                            PlanSpace& space,
                            const std::vector<int>& choice) {
  return DecisionWriter(stage, space, choice).write();
}

}  // namespace partita::planner
