// SPDX-License-Identifier: Apache-2.0
// The ranks of all replicas as processes: start, handshake, steps, supervision, end.
#pragma once

#include <poll.h>

#include <chrono>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/step_runner.h"
#include "launch/channel.h"
#include "launch/child.h"
#include "launch/rendezvous.h"
#include "partita/error.h"
#include "support/json.h"

namespace partita::launch {

enum class Launcher : uint8_t {
  kFork,      // one child per rank, started here
  kMpirun,    // `mpirun -n N`: one child that starts the ranks
  kSrun,      // `srun -n N`
  kExternal,  // somebody else starts the ranks and gives them the variables of
              // external_environment()
};
[[nodiscard]] std::string_view to_string(Launcher launcher);
[[nodiscard]] Launcher parse_launcher(
    std::string_view name);  // throws kInvalidArgument listing the names

struct ProcessGroupOptions {
  Launcher launcher = Launcher::kFork;
  int ranks = 1;                    // of all replicas
  std::vector<std::string> worker;  // program and arguments of a rank, e.g. {"partita", "worker"}
  std::string log_dir;  // "" = the ranks write where we write; else <log_dir>/rank-<i>.log
  std::chrono::milliseconds start_timeout =
      std::chrono::minutes(10);  // until every rank is ready (it loads weights)
  std::chrono::milliseconds step_timeout = std::chrono::seconds(10);
  bool has_shared_world = false;  // the ranks of all replicas are of one MPI job, which ends as one
  Json setup;                     // sent to every rank
  std::string plan_hash;          // every rank must answer with the same
  std::function<void(int rank, int64_t bytes, int64_t total_bytes)> on_progress;
  std::function<void(const std::string& variables)>
      on_external;  // kExternal: told the variables to set
};

// StepRunner over rank processes; the ranks of a replica follow each other. A rank fails that dies
// (end of file on its control channel), reports an error, sends what cannot be understood or misses
// the step deadline. Then its replica is lost: all its ranks are killed, wait() names the rank, and
// the others go on. With it go all: of one replica, of the last one, while ranks load, and of
// ranks of one MPI job, which ends with any of them. Then they are killed and reaped within a
// second and the error is thrown with the rank's name; later calls throw kRankFailed. The
// destructor asks the ranks to leave and kills those that do not. Owned by one thread, which must
// outlive the group (see Child).
class ProcessGroup : public engine::StepRunner {
 public:
  // Starts the ranks and waits until all are ready.
  explicit ProcessGroup(ProcessGroupOptions options);
  ~ProcessGroup() override;

  [[nodiscard]] const engine::RunnerLimits& limits() const override { return limits_; }
  void submit(int replica, const engine::StepBatch& batch) override;
  [[nodiscard]] const engine::StepResult& wait() override;
  [[nodiscard]] std::vector<engine::RankReport> report() override;

 private:
  static constexpr int kNobody = -1;

  // Something that the ranks [first_rank, end_rank) are asked to do.
  struct Round {
    FrameType request;
    FrameType answer;
    std::string_view doing;   // "computing a step"
    std::string_view remedy;  // what to change when the timeout is too short, "" or ending in "or "
    std::chrono::milliseconds timeout;
    int first_rank = 0;
    int end_rank = 0;
    std::function<void(int rank, const Frame&)> take;  // an answer
    int waiting = 0;                                   // ranks that have not answered
    std::optional<Clock::time_point> deadline = {};    // once nothing before it is under way
  };
  using Rounds = std::list<Round>;
  struct StepInFlight {
    Round* round = nullptr;
    Clock::time_point begin;
    int64_t logits = 0;      // expected
    int64_t candidates = 0;  // expected
    int64_t received_logits = 0;
    int64_t received_candidates = 0;
    engine::StepResult result;
  };
  using Steps = std::list<StepInFlight>;
  struct Replica {
    Steps steps;                                 // oldest first
    std::string reported;                        // what ranks said about a missed deadline
    std::optional<Clock::time_point> grace_end;  // of those who have said nothing about it
    std::optional<std::string> loss;             // why its ranks are gone
  };
  // Thrown where a rank fails without which the others can go on.
  struct ReplicaLost {
    int replica = 0;
    std::string message;
  };
  struct Rank {
    std::unique_ptr<Channel> channel;
    Frame frame;                                 // received last, or in part
    std::optional<Clock::time_point> frame_end;  // until then one that has begun may come
    pid_t pid = 0;                               // 0 when it is not visible from here
    std::vector<Round*> asked;                   // not answered, oldest first
    bool missed_deadline = false;                // has said so and serves nothing any more
    int64_t loaded_bytes = 0;                    // of to_load_bytes, as it has said last
    int64_t to_load_bytes = 0;
  };

