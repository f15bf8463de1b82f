// SPDX-License-Identifier: Apache-2.0
#include "planner/search/traffic.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "planner/search/traffic_replica.h"
#include "support/error.h"
#include "support/philox.h"

namespace partita::planner {
namespace {

// Lengths and arrivals, drawn by index so that every replica count sees the same requests.
class RequestSource {
 public:
  explicit RequestSource(const Traffic& traffic) : traffic_(traffic) {}

  [[nodiscard]] SimulatedRequest request(size_t index, double arrival_s) const {
    return {.arrival_s = arrival_s,
            .prompt_left = length(traffic_.prompt_tokens, 3 * index),
            .output_left = length(traffic_.output_tokens, 3 * index + 1)};
  }
  // Seconds until the next arrival of a Poisson process.
  [[nodiscard]] double gap_s(size_t index) const {
    return -std::log1p(-uniform_at(traffic_.seed, 3 * index + 2)) / traffic_.requests_per_s;
  }

 private:
  [[nodiscard]] int64_t length(int64_t mean, size_t draw) const {
    const double factor = 0.5 + uniform_at(traffic_.seed, draw);
    return std::max<int64_t>(1, std::llround(static_cast<double>(mean) * factor));
  }

  const Traffic& traffic_;
};

class Simulation {
 public:
  Simulation(const Traffic& traffic,
             std::span<const StepTimes> stages,
             int64_t replicas,
             size_t total)
      : traffic_(traffic),
        source_(traffic),
        replicas_(static_cast<size_t>(replicas), TrafficReplica(stages)),
        total_(total) {
    for (size_t i = 0; i < replicas_.size(); ++i) {
      by_load_.emplace(replicas_[i].in_flight(), i);
      by_step_end_.emplace(replicas_[i].step_end_s(), i);
    }
  }

  std::vector<SimulatedRequest> run() {
    if (traffic_.requests_per_s > 0) {
      next_arrival_s_ = source_.gap_s(0);
    } else {
      for (int64_t client = 0; client < traffic_.clients; ++client) arrive(0);
    }
    while (finished_ < total_) advance();
    return std::move(requests_);
  }

 private:
  void arrive(double now_s) {
    if (requests_.size() >= total_) return;
    requests_.push_back(source_.request(requests_.size(), now_s));
    change(by_load_.begin()->second, [&](TrafficReplica& replica) {
      replica.add(requests_.size() - 1, now_s, requests_);
      replica.start_steps(now_s, requests_);
    });
  }

  // Changes a replica and its places in the orders.
  template <typename Change>
  void change(size_t index, const Change& apply) {
    TrafficReplica& replica = replicas_[index];
    const std::pair load(replica.in_flight(), index);
    const std::pair step_end(replica.step_end_s(), index);
    apply(replica);
    if (replica.in_flight() != load.first) {
      by_load_.erase(load);
      by_load_.emplace(replica.in_flight(), index);
    }
    if (replica.step_end_s() != step_end.first) {
      by_step_end_.erase(step_end);
      by_step_end_.emplace(replica.step_end_s(), index);
    }
  }

  // To the next event: an arrival or the end of a step.
  void advance() {
    const double step_end_s = by_step_end_.begin()->first;
    const size_t next = by_step_end_.begin()->second;
    if (next_arrival_s_ <= step_end_s) {
      const double now_s = next_arrival_s_;
      arrive(now_s);
      next_arrival_s_ =
          requests_.size() < total_ ? now_s + source_.gap_s(requests_.size()) : kNever;
      return;
    }
    CHECK(step_end_s < kNever, "requests are left but nothing runs");
    int64_t finished = 0;
    change(next, [&](TrafficReplica& replica) { finished = replica.finish_step(requests_); });
    finished_ += static_cast<size_t>(finished);
    if (traffic_.requests_per_s == 0) {
      for (int64_t i = 0; i < finished; ++i) arrive(step_end_s);
    }
    change(next, [&](TrafficReplica& replica) { replica.start_steps(step_end_s, requests_); });
  }

  const Traffic& traffic_;
  RequestSource source_;
  std::vector<TrafficReplica> replicas_;
  std::set<std::pair<size_t, size_t>> by_load_;      // (requests in flight, replica)
  std::set<std::pair<double, size_t>> by_step_end_;  // (when the next step is back, replica)
  size_t total_;
  std::vector<SimulatedRequest> requests_;
  size_t finished_ = 0;
  double next_arrival_s_ = kNever;
};

// The value below which a share of the values lies (nearest rank).
double percentile(std::vector<double> values, double share) {
  const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
  const auto position = values.begin() + static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), position, values.end());
  return *position;
}

