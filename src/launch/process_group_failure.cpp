// SPDX-License-Identifier: Apache-2.0
// What happens when a rank of a group fails: who is named, and how the others are ended.
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "launch/process_group.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

// How long mpirun or srun may take to notice that its ranks are gone, and to obey a SIGTERM.
constexpr auto kLauncherTimeout = std::chrono::seconds(3);
// After the first rank reports a missed deadline, its peers report within this time; who stays
// silent is the culprit.
constexpr auto kSilenceGrace = milliseconds(500);
// Said of a silent rank: what it has begun to write was taken as it came.
constexpr const char* kHalfWay = " [in the middle of a message]";
// The socket of a process that ends closes a moment before the process can be reaped.
constexpr auto kReapTimeout = milliseconds(50);

}  // namespace

std::string ProcessGroup::name_of(int rank) const {
  return str("rank ", rank, " (pid ", ranks_[static_cast<size_t>(rank)].pid, ")");
}

std::string ProcessGroup::progress_of(int rank) const {
  const Rank& loading = ranks_[static_cast<size_t>(rank)];
  if (loading.to_load_bytes == 0) return " [has read no weights]";
  return str(" [has read ", loading.loaded_bytes, " of ", loading.to_load_bytes, " bytes]");
}

std::string ProcessGroup::where_to_look() const {
  if (options_.log_dir.empty()) return "see what the ranks have printed (--log-dir keeps it)";
  return str("see what the ranks have written to ", options_.log_dir);
}

// Of the exception that is being handled.
void ProcessGroup::fail_broken(int rank) {
  try {
    throw;
  } catch (const std::exception& e) {
    if (dead_) throw;  // who read has called fail() itself
    fail_rank(rank, ErrorCode::kRankFailed,
              str(name_of(rank), " sent a broken message: ", e.what()));
  }
}

// A missed deadline is reported by the victims of the rank that hangs; all other errors name their
// cause.
void ProcessGroup::take_error(int rank, const Json& json) {
  const ErrorCode code = parse_error_code(json_get<std::string>(json, "code", "an error message"));
  const auto message = json_get<std::string>(json, "message", "an error message");
  if (code != ErrorCode::kDeadlineExceeded)
    fail_rank(rank, code, str("rank ", rank, ": ", message));
  Replica& replica = replicas_[static_cast<size_t>(replica_of(rank))];
  replica.reported += str(replica.reported.empty() ? "" : "; ", "rank ", rank, ": ", message);
  ranks_[static_cast<size_t>(rank)].missed_deadline = true;
  if (!replica.grace_end) replica.grace_end = Clock::now() + kSilenceGrace;
}

bool ProcessGroup::has_answered(int rank, const Round& round) const {
  const std::vector<Round*>& asked = ranks_[static_cast<size_t>(rank)].asked;
  return std::find(asked.begin(), asked.end(), &round) == asked.end();
}

// The oldest round under way of ranks of the replica some of which have reported a missed deadline.
const ProcessGroup::Round* ProcessGroup::reported_round(int replica) const {
  for (const Round& round : rounds_) {
    if (round.waiting == 0 || replica_of(round.first_rank) != replica) continue;
    for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
      if (ranks_[static_cast<size_t>(rank)].missed_deadline) return &round;
    }
  }
  return nullptr;
}

// When all that have not answered have reported, nobody else will say more.
void ProcessGroup::fail_if_all_reported(int replica) {
  const Round* round = reported_round(replica);
  if (round == nullptr) return;
  for (int rank = round->first_rank; rank < round->end_rank; ++rank) {
    if (!has_answered(rank, *round) && !ranks_[static_cast<size_t>(rank)].missed_deadline) return;
  }
  fail_rank(round->first_rank, ErrorCode::kDeadlineExceeded,
            replicas_[static_cast<size_t>(replica)].reported);
}

// Whether a rank of the round has not answered and had nothing to read at the last poll, which has
// begun at `polled`, or has had its time for the message that it has begun.
bool ProcessGroup::has_silent_rank(const Round& round, Clock::time_point polled) const {
  for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
    if (has_answered(rank, round)) continue;
    const bool was_heard = (poll_entries_[static_cast<size_t>(rank)].revents & POLLIN) != 0;
    const auto& frame_end = ranks_[static_cast<size_t>(rank)].frame_end;
    if (frame_end ? polled >= *frame_end : !was_heard) return true;
  }
  return false;
}

// The last poll has begun at `polled`: what had come by then was heard, however busy other ranks
// keep us.
void ProcessGroup::fail_if_late(Clock::time_point polled) {
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const auto& grace_end = replicas_[i].grace_end;
    if (!grace_end || polled < *grace_end) continue;
    const Round& round = *reported_round(static_cast<int>(i));
    if (has_silent_rank(round, polled)) fail_silent(round);
  }
  for (const Round& round : rounds_) {
    const bool is_late = round.waiting > 0 && round.deadline && polled >= *round.deadline;
    if (is_late && has_silent_rank(round, polled)) fail_silent(round);
  }
}

void ProcessGroup::throw_if_dead() const {
  if (dead_)
    throw Error(ErrorCode::kRankFailed,
                "[launch] the ranks are gone after an earlier failure; start them again");
}

void ProcessGroup::fail_dead(int rank) {
  std::string how = "closed its control channel";
  for (Child& child : children_) {
    if (child.pid() != ranks_[static_cast<size_t>(rank)].pid) continue;
    if (const auto status = child.wait(Clock::now() + kReapTimeout)) how = to_string(*status);
  }
  fail_rank(rank, ErrorCode::kRankFailed, str(name_of(rank), " ", how, "; ", where_to_look()));
}

