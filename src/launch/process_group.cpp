// SPDX-License-Identifier: Apache-2.0
#include "launch/process_group.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launch/launcher_command.h"
#include "launch/step_codec.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

// How often children are looked at while ranks connect.
constexpr auto kPollInterval = milliseconds(20);
constexpr auto kReportTimeout = std::chrono::seconds(10);
constexpr auto kShutdownTimeout = std::chrono::seconds(1);
// After the first rank reports a missed deadline, its peers report within this time; who stays
// silent is the culprit.
constexpr auto kSilenceGrace = milliseconds(500);

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
    send_to_all(FrameType::kShutdown, {}, deadline);
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
      fail(
          ErrorCode::kDeadlineExceeded,
          str("rank ", missing, " of ", ranks_.size(), " did not connect within ",
              options_.start_timeout.count(), " ms; raise start_timeout_ms, or ", where_to_look()));
    }
    check_children();
    if (std::optional<Arrival> arrival = rendezvous_.next(kPollInterval)) seat(std::move(*arrival));
  }
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
  const Round round{FrameType::kSetup,      FrameType::kReady,
                    "loading its weights",  "raise start_timeout_ms, or ",
                    options_.start_timeout, deadline};
  run_round(round, std::as_bytes(std::span(setup)), [this](int rank, const Frame& frame) {
    const Json ready = frame.json("the ready message");
    const auto hash = json_get<std::string>(ready, "plan_hash", "the ready message");
    if (hash != options_.plan_hash) {
      fail(ErrorCode::kRankFailed,
           str(name_of(rank), " has plan ", hash, ", expected ", options_.plan_hash,
               "; do frontend and ranks run the same version on the same files?"));
    }
    if (rank == 0) limits_ = limits_from_json(ready.at("limits"));
  });
}

engine::StepResult ProcessGroup::run(const engine::StepBatch& batch) {
  const auto begin = Clock::now();
  engine::StepResult result;
  const Round round{FrameType::kStep,      FrameType::kStepDone,
                    "computing a step",    "raise --step-timeout-ms, or ",
                    options_.step_timeout, begin + options_.step_timeout};
  run_round(round, encode(batch), [&](int, const Frame& frame) {
    engine::StepResult part = decode_result(frame.payload);
    if (!part.logits.empty()) result.logits = std::move(part.logits);
  });
  const size_t expected = batch.logit_rows.size() * static_cast<size_t>(limits_.vocab_size);
  if (result.logits.size() != expected) {
    fail(ErrorCode::kRankFailed, str("the ranks sent ", result.logits.size(), " logits, expected ",
                                     expected, "; do frontend and ranks run the same version?"));
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

std::vector<engine::RankReport> ProcessGroup::report() {
  std::vector<engine::RankReport> reports(ranks_.size());
  const Round round{FrameType::kReport, FrameType::kReport,           "reporting its costs", "",
                    kReportTimeout,     Clock::now() + kReportTimeout};
  run_round(round, {}, [&](int rank, const Frame& frame) {
    reports[static_cast<size_t>(rank)] = report_from_json(frame.json("the report of a rank"));
  });
  return reports;
}

void ProcessGroup::run_round(Round round, std::span<const std::byte> payload, const Take& take) {
  send_to_all(round.request, payload, round.deadline);
  collect(round, take);
}

void ProcessGroup::send_to_all(FrameType type,
                               std::span<const std::byte> payload,
                               Clock::time_point deadline) {
  if (dead_)
    throw Error(ErrorCode::kRankFailed,
                "[launch] the ranks are gone after an earlier failure; start them again");
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const auto rank = static_cast<int>(i);
    ranks_[i].answered = false;
    try {
      ranks_[i].channel->send(type, payload, deadline);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kDeadlineExceeded) fail_dead(rank);
      fail(e.code(), str(name_of(rank), " did not read a message in time; it hangs or is stopped"));
    }
  }
}

void ProcessGroup::collect(Round round, const Take& take) {
  reported_.clear();
  while (true) {
    const auto waiting =
        std::count_if(ranks_.begin(), ranks_.end(), [](const Rank& r) { return !r.answered; });
    if (waiting == 0 && reported_.empty()) return;
    if (waiting == 0) fail(ErrorCode::kDeadlineExceeded, reported_);
    if (!poll_ranks(round)) continue;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      const auto rank = static_cast<int>(i);
      if ((poll_entries_[i].revents & POLLIN) == 0) {
        if (poll_entries_[i].revents != 0) fail_dead(rank);
        continue;
      }
      const bool was_silent = reported_.empty();
      handle(rank, round, take);
      if (was_silent && !reported_.empty())
        round.deadline = std::min(round.deadline, Clock::now() + kSilenceGrace);
    }
  }
}

// Waits until some rank has something to say; false when a signal came instead.
bool ProcessGroup::poll_ranks(const Round& round) {
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const auto events =
        static_cast<int16_t>(ranks_[rank].answered ? POLLRDHUP : POLLIN | POLLRDHUP);
    poll_entries_[rank] = {ranks_[rank].channel->fd(), events, 0};
  }
  const auto left = std::chrono::ceil<milliseconds>(round.deadline - Clock::now()).count();
  const int ready = ::poll(poll_entries_.data(), poll_entries_.size(),
                           static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30)));
  if (ready == 0) fail_silent(round);
  if (ready < 0 && errno != EINTR)
    fail(ErrorCode::kSystem, str("poll failed: ", std::strerror(errno)));
  return ready > 0;
}

void ProcessGroup::handle(int rank, const Round& round, const Take& take) {
  Rank& sender = ranks_[static_cast<size_t>(rank)];
  std::optional<Frame> frame;
  // At least a moment, so that a frame that arrives just now is not cut off by the grace.
  const auto deadline = std::max(round.deadline, Clock::now() + kSilenceGrace);
  understand(rank, [&] { frame = sender.channel->receive(deadline); });
  if (!frame) fail_dead(rank);
  if (frame->type == FrameType::kProgress) {
    int64_t bytes = 0;
    int64_t total_bytes = 0;
    understand(rank, [&] {
      const Json json = frame->json("a progress message");
      bytes = json_get<int64_t>(json, "bytes", "a progress message");
      total_bytes = json_get<int64_t>(json, "total_bytes", "a progress message");
    });
    if (options_.on_progress) options_.on_progress(rank, bytes, total_bytes);
  } else if (frame->type == FrameType::kError) {
    understand(rank, [&] { take_error(rank, frame->json("an error message")); });
  } else if (frame->type == round.answer && !sender.answered) {
    sender.answered = true;
    understand(rank, [&] { take(rank, *frame); });
  } else {
    fail(ErrorCode::kRankFailed,
         str(name_of(rank), " sent a message of type ", static_cast<uint32_t>(frame->type),
             " while ", round.doing, "; expected type ", static_cast<uint32_t>(round.answer),
             "; do frontend and ranks run the same version?"));
  }
}

}  // namespace partita::launch