void check(const Traffic& traffic, std::span<const StepTimes> stages, int64_t replicas) {
  const auto check_count = [](const char* name, int64_t value) {
    constexpr int64_t kMost = int64_t{1} << 24;
    if (value >= 1 && value <= kMost) return;
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] ", name, " of the traffic is ", value, "; expected 1 to ", kMost));
  };
  check_count("prompt_tokens", traffic.prompt_tokens);
  check_count("output_tokens", traffic.output_tokens);
  check_count("clients", traffic.clients);
  check_count("replicas", replicas);
  if (!(traffic.requests_per_s >= 0) || traffic.requests_per_s > 1e9 || traffic.requests < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[planner] traffic of ", traffic.requests_per_s, " requests/s and ",
                    traffic.requests, " requests; expected a finite rate and number >= 0"));
  }
  CHECK(!stages.empty(), "a replica without stages");
  double decode_s = 0;
  double prefill_s = 0;
  for (const StepTimes& times : stages) {
    // One of several stages may do nothing that takes time.
    CHECK(times.decode_one_s >= 0 && times.decode_full_s >= times.decode_one_s &&
              times.prefill_s >= 0 && times.max_sequences >= 1 && times.chunk_tokens >= 1,
          "step times are negative or fall with the batch");
    decode_s += times.decode_one_s;
    prefill_s += times.prefill_s;
    CHECK(times.max_sequences == stages.front().max_sequences &&
              times.chunk_tokens == stages.front().chunk_tokens,
          "stages of one replica take other steps");
  }
  CHECK(decode_s > 0 && prefill_s > 0, "a step takes no time");
}

// Enough for every place of every replica to be used several times.
size_t request_count(const Traffic& traffic, const StepTimes& times, int64_t replicas) {
  if (traffic.requests > 0) return static_cast<size_t>(traffic.requests);
  constexpr int64_t kRounds = 8;
  constexpr int64_t kLeast = 200;
  constexpr int64_t kMost = 20'000;
  const int64_t places =
      std::min(traffic.requests_per_s > 0 ? times.max_sequences * replicas : traffic.clients,
               times.max_sequences * replicas);
  return static_cast<size_t>(std::clamp(kRounds * places, kLeast, kMost));
}

}  // namespace

double StepTimes::step_s(int64_t sequences, int64_t prompt_tokens) const {
  const double slope = max_sequences > 1
                           ? (decode_full_s - decode_one_s) / static_cast<double>(max_sequences - 1)
                           : 0;
  const double decode_s =
      sequences > 0 ? decode_one_s + slope * static_cast<double>(sequences - 1) : 0;
  if (prompt_tokens == 0) return decode_s;
  const double tokens = static_cast<double>(prompt_tokens + sequences);
  // A short chunk still reads all weights, as a decode step does.
  return std::max({decode_s, decode_one_s, prefill_s * tokens / static_cast<double>(chunk_tokens)});
}

TrafficResult simulate_traffic(const Traffic& traffic,
                               std::span<const StepTimes> stages,
                               int64_t replicas) {
  check(traffic, stages, replicas);
  const size_t total = request_count(traffic, stages.front(), replicas);
  const std::vector<SimulatedRequest> requests = Simulation(traffic, stages, replicas, total).run();
  const RequestSource source(traffic);
  std::vector<double> first_token;
  std::vector<double> whole;
  double tokens = 0;
  double end_s = 0;
  double last_arrival_s = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    first_token.push_back(requests[i].first_token_s - requests[i].arrival_s);
    whole.push_back(requests[i].end_s - requests[i].arrival_s);
    tokens += static_cast<double>(source.request(i, 0).output_left);
    end_s = std::max(end_s, requests[i].end_s);
    last_arrival_s = std::max(last_arrival_s, requests[i].arrival_s);
  }
  TrafficResult result;
  result.tokens_per_s = tokens / end_s;
  result.first_token_p50_s = percentile(first_token, 0.5);
  result.first_token_p95_s = percentile(first_token, 0.95);
  result.request_p50_s = percentile(whole, 0.5);
  result.request_p95_s = percentile(whole, 0.95);
  // A queue that grows all the time makes the last requests wait longer than the first ones by a
  // good part of the whole time.
  constexpr double kBacklogShare = 0.25;
  result.keeps_up = traffic.requests_per_s == 0 ||
                    end_s - last_arrival_s <= result.request_p50_s + kBacklogShare * last_arrival_s;
  return result;
}

}  // namespace partita::planner