void ProcessGroup::fail_silent(const Round& round) {
  std::string silent;
  for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
    if (!has_answered(rank, round) && !ranks_[static_cast<size_t>(rank)].missed_deadline)
      silent += str(silent.empty() ? "" : ", ", name_of(rank),
                    round.request == FrameType::kSetup ? progress_of(rank) : "",
                    ranks_[static_cast<size_t>(rank)].frame_end ? kHalfWay : "");
  }
  const std::string& reported =
      replicas_[static_cast<size_t>(replica_of(round.first_rank))].reported;
  fail_rank(round.first_rank, ErrorCode::kDeadlineExceeded,
            str(silent, " did not answer within ", round.timeout.count(), " ms while ", round.doing,
                "; ", round.remedy, where_to_look(), reported.empty() ? "" : "; " + reported));
}

int ProcessGroup::ranks_per_replica() const {
  return options_.ranks / static_cast<int>(replicas_.size());
}

bool ProcessGroup::is_lost(int replica) const {
  return replicas_[static_cast<size_t>(replica)].loss.has_value();
}

// mpirun and srun end all ranks with any, and so does an MPI job that somebody else has started.
bool ProcessGroup::can_go_on_without(int replica) const {
  const bool has_launcher =
      options_.launcher == Launcher::kMpirun || options_.launcher == Launcher::kSrun;
  bool has_others = false;
  for (int other = 0; other < static_cast<int>(replicas_.size()); ++other)
    has_others = has_others || (other != replica && !is_lost(other));
  return !has_launcher && !options_.has_shared_world && has_others;
}

void ProcessGroup::fail_rank(int rank, ErrorCode code, const std::string& message) {
  const int replica = replica_of(rank);
  if (can_go_on_without(replica)) throw ReplicaLost{replica, message};
  fail(code, message);
}

void ProcessGroup::lose(const ReplicaLost& lost) {
  Replica& replica = replicas_[static_cast<size_t>(lost.replica)];
  const int first = lost.replica * ranks_per_replica();
  for (int rank = first; rank < first + ranks_per_replica(); ++rank) {
    Rank& gone = ranks_[static_cast<size_t>(rank)];
    kill_rank(gone);
    gone.channel.reset();
    gone.asked.clear();
  }
  rounds_.remove_if(
      [&](const Round& round) { return replica_of(round.first_rank) == lost.replica; });
  spare_steps_.splice(spare_steps_.end(), replica.steps);
  has_children_to_reap_ = true;
  replica.grace_end.reset();
  replica.loss =
      str("[launch] ", lost.message, "; replica ", lost.replica, " was stopped, the others go on");
  losses_.push_back(lost.replica);
}

// Those of lost replicas that have ended by now, so that no zombies stay while the others go on.
void ProcessGroup::reap_lost() {
  if (!has_children_to_reap_) return;
  has_children_to_reap_ = false;
  for (Child& child : children_) {
    const auto rank = std::ranges::find(ranks_, child.pid(), &Rank::pid);
    const bool is_of_lost = rank != ranks_.end() && !rank->channel;
    if (is_of_lost && !child.poll()) has_children_to_reap_ = true;
  }
}

const engine::StepResult& ProcessGroup::tell_loss() {
  loss_result_.replica = losses_.front();
  loss_result_.loss = *replicas_[static_cast<size_t>(losses_.front())].loss;
  losses_.pop_front();
  return loss_result_;
}

void ProcessGroup::fail(ErrorCode code, const std::string& message) {
  kill_all();
  throw Error(code, "[launch] " + message + "; all ranks of the group were stopped");
}

void ProcessGroup::check_children() {
  for (size_t i = 0; i < children_.size(); ++i) {
    const auto status = children_[i].poll();
    if (!status) continue;
    const bool is_rank = options_.launcher == Launcher::kFork;
    fail(ErrorCode::kRankFailed,
         str(is_rank ? str("rank ", i) : std::string(to_string(options_.launcher)), " ",
             to_string(*status), " before it was ready; ", where_to_look()));
  }
}

// A launcher removes its session files when its ranks are gone; killing it at once would leave them
// behind, and ranks that have not connected yet.
void ProcessGroup::end_launcher() {
  for (Child& child : children_) {
    if (child.wait(Clock::now() + kLauncherTimeout)) continue;
    child.kill(SIGTERM);
    (void)child.wait(Clock::now() + kLauncherTimeout);
  }
  children_.clear();
}

// Ranks that a launcher started are not our children, but they are ours: they presented the secret,
// and the kernel told us their pid.
void ProcessGroup::kill_rank(const Rank& rank) {
  if (rank.pid <= 0 || rank.pid == getpid()) return;  // not visible; or a thread plays it in a test
  const auto child = std::ranges::find(children_, rank.pid, &Child::pid);
  if (child != children_.end()) {
    child->kill(SIGKILL);
  } else if (rank.channel) {
    ::kill(rank.pid, SIGKILL);
  }
}

void ProcessGroup::kill_all() {
  dead_ = true;
  for (const Rank& rank : ranks_) kill_rank(rank);
  for (Rank& rank : ranks_) rank.channel.reset();
  // mpirun and srun see by themselves that their ranks have ended; end_launcher() gives them the
  // time.
  if (options_.launcher == Launcher::kFork) children_.clear();  // kills and reaps
}

}  // namespace partita::launch
