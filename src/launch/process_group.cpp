// SPDX-License-Identifier: Apache-2.0
#include "launch/process_group.h"

#include <algorithm>

#include "launch/launcher_command.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

// How often children are looked at while ranks connect.
constexpr auto kPollInterval = milliseconds(20);
constexpr auto kReportTimeout = std::chrono::seconds(10);
constexpr auto kShutdownTimeout = std::chrono::seconds(1);

}  // namespace

ProcessGroup::ProcessGroup(ProcessGroupOptions options)
    : options_(std::move(options)),
      ranks_(static_cast<size_t>(options_.ranks)),
      poll_entries_(ranks_.size()) {
  const auto deadline = Clock::now() + options_.start_timeout;
  try {
    start();
    meet_ranks(deadline);
    set_up_ranks(deadline);
  } catch (...) {
    kill_all();
    end_launcher();
    throw;
  }
}

ProcessGroup::~ProcessGroup() {
  if (!dead_) shut_down();
  end_launcher();
}

void ProcessGroup::shut_down() {
  const auto deadline = Clock::now() + kShutdownTimeout;
  try {
    for (Rank& rank : ranks_) {
      if (rank.channel) rank.channel->send(FrameType::kShutdown, {}, deadline);
    }
    for (Rank& rank : ranks_) {
      if (!rank.channel) continue;  // of a lost replica
      while (rank.channel->receive(rank.frame, deadline)) {
      }
      rank.channel.reset();  // it has left by itself
    }
    for (Child& child : children_) (void)child.wait(deadline);
  } catch (const std::exception&) {
    // A rank that cannot be told to leave, or does not, is killed below.
  }
  kill_all();
}

void ProcessGroup::start() {
  const RendezvousVariables& variables = rendezvous_.variables();
  if (options_.launcher == Launcher::kExternal && options_.on_external) {
    options_.on_external(variables.assignments());
  }
  for (const ChildCommand& command : launcher_commands(options_, variables)) {
    children_.emplace_back(command);
  }
}

void ProcessGroup::meet_ranks(Clock::time_point deadline) {
  while (true) {
    std::string missing;
    for (size_t rank = 0; rank < ranks_.size(); ++rank) {
      if (!ranks_[rank].channel) missing += str(missing.empty() ? "" : ", ", rank);
    }
    if (missing.empty()) return;
    if (Clock::now() >= deadline) {
      fail(ErrorCode::kDeadlineExceeded,
           str("rank ", missing, " of ", ranks_.size(), " did not connect within ",
               options_.start_timeout.count(), " ms", refused_processes(),
               "; raise --start-timeout-ms, or ", where_to_look()));
    }
    check_children();
    if (std::optional<Arrival> arrival = rendezvous_.next(kPollInterval)) seat(std::move(*arrival));
  }
}

// "" when all that came knew the secret.
std::string ProcessGroup::refused_processes() const {
  const int refused = rendezvous_.refused();
  if (refused == 0) return "";
  return str(" (", refused, " that came with another ", kSecretVariable, " were refused)");
}

void ProcessGroup::seat(Arrival arrival) {
  const bool fits =
      arrival.world_size == options_.ranks && arrival.rank >= 0 && arrival.rank < options_.ranks;
  if (!fits || ranks_[static_cast<size_t>(arrival.rank)].channel) {
    fail(ErrorCode::kInvalidArgument,
         str("a process (pid ", arrival.pid, ") came as rank ", arrival.rank, " of ",
             arrival.world_size, fits ? ", which is there already" : "", "; expected ranks 0 .. ",
             options_.ranks - 1, " of ", options_.ranks,
             ", each once; start as many as the plan has, and unset RANK and WORLD_SIZE where "
             "another job has left them"));
  }
  Rank& slot = ranks_[static_cast<size_t>(arrival.rank)];
  slot.channel = std::make_unique<Channel>(std::move(arrival.channel));
  slot.pid = arrival.pid;
}

void ProcessGroup::set_up_ranks(Clock::time_point deadline) {
  const std::string setup = options_.setup.dump();
  const auto take = [this](int rank, const Frame& frame) {
    const Json ready = frame.json("the ready message");
    const auto hash = json_get<std::string>(ready, "plan_hash", "the ready message");
    if (hash != options_.plan_hash) {
      fail(ErrorCode::kRankFailed,
           str(name_of(rank), " has plan ", hash, ", expected ", options_.plan_hash,
               "; do frontend and ranks run the same version on the same files?"));
    }
    if (rank == 0) limits_ = limits_from_json(ready.at("limits"));
  };
  finish_round(0, begin_round({.request = FrameType::kSetup,
                               .answer = FrameType::kReady,
                               .doing = "loading its weights",
                               .remedy = "raise --start-timeout-ms, or ",
                               .timeout = options_.start_timeout,
                               .end_rank = options_.ranks,
                               .take = take,
                               .deadline = deadline},
                              std::as_bytes(std::span(setup))));
  if (options_.ranks % limits_.replicas != 0) {
    fail(ErrorCode::kRankFailed, str(limits_.replicas, " replicas of ", options_.ranks,
                                     " ranks; do frontend and ranks run the same version?"));
  }
  replicas_ = std::vector<Replica>(static_cast<size_t>(limits_.replicas));
}

std::vector<engine::RankReport> ProcessGroup::report() {
  std::vector<engine::RankReport> reports(ranks_.size());
  const auto take = [&](int rank, const Frame& frame) {
    reports[static_cast<size_t>(rank)] = report_from_json(frame.json("the report of a rank"));
  };
  std::vector<Round*> rounds(replicas_.size());
  for (int replica = 0; replica < static_cast<int>(replicas_.size()); ++replica) {
    const int first = replica * ranks_per_replica();
    if (is_lost(replica)) continue;
    rounds[static_cast<size_t>(replica)] = begin_round({.request = FrameType::kReport,
                                                        .answer = FrameType::kReport,
                                                        .doing = "reporting its costs",
                                                        .remedy = "",
                                                        .timeout = kReportTimeout,
                                                        .first_rank = first,
                                                        .end_rank = first + ranks_per_replica(),
                                                        .take = take},
                                                       {});
  }
  for (size_t replica = 0; replica < rounds.size(); ++replica)
    finish_round(static_cast<int>(replica), rounds[replica]);
  for (size_t rank = 0; rank < reports.size(); ++rank) {
    const int replica = replica_of(static_cast<int>(rank));
    if (!is_lost(replica)) continue;  // else it may have reported before its peer was lost
    reports[rank] = {};
    reports[rank].rank = static_cast<int>(rank);
    reports[rank].replica = replica;
    reports[rank].is_lost = true;
  }
  return reports;
}

}  // namespace partita::launch
