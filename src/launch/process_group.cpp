// SPDX-License-Identifier: Apache-2.0
#include "launch/process_group.h"

#include <poll.h>
#include <signal.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "launch/launcher_command.h"
#include "launch/step_codec.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

constexpr auto kPollInterval =
    milliseconds(20);  // how often children are looked at while ranks connect
constexpr auto kHelloTimeout = std::chrono::seconds(5);
constexpr auto kReportTimeout = std::chrono::seconds(10);
constexpr auto kLauncherTimeout = std::chrono::seconds(3);
constexpr auto kShutdownTimeout = std::chrono::seconds(1);
// After the first rank reports a missed deadline, its peers report within this time; who stays
// silent is the culprit.
constexpr auto kSilenceGrace = milliseconds(500);

std::string random_secret() {
  std::array<uint64_t, 2> words{};
  if (getrandom(words.data(), sizeof(words), 0) != sizeof(words)) {
    throw Error(ErrorCode::kSystem, "[launch] getrandom failed");
  }
  return str(std::hex, words[0], words[1]);
}

}  // namespace

ProcessGroup::ProcessGroup(ProcessGroupOptions options)
    : options_(std::move(options)),
      secret_(random_secret()),
      ranks_(static_cast<size_t>(options_.ranks)) {
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
  try {
    send_to_all(FrameType::kShutdown, {});
    const auto deadline = Clock::now() + kShutdownTimeout;
    for (Child& child : children_) (void)child.wait(deadline);
  } catch (const Error&) {
    // A rank that cannot be told to leave is killed below like the others.
  }
  kill_all();
}

void ProcessGroup::start() {
  const RendezvousVariables rendezvous{listener_.name(), secret_};
  if (options_.launcher == Launcher::kExternal && options_.on_external) {
    options_.on_external(rendezvous.assignments());
  }
  for (ChildCommand& command : launcher_commands(options_, rendezvous)) {
    children_.emplace_back(command);
  }
}

void ProcessGroup::meet_ranks(Clock::time_point deadline) {
  const auto missing = [this] {
    return std::any_of(ranks_.begin(), ranks_.end(),
                       [](const Rank& rank) { return !rank.channel; });
  };
  while (missing()) {
    if (Clock::now() >= deadline) {
      fail(ErrorCode::kDeadlineExceeded, "not all ranks have connected in time");
    }
    check_children();
    pollfd entry{listener_.fd(), POLLIN, 0};
    if (::poll(&entry, 1, static_cast<int>(kPollInterval.count())) > 0) accept_rank();
  }
}

// A connection that does not present the secret and a free rank is dropped, not trusted.
void ProcessGroup::accept_rank() {
  std::optional<Channel> channel = listener_.accept();
  if (!channel) return;
  const auto frame = channel->receive(Clock::now() + kHelloTimeout);
  if (!frame || frame->type != FrameType::kHello) return;
  const Json hello = frame->json("the hello message");
  if (json_get<std::string>(hello, "secret", "the hello message") != secret_) return;
  const auto rank = json_get<int64_t>(hello, "rank", "the hello message");
  const auto world_size = json_get<int64_t>(hello, "world_size", "the hello message");
  if (world_size != options_.ranks || rank < 0 || rank >= options_.ranks ||
      ranks_[static_cast<size_t>(rank)].channel) {
    fail(ErrorCode::kInvalidArgument, str("a process came as rank ", rank, " of ", world_size,
                                          "; the plan has ", options_.ranks, " ranks, each once"));
  }
  Rank& slot = ranks_[static_cast<size_t>(rank)];
  slot.channel = std::make_unique<Channel>(std::move(*channel));
  slot.pid = json_get<int64_t>(hello, "pid", "the hello message");
}

void ProcessGroup::set_up_ranks(Clock::time_point deadline) {
  const std::string setup = options_.setup.dump();
  send_to_all(FrameType::kSetup, std::as_bytes(std::span(setup)));
  collect(FrameType::kReady, deadline, [this](int rank, const Frame& frame) {
    const Json ready = frame.json("the ready message");
    if (json_get<std::string>(ready, "plan_hash", "the ready message") != options_.plan_hash) {
      fail(ErrorCode::kInternal, str("rank ", rank, " has made another plan from the same inputs"));
    }
    if (rank == 0) limits_ = limits_from_json(ready.at("limits"));
  });
}

engine::StepResult ProcessGroup::run(const engine::StepBatch& batch) {
  const auto begin = Clock::now();
  engine::StepResult result;
  send_to_all(FrameType::kStep, encode(batch));
  collect(FrameType::kStepDone, begin + options_.step_timeout, [&](int, const Frame& frame) {
    engine::StepResult part = decode_result(frame.payload);
    if (!part.logits.empty()) result.logits = std::move(part.logits);
  });
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

std::vector<engine::RankReport> ProcessGroup::report() {
  std::vector<engine::RankReport> reports(ranks_.size());
  send_to_all(FrameType::kReport, {});
  collect(FrameType::kReport, Clock::now() + kReportTimeout, [&](int rank, const Frame& frame) {
    reports[static_cast<size_t>(rank)] = report_from_json(frame.json("the report of a rank"));
  });
  return reports;
}

void ProcessGroup::send_to_all(FrameType type, std::span<const std::byte> payload) {
  if (dead_)
    throw Error(ErrorCode::kRankFailed,
                "[launch] the ranks are gone after an earlier failure; start again");
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    ranks_[rank].answered = false;
    try {
      ranks_[rank].channel->send(type, payload);
    } catch (const Error&) {
      fail_dead(static_cast<int>(rank));
    }
  }
}

