// SPDX-License-Identifier: Apache-2.0
// The ranks of one replica as processes: start, handshake, steps, supervision, end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/step_runner.h"
#include "launch/channel.h"
#include "launch/child.h"
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
  int ranks = 1;
  std::vector<std::string> worker;  // program and arguments of a rank, e.g. {"partita", "worker"}
  std::string log_dir;  // "" = the ranks write where we write; else <log_dir>/rank-<i>.log
  std::chrono::milliseconds start_timeout =
      std::chrono::minutes(10);  // until every rank is ready (it loads weights)
  std::chrono::milliseconds step_timeout = std::chrono::seconds(10);
  Json setup;             // sent to every rank
  std::string plan_hash;  // every rank must answer with the same
  std::function<void(int rank, int64_t bytes, int64_t total_bytes)> on_progress;
  std::function<void(const std::string& variables)>
      on_external;  // kExternal: told the variables to set
};

// StepRunner over rank processes. A rank that dies (end of file on its control channel), reports an
// error or misses the step deadline ends the whole group: all ranks are killed and reaped within a
// second, then the error is thrown. The destructor asks the ranks to leave and kills those that do
// not. Owned by one thread, which must outlive the group (see Child).
class ProcessGroup : public engine::StepRunner {
 public:
  // Starts the ranks and waits until all are ready.
  explicit ProcessGroup(ProcessGroupOptions options);
  ~ProcessGroup() override;

  [[nodiscard]] const engine::RunnerLimits& limits() const override { return limits_; }
  [[nodiscard]] engine::StepResult run(const engine::StepBatch& batch) override;
  [[nodiscard]] std::vector<engine::RankReport> report() override;

 private:
  struct Rank {
    std::unique_ptr<Channel> channel;
    int64_t pid = 0;
    bool answered = false;
  };

  void start();
  void accept_rank();
  void meet_ranks(Clock::time_point deadline);
  void set_up_ranks(Clock::time_point deadline);
  void send_to_all(FrameType type, std::span<const std::byte> payload);
  // Waits for one frame of type `expected` from every rank and hands it to `take`.
  void collect(FrameType expected,
               Clock::time_point deadline,
               const std::function<void(int rank, const Frame&)>& take);
  void handle(int rank, FrameType expected, const std::function<void(int, const Frame&)>& take);
  [[noreturn]] void fail_dead(int rank);
  [[noreturn]] void fail_silent();
  [[noreturn]] void fail(ErrorCode code, const std::string& message);
  void check_children();
  void shut_down();
  void kill_all();
  void end_launcher();

  ProcessGroupOptions options_;
  Listener listener_;
  std::string secret_;
  std::vector<Child> children_;
  std::vector<Rank> ranks_;
  engine::RunnerLimits limits_;
  std::string reported_;  // what ranks said about a missed deadline
  bool dead_ = false;
};

// JSON of the structures that cross the control channel.
[[nodiscard]] Json to_json(const engine::RankReport& report);
[[nodiscard]] engine::RankReport report_from_json(const Json& json);
[[nodiscard]] Json to_json(const engine::RunnerLimits& limits);
[[nodiscard]] engine::RunnerLimits limits_from_json(const Json& json);

}  // namespace partita::launch
