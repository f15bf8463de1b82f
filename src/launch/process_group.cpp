// SPDX-License-Identifier: Apache-2.0
#include "launch/process_group.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launch/launcher_command.h"
#include "launch/patience.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

// How often children are looked at while ranks connect.
constexpr auto kPollInterval = milliseconds(20);
constexpr auto kReportTimeout = std::chrono::seconds(10);
constexpr auto kShutdownTimeout = std::chrono::seconds(1);
constexpr auto kLongestPoll = std::chrono::hours(1);
// What a frame that has begun to arrive gets at least, however late it is.
constexpr auto kFrameTime = milliseconds(500);

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
    for (Rank& rank : ranks_) rank.channel->send(FrameType::kShutdown, {}, deadline);
    for (Rank& rank : ranks_) {
      while (rank.channel->receive(deadline)) {
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
  finish_round(begin_round({.request = FrameType::kSetup,
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
  steps_.resize(static_cast<size_t>(limits_.replicas));
}

std::vector<engine::RankReport> ProcessGroup::report() {
  std::vector<engine::RankReport> reports(ranks_.size());
  Round& round = begin_round({.request = FrameType::kReport,
                              .answer = FrameType::kReport,
                              .doing = "reporting its costs",
                              .remedy = "",
                              .timeout = kReportTimeout,
                              .end_rank = options_.ranks,
                              .take =
                                  [&](int rank, const Frame& frame) {
                                    reports[static_cast<size_t>(rank)] =
                                        report_from_json(frame.json("the report of a rank"));
                                  }},
                             {});
  finish_round(round);
  return reports;
}

ProcessGroup::Round& ProcessGroup::begin_round(Round round, std::span<const std::byte> payload) {
  throw_if_dead();
  if (spare_rounds_.empty()) spare_rounds_.emplace_back();
  rounds_.splice(rounds_.end(), spare_rounds_, spare_rounds_.begin());
  Round& begun = rounds_.back();
  begun = std::move(round);
  begun.waiting = begun.end_rank - begun.first_rank;
  for (int rank = begun.first_rank; rank < begun.end_rank; ++rank) {
    send(rank, begun, payload);
    ranks_[static_cast<size_t>(rank)].asked.push_back(&begun);
  }
  return begun;
}

// Ranks may be busy with writing long answers and read nothing until those are taken.
void ProcessGroup::send(int rank, const Round& round, std::span<const std::byte> payload) {
  const auto deadline = Clock::now() + round.timeout;
  OutgoingFrame frame(round.request, {payload});
  while (true) {
    bool is_sent = false;
    try {
      is_sent = ranks_[static_cast<size_t>(rank)].channel->try_send(frame);
    } catch (const Error&) {
      hear_last_words(rank);
      return;  // its peers have the time of grace to say more
    }
    if (is_sent) return;
    if (Clock::now() >= deadline) {
      fail(ErrorCode::kDeadlineExceeded,
           str(name_of(rank), " did not read a message in time; it hangs or is stopped"));
    }
    serve_ranks(rank);
  }
}

// A rank that is gone may have said why. Throws unless it has missed a deadline.
void ProcessGroup::hear_last_words(int rank) {
  const Rank& gone = ranks_[static_cast<size_t>(rank)];
  while (!gone.missed_deadline && !gone.asked.empty()) handle(rank);
  if (!gone.missed_deadline) fail_dead(rank);
}

void ProcessGroup::finish_round(Round& round) {
  while (round.waiting > 0) serve_ranks();
  forget_round(round);
}

void ProcessGroup::forget_round(const Round& round) {
  const auto place = std::find_if(rounds_.begin(), rounds_.end(),
                                  [&](const Round& other) { return &other == &round; });
  spare_rounds_.splice(spare_rounds_.begin(), rounds_, place);
}

// Waits until some rank says something, or `writer` can be written to, and takes what was said.
void ProcessGroup::serve_ranks(int writer) {
  throw_if_dead();
  if (!poll_ranks(writer)) return;
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const auto events = static_cast<uint16_t>(poll_entries_[i].revents);
    if ((events & POLLIN) != 0) {
      handle(static_cast<int>(i));
    } else if ((events & ~POLLOUT) != 0) {
      fail_dead(static_cast<int>(i));
    }
  }
  fail_if_all_reported();
}

// False when a signal came instead, or time has passed.
bool ProcessGroup::poll_ranks(int writer) {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const Rank& rank = ranks_[i];
    int events = POLLRDHUP;
    if (!rank.asked.empty()) events |= POLLIN;
    if (static_cast<int>(i) == writer) events |= POLLOUT;
    // poll() passes over -1: what a rank that has missed a deadline does now explains nothing.
    const int fd = rank.missed_deadline ? -1 : rank.channel->fd();
    poll_entries_[i] = {fd, static_cast<int16_t>(events), 0};
  }
  const auto left = std::chrono::ceil<milliseconds>(next_deadline() - Clock::now());
  const auto timeout = std::clamp<milliseconds>(left, milliseconds(0), kLongestPoll);
  const int ready = look_then_sleep(timeout);
  if (ready == 0) fail_if_late();
  if (ready < 0 && errno != EINTR)
    fail(ErrorCode::kSystem, str("poll failed: ", std::strerror(errno)));
  return ready > 0;
}

// While steps are short, the ranks are looked at for a while, giving the core to whoever wants it,
// before this thread sleeps: waking a sleeper takes as long as a step of a small model.
int ProcessGroup::look_then_sleep(milliseconds longest) {
  const auto look = [&](int milliseconds) {
    return ::poll(poll_entries_.data(), poll_entries_.size(), milliseconds);
  };
  const auto patience = std::min<Clock::duration>(frontend_patience(last_step_), longest);
  int ready = 0;
  if (look_for(patience, [&] { return (ready = look(0)) != 0; })) return ready;
  return look(static_cast<int>(longest.count()));
}

// The time of a round counts from when nothing older is under way on its ranks.
Clock::time_point ProcessGroup::next_deadline() {
  auto next = grace_end_.value_or(Clock::time_point::max());
  for (auto round = rounds_.begin(); round != rounds_.end(); ++round) {
    const bool is_oldest = std::none_of(rounds_.begin(), round, [&](const Round& older) {
      return older.waiting > 0 && older.first_rank < round->end_rank &&
             round->first_rank < older.end_rank;
    });
    if (round->waiting == 0 || !is_oldest) continue;
    if (!round->deadline) round->deadline = Clock::now() + round->timeout;
    next = std::min(next, *round->deadline);
  }
  return next;
}

void ProcessGroup::handle(int rank) {
  Rank& sender = ranks_[static_cast<size_t>(rank)];
  Round& round = *sender.asked.front();
  Frame& frame = sender.frame;
  bool is_whole = false;
  const auto deadline =
      std::max(round.deadline.value_or(Clock::time_point()), Clock::now() + kFrameTime);
  understand(rank, [&] { is_whole = sender.channel->receive(frame, deadline); });
  if (!is_whole) fail_dead(rank);
  if (frame.type == FrameType::kProgress) {
    understand(rank, [&] {
      const Json json = frame.json("a progress message");
      sender.loaded_bytes = json_get<int64_t>(json, "bytes", "a progress message");
      sender.to_load_bytes = json_get<int64_t>(json, "total_bytes", "a progress message");
    });
    if (options_.on_progress) options_.on_progress(rank, sender.loaded_bytes, sender.to_load_bytes);
  } else if (frame.type == FrameType::kError) {
    understand(rank, [&] { take_error(rank, frame.json("an error message")); });
  } else if (frame.type == round.answer) {
    understand(rank, [&] { round.take(rank, frame); });
    sender.asked.erase(sender.asked.begin());
    --round.waiting;
  } else {
    fail(ErrorCode::kRankFailed,
         str(name_of(rank), " sent a message of type ", static_cast<uint32_t>(frame.type),
             " while ", round.doing, "; expected type ", static_cast<uint32_t>(round.answer),
             "; do frontend and ranks run the same version?"));
  }
}

}  // namespace partita::launch