void ProcessGroup::collect(FrameType expected,
                           Clock::time_point deadline,
                           const std::function<void(int, const Frame&)>& take) {
  reported_.clear();
  std::vector<pollfd> entries(ranks_.size());
  while (true) {
    const auto waiting =
        std::count_if(ranks_.begin(), ranks_.end(), [](const Rank& r) { return !r.answered; });
    if (waiting == 0 && reported_.empty()) return;
    if (waiting == 0) fail(ErrorCode::kDeadlineExceeded, reported_);
    for (size_t rank = 0; rank < ranks_.size(); ++rank) {
      const auto events =
          static_cast<int16_t>(ranks_[rank].answered ? POLLRDHUP : POLLIN | POLLRDHUP);
      entries[rank] = {ranks_[rank].channel->fd(), events, 0};
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
    const int ready = ::poll(entries.data(), entries.size(),
                             static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
    if (ready < 0 && errno != EINTR) fail(ErrorCode::kSystem, "poll failed");
    if (ready == 0) fail_silent();
    for (size_t rank = 0; rank < ranks_.size() && ready > 0; ++rank) {
      if ((entries[rank].revents & POLLIN) == 0) {
        if (entries[rank].revents != 0) fail_dead(static_cast<int>(rank));
        continue;
      }
      const bool was_silent = reported_.empty();
      handle(static_cast<int>(rank), expected, take);
      if (was_silent && !reported_.empty())
        deadline = std::min(deadline, Clock::now() + kSilenceGrace);
    }
  }
}

void ProcessGroup::handle(int rank,
                          FrameType expected,
                          const std::function<void(int, const Frame&)>& take) {
  Rank& sender = ranks_[static_cast<size_t>(rank)];
  const auto frame = sender.channel->receive(Clock::now());
  if (!frame) fail_dead(rank);
  if (frame->type == FrameType::kProgress) {
    const Json json = frame->json("a progress message");
    if (options_.on_progress) {
      options_.on_progress(rank, json_get<int64_t>(json, "bytes", "progress"),
                           json_get<int64_t>(json, "total_bytes", "progress"));
    }
  } else if (frame->type == FrameType::kError) {
    const Json json = frame->json("an error message");
    const ErrorCode code =
        parse_error_code(json_get<std::string>(json, "code", "an error message"));
    const std::string message = json_get<std::string>(json, "message", "an error message");
    if (code != ErrorCode::kDeadlineExceeded) fail(code, str("rank ", rank, ": ", message));
    reported_ += str(reported_.empty() ? "" : "; ", "rank ", rank, ": ", message);
    sender.answered = true;
  } else if (frame->type == expected && !sender.answered) {
    sender.answered = true;
    take(rank, *frame);
  } else {
    fail(ErrorCode::kInternal, str("rank ", rank, " sent an unexpected message of type ",
                                   static_cast<uint32_t>(frame->type)));
  }
}

void ProcessGroup::fail_dead(int rank) {
  const Rank& gone = ranks_[static_cast<size_t>(rank)];
  std::string how = "closed its control channel";
  for (Child& child : children_) {
    if (child.pid() != gone.pid) continue;
    // The socket closes a moment before the process can be reaped.
    if (const auto status = child.wait(Clock::now() + milliseconds(50))) how = to_string(*status);
  }
  fail(ErrorCode::kRankFailed, str("rank ", rank, " (pid ", gone.pid, ") ", how));
}

void ProcessGroup::fail_silent() {
  std::string silent;
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    if (!ranks_[rank].answered)
      silent += str(silent.empty() ? "" : ", ", rank, " (pid ", ranks_[rank].pid, ")");
  }
  fail(ErrorCode::kDeadlineExceeded,
       str("rank ", silent, " did not answer within ", options_.step_timeout.count(), " ms",
           reported_.empty() ? "" : "; " + reported_));
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
             to_string(*status), " before it was ready"));
  }
}

// A launcher removes its session files when its ranks are gone; killing it at once would leave them
// behind.
void ProcessGroup::end_launcher() {
  const auto deadline = Clock::now() + kLauncherTimeout;
  for (Child& child : children_) (void)child.wait(deadline);
  children_.clear();
}

void ProcessGroup::kill_all() {
  dead_ = true;
  for (const Rank& rank : ranks_) {
    // Ranks that a launcher started are not our children, but they are ours: they presented the
    // secret.
    const bool is_child = std::any_of(children_.begin(), children_.end(),
                                      [&](const Child& child) { return child.pid() == rank.pid; });
    if (rank.pid > 0 && rank.channel && !is_child) ::kill(static_cast<pid_t>(rank.pid), SIGKILL);
  }
  for (Rank& rank : ranks_) rank.channel.reset();
  // mpirun and srun see by themselves that their ranks have ended; end_launcher() gives them the
  // time.
  if (options_.launcher == Launcher::kFork) children_.clear();  // kills and reaps
}

}  // namespace partita::launch
