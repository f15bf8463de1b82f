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
  } catch (const Error& e) {
    if (dead_) throw;  // who read has called fail() itself
    const bool is_late = e.code() == ErrorCode::kDeadlineExceeded;
    fail(is_late ? e.code() : ErrorCode::kRankFailed,
         str(name_of(rank), " sent a broken message: ", e.what()));
  } catch (const std::exception& e) {
    fail(ErrorCode::kRankFailed, str(name_of(rank), " sent a broken message: ", e.what()));
  }
}

// A missed deadline is reported by the victims of the rank that hangs; all other errors name their
// cause.
void ProcessGroup::take_error(int rank, const Json& json) {
  const ErrorCode code = parse_error_code(json_get<std::string>(json, "code", "an error message"));
  const auto message = json_get<std::string>(json, "message", "an error message");
  if (code != ErrorCode::kDeadlineExceeded) fail(code, str("rank ", rank, ": ", message));
  reported_ += str(reported_.empty() ? "" : "; ", "rank ", rank, ": ", message);
  ranks_[static_cast<size_t>(rank)].missed_deadline = true;
  if (!grace_end_) grace_end_ = Clock::now() + kSilenceGrace;
}

bool ProcessGroup::has_answered(int rank, const Round& round) const {
  const std::vector<Round*>& asked = ranks_[static_cast<size_t>(rank)].asked;
  return std::find(asked.begin(), asked.end(), &round) == asked.end();
}

// The oldest round under way of ranks some of which have reported a missed deadline.
const ProcessGroup::Round* ProcessGroup::reported_round() const {
  for (const Round& round : rounds_) {
    if (round.waiting == 0) continue;
    for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
      if (ranks_[static_cast<size_t>(rank)].missed_deadline) return &round;
    }
  }
  return nullptr;
}

// When all that have not answered have reported, nobody else will say more.
void ProcessGroup::fail_if_all_reported() {
  const Round* round = reported_round();
  if (round == nullptr) return;
  for (int rank = round->first_rank; rank < round->end_rank; ++rank) {
    if (!has_answered(rank, *round) && !ranks_[static_cast<size_t>(rank)].missed_deadline) return;
  }
  fail(ErrorCode::kDeadlineExceeded, reported_);
}

void ProcessGroup::fail_if_late() {
  const auto now = Clock::now();
  if (grace_end_ && now >= *grace_end_) fail_silent(*reported_round());
  for (const Round& round : rounds_) {
    if (round.waiting > 0 && round.deadline && now >= *round.deadline) fail_silent(round);
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
  fail(ErrorCode::kRankFailed, str(name_of(rank), " ", how, "; ", where_to_look()));
}

void ProcessGroup::fail_silent(const Round& round) {
  std::string silent;
  for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
    if (!has_answered(rank, round) && !ranks_[static_cast<size_t>(rank)].missed_deadline)
      silent += str(silent.empty() ? "" : ", ", name_of(rank),
                    round.request == FrameType::kSetup ? progress_of(rank) : "");
  }
  fail(ErrorCode::kDeadlineExceeded,
       str(silent, " did not answer within ", round.timeout.count(), " ms while ", round.doing,
           "; ", round.remedy, where_to_look(), reported_.empty() ? "" : "; " + reported_));
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

void ProcessGroup::kill_all() {
  dead_ = true;
  for (const Rank& rank : ranks_) {
    // Ranks that a launcher started are not our children, but they are ours: they presented the
    // secret, and the kernel told us their pid.
    const bool is_child = std::any_of(children_.begin(), children_.end(),
                                      [&](const Child& child) { return child.pid() == rank.pid; });
    const bool is_process = rank.pid > 0 && rank.pid != getpid();  // tests play ranks in threads
    if (is_process && rank.channel && !is_child) ::kill(rank.pid, SIGKILL);
  }
  for (Rank& rank : ranks_) rank.channel.reset();
  // mpirun and srun see by themselves that their ranks have ended; end_launcher() gives them the
  // time.
  if (options_.launcher == Launcher::kFork) children_.clear();  // kills and reaps
}

}  // namespace partita::launch
