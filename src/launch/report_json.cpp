// SPDX-License-Identifier: Apache-2.0
// Reports and limits as JSON on the control channel.
#include <cstdint>

#include "launch/process_group.h"
#include "support/error.h"

namespace partita::launch {
namespace {

constexpr const char* kWhat = "a message of a rank";

engine::CollectiveReport collective_from_json(const Json& json) {
  return {.kind = json_get<std::string>(json, "kind", kWhat),
          .calls = json_get<int64_t>(json, "calls", kWhat),
          .payload_bytes = json_get<int64_t>(json, "payload_bytes", kWhat),
          .wire_bytes = json_get<int64_t>(json, "wire_bytes", kWhat),
          .seconds = json_get<double>(json, "seconds", kWhat),
          .waiting = json_get<double>(json, "waiting_seconds", kWhat)};
}

engine::OpReport op_from_json(const Json& json) {
  return {.op = json_get<std::string>(json, "op", kWhat),
          .calls = json_get<int64_t>(json, "calls", kWhat),
          .seconds = json_get<double>(json, "seconds", kWhat)};
}

// Appends each row of the list `key`, read by `from_json`, to `rows`.
template <typename Row>
void read_rows(const Json& json,
               const char* key,
               Row (*from_json)(const Json&),
               std::vector<Row>& rows) {
  const auto list = json.find(key);
  if (list == json.end() || !list->is_array()) {
    throw Error(ErrorCode::kInvalidFile, str("[launch] ", kWhat, " has no list \"", key,
                                             "\"; do frontend and ranks run the same version?"));
  }
  for (const Json& row : *list) rows.push_back(from_json(row));
}

// A number that fits an int.
int small(const Json& json, const char* key) {
  const auto value = json_get<int64_t>(json, key, kWhat);
  if (value >= 0 && value <= INT32_MAX) return static_cast<int>(value);
  throw Error(ErrorCode::kInvalidFile,
              str("[launch] ", key, " is ", value, " in ", kWhat, "; expected 0 .. ", INT32_MAX));
}

}  // namespace

Json to_json(const engine::RankReport& report) {
  Json collectives = Json::array();
  for (const engine::CollectiveReport& row : report.collectives) {
    collectives.push_back({{"kind", row.kind},
                           {"calls", row.calls},
                           {"payload_bytes", row.payload_bytes},
                           {"wire_bytes", row.wire_bytes},
                           {"seconds", row.seconds},
                           {"waiting_seconds", row.waiting}});
  }
  Json ops = Json::array();
  for (const engine::OpReport& row : report.ops) {
    ops.push_back({{"op", row.op}, {"calls", row.calls}, {"seconds", row.seconds}});
  }
  return {{"rank", report.rank},
          {"replica", report.replica},
          {"stage", report.stage},
          {"pid", report.pid},
          {"weight_bytes", report.weight_bytes},
          {"kv_bytes", report.kv_bytes},
          {"activation_bytes", report.activation_bytes},
          {"bytes_read", report.bytes_read},
          {"peak_rss_bytes", report.peak_rss_bytes},
          {"load_seconds", report.load_seconds},
          {"program_seconds", report.load.program},
          {"read_seconds", report.load.read},
          {"pack_seconds", report.load.pack},
          {"buffer_seconds", report.load.buffers},
          {"step_seconds", report.step_seconds},
          {"busy_seconds", report.busy_seconds},
          {"steps", report.steps},
          {"collectives", collectives},
          {"ops", ops}};
}

engine::RankReport report_from_json(const Json& json) {
  engine::RankReport report;
  report.rank = small(json, "rank");
  report.replica = small(json, "replica");
  report.stage = small(json, "stage");
  report.pid = json_get<int64_t>(json, "pid", kWhat);
  report.weight_bytes = json_get<int64_t>(json, "weight_bytes", kWhat);
  report.kv_bytes = json_get<int64_t>(json, "kv_bytes", kWhat);
  report.activation_bytes = json_get<int64_t>(json, "activation_bytes", kWhat);
  report.bytes_read = json_get<int64_t>(json, "bytes_read", kWhat);
  report.peak_rss_bytes = json_get<int64_t>(json, "peak_rss_bytes", kWhat);
  report.load_seconds = json_get<double>(json, "load_seconds", kWhat);
  report.load = {.program = json_get<double>(json, "program_seconds", kWhat),
                 .read = json_get<double>(json, "read_seconds", kWhat),
                 .pack = json_get<double>(json, "pack_seconds", kWhat),
                 .buffers = json_get<double>(json, "buffer_seconds", kWhat)};
  report.step_seconds = json_get<double>(json, "step_seconds", kWhat);
  report.busy_seconds = json_get<double>(json, "busy_seconds", kWhat);
  report.steps = json_get<int64_t>(json, "steps", kWhat);
  read_rows(json, "collectives", collective_from_json, report.collectives);
  read_rows(json, "ops", op_from_json, report.ops);
  return report;
}

Json to_json(const engine::RunnerLimits& limits) {
  return {{"vocab_size", limits.vocab_size},
          {"max_context", limits.max_context},
          {"max_step_tokens", limits.max_step_tokens},
          {"max_sequences", limits.max_sequences},
          {"kv_blocks", limits.kv_blocks},
          {"block_size", limits.block_size},
          {"candidates", limits.candidates},
          {"replicas", limits.replicas},
          {"stages", limits.stages},
          {"steps_in_flight", limits.steps_in_flight},
          {"step_overhead_tokens", limits.step_overhead_tokens}};
}

// The scheduler allocates and divides by these numbers.
engine::RunnerLimits limits_from_json(const Json& json) {
  const auto positive = [&](const char* name) {
    const auto value = json_get<int64_t>(json, name, kWhat);
    if (value >= 1 && value <= INT32_MAX) return value;
    throw Error(ErrorCode::kInvalidFile,
                str("[launch] ", name, " is ", value, " in ", kWhat, "; expected 1 .. ", INT32_MAX,
                    "; plan for a smaller context or concurrency"));
  };
  const auto candidates = json_get<int64_t>(json, "candidates", kWhat);
  if (candidates < 0 || candidates > json_get<int64_t>(json, "vocab_size", kWhat)) {
    throw Error(ErrorCode::kInvalidFile,
                str("[launch] candidates is ", candidates, " in ", kWhat,
                    "; expected 0 .. vocab_size; do frontend and ranks run the same version?"));
  }
  const auto overhead = json_get<double>(json, "step_overhead_tokens", kWhat);
  if (!(overhead >= 0)) {
    throw Error(ErrorCode::kInvalidFile,
                str("[launch] step_overhead_tokens is ", overhead, " in ", kWhat,
                    "; expected 0 or more; do frontend and ranks run the same version?"));
  }
  return {.vocab_size = positive("vocab_size"),
          .max_context = positive("max_context"),
          .max_step_tokens = positive("max_step_tokens"),
          .max_sequences = positive("max_sequences"),
          .kv_blocks = positive("kv_blocks"),
          .block_size = positive("block_size"),
          .candidates = candidates,
          .replicas = positive("replicas"),
          .stages = positive("stages"),
          .steps_in_flight = positive("steps_in_flight"),
          .step_overhead_tokens = overhead};
}

}  // namespace partita::launch