  void start();
  void meet_ranks(Clock::time_point deadline);
  [[nodiscard]] std::string refused_processes() const;
  void seat(Arrival arrival);
  void set_up_ranks(Clock::time_point deadline);
  // Sends `payload` to the ranks of the round, which are of one replica once they are ready. Null
  // when they were lost on the way.
  Round* begin_round(Round round, std::span<const std::byte> payload);
  // False when the replica of the rank was lost meanwhile.
  [[nodiscard]] bool send(int rank, const Round& round, std::span<const std::byte> payload);
  void hear_last_words(int rank);
  // Waits for the answers of all ranks of a round, or the loss of their replica.
  void finish_round(int replica, Round* round);
  void forget_round(const Round& round);
  static void take_part(StepInFlight& step, int rank, const Frame& frame);
  [[nodiscard]] std::optional<size_t> next_finished() const;
  [[nodiscard]] const engine::StepResult& finish_step(size_t replica);
  void serve_ranks(int writer = kNobody);
  [[nodiscard]] bool poll_ranks(int writer);
  [[nodiscard]] int look_then_sleep(std::chrono::milliseconds longest);
  [[nodiscard]] Clock::time_point next_deadline();
  [[nodiscard]] Clock::time_point late_at(const Round& round, Clock::time_point end) const;
  // Takes what a rank has said; false when that was no whole message.
  bool handle(int rank);
  void take_message(int rank);
  void take_error(int rank, const Json& json);
  // Runs `read` on what a rank has sent; whatever is wrong with that is the rank's failure.
  template <typename Read>
  void understand(int rank, const Read& read) {
    try {
      read();
    } catch (const std::exception&) {
      fail_broken(rank);
    }
  }
  [[noreturn]] void fail_broken(int rank);
  [[nodiscard]] bool has_answered(int rank, const Round& round) const;
  [[nodiscard]] const Round* reported_round(int replica) const;
  void fail_if_all_reported(int replica);
  [[nodiscard]] bool has_silent_rank(const Round& round, Clock::time_point polled) const;
  void fail_if_late(Clock::time_point polled);
  void throw_if_dead() const;
  [[noreturn]] void fail_dead(int rank);
  [[noreturn]] void fail_silent(const Round& round);
  // Ends the replica of the rank, or all when there is no other.
  [[noreturn]] void fail_rank(int rank, ErrorCode code, const std::string& message);
  [[noreturn]] void fail(ErrorCode code, const std::string& message);
  [[nodiscard]] bool can_go_on_without(int replica) const;
  void lose(const ReplicaLost& lost);
  void reap_lost();
  [[nodiscard]] const engine::StepResult& tell_loss();
  [[nodiscard]] std::string name_of(int rank) const;
  [[nodiscard]] std::string progress_of(int rank) const;
  [[nodiscard]] std::string where_to_look() const;
  [[nodiscard]] int ranks_per_replica() const;
  [[nodiscard]] int replica_of(int rank) const { return rank / ranks_per_replica(); }
  [[nodiscard]] bool is_lost(int replica) const;
  void check_children();
  void shut_down();
  void kill_rank(const Rank& rank);
  void kill_all();
  void end_launcher();

  ProcessGroupOptions options_;
  Rendezvous rendezvous_;
  std::vector<Child> children_;
  std::vector<Rank> ranks_;
  std::vector<pollfd> poll_entries_;  // one per rank
  engine::RunnerLimits limits_;
  Rounds rounds_;                                            // under way, oldest first
  std::vector<Replica> replicas_ = std::vector<Replica>(1);  // one until all ranks are ready
  std::deque<int> losses_;                                   // replicas; not yet told by wait()
  engine::StepResult loss_result_;
  // Steps allocate nothing: what they need is used again.
  Rounds spare_rounds_;
  Steps spare_steps_;  // the front one was given back last
  std::vector<std::byte> encoded_;
  Clock::duration last_step_ = Clock::duration::max();
  size_t last_served_ = 0;             // replica
  bool has_children_to_reap_ = false;  // of lost replicas
  bool dead_ = false;
};

// JSON of the structures that cross the control channel.
[[nodiscard]] Json to_json(const engine::RankReport& report);
[[nodiscard]] engine::RankReport report_from_json(const Json& json);
[[nodiscard]] Json to_json(const engine::RunnerLimits& limits);
// Throws kInvalidFile for limits below 1 or above what block numbers can count.
[[nodiscard]] engine::RunnerLimits limits_from_json(const Json& json);

}  // namespace partita::launch
