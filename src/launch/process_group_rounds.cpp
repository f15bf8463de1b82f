// SPDX-License-Identifier: Apache-2.0
// Rounds of a group: asking ranks for something, and taking what they say.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launch/patience.h"
#include "launch/process_group.h"
#include "support/error.h"

namespace partita::launch {
namespace {

using std::chrono::milliseconds;

constexpr auto kLongestPoll = std::chrono::hours(1);
// What a frame that has begun to arrive gets at least, however late it is.
constexpr auto kFrameTime = milliseconds(500);

}  // namespace

ProcessGroup::Round* ProcessGroup::begin_round(Round round, std::span<const std::byte> payload) {
  throw_if_dead();
  if (spare_rounds_.empty()) spare_rounds_.emplace_back();
  rounds_.splice(rounds_.end(), spare_rounds_, spare_rounds_.begin());
  Round& begun = rounds_.back();
  begun = std::move(round);
  begun.waiting = begun.end_rank - begun.first_rank;
  try {
    for (int rank = begun.first_rank; rank < begun.end_rank; ++rank) {
      if (!send(rank, begun, payload)) return nullptr;
      ranks_[static_cast<size_t>(rank)].asked.push_back(&begun);
    }
  } catch (const ReplicaLost& lost) {
    lose(lost);
    return nullptr;
  }
  return &begun;
}

// Ranks may be busy with writing long answers and read nothing until those are taken.
bool ProcessGroup::send(int rank, const Round& round, std::span<const std::byte> payload) {
  const auto deadline = Clock::now() + round.timeout;
  OutgoingFrame frame(round.request, {payload});
  while (true) {
    bool is_sent = false;
    try {
      is_sent = ranks_[static_cast<size_t>(rank)].channel->try_send(frame);
    } catch (const Error&) {
      hear_last_words(rank);
      return true;  // its peers have the time of grace to say more
    }
    if (is_sent) return true;
    if (Clock::now() >= deadline) {
      fail_rank(rank, ErrorCode::kDeadlineExceeded,
                str(name_of(rank), " did not read a message in time; it hangs or is stopped"));
    }
    serve_ranks(rank);
    if (is_lost(replica_of(rank))) return false;
  }
}

// A rank that is gone may have said why. Throws unless it has missed a deadline.
void ProcessGroup::hear_last_words(int rank) {
  const Rank& gone = ranks_[static_cast<size_t>(rank)];
  while (!gone.missed_deadline && !gone.asked.empty() && handle(rank)) {
  }
  if (!gone.missed_deadline) fail_dead(rank);
}

void ProcessGroup::finish_round(int replica, Round* round) {
  while (!is_lost(replica) && round->waiting > 0) serve_ranks();
  if (!is_lost(replica)) forget_round(*round);
}

void ProcessGroup::forget_round(const Round& round) {
  const auto place = std::find_if(rounds_.begin(), rounds_.end(),
                                  [&](const Round& other) { return &other == &round; });
  spare_rounds_.splice(spare_rounds_.begin(), rounds_, place);
}

// Waits until some rank says something, or `writer` can be written to, and takes what was said.
void ProcessGroup::serve_ranks(int writer) {
  throw_if_dead();
  reap_lost();
  try {
    const auto begin = Clock::now();
    if (!poll_ranks(writer)) return;
    for (size_t i = 0; i < ranks_.size(); ++i) {
      const auto events = static_cast<uint16_t>(poll_entries_[i].revents);
      if ((events & POLLIN) != 0) {
        handle(static_cast<int>(i));
      } else if ((events & ~POLLOUT) != 0) {
        fail_dead(static_cast<int>(i));
      }
    }
    for (size_t replica = 0; replica < replicas_.size(); ++replica)
      fail_if_all_reported(static_cast<int>(replica));
    fail_if_late(begin);
  } catch (const ReplicaLost& lost) {
    lose(lost);
  }
}

// False when a signal came instead.
bool ProcessGroup::poll_ranks(int writer) {
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const Rank& rank = ranks_[i];
    int events = POLLRDHUP;
    if (!rank.asked.empty()) events |= POLLIN;
    if (static_cast<int>(i) == writer) events |= POLLOUT;
    // poll() passes over -1: a rank is gone, or what it does after a missed deadline explains
    // nothing.
    const int fd = rank.missed_deadline || !rank.channel ? -1 : rank.channel->fd();
    poll_entries_[i] = {fd, static_cast<int16_t>(events), 0};
  }
  const auto left = std::chrono::ceil<milliseconds>(next_deadline() - Clock::now());
  const auto timeout = std::clamp<milliseconds>(left, milliseconds(0), kLongestPoll);
  const int ready = look_then_sleep(timeout);
  if (ready < 0 && errno != EINTR)
    fail(ErrorCode::kSystem, str("poll failed: ", std::strerror(errno)));
  return ready >= 0;
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
  auto next = Clock::time_point::max();
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const auto& grace_end = replicas_[i].grace_end;
    if (grace_end) next = std::min(next, late_at(*reported_round(static_cast<int>(i)), *grace_end));
  }
  for (auto round = rounds_.begin(); round != rounds_.end(); ++round) {
    const bool is_oldest = std::none_of(rounds_.begin(), round, [&](const Round& older) {
      return older.waiting > 0 && older.first_rank < round->end_rank &&
             round->first_rank < older.end_rank;
    });
    if (round->waiting == 0 || !is_oldest) continue;
    if (!round->deadline) round->deadline = Clock::now() + round->timeout;
    next = std::min(next, late_at(*round, *round->deadline));
  }
  return next;
}

// When the first rank of a round is late that should answer by `end`: then, or when it has had its
// time for a message that it has begun.
Clock::time_point ProcessGroup::late_at(const Round& round, Clock::time_point end) const {
  auto first = Clock::time_point::max();
  for (int rank = round.first_rank; rank < round.end_rank; ++rank) {
    const auto& frame_end = ranks_[static_cast<size_t>(rank)].frame_end;
    if (!has_answered(rank, round)) first = std::min(first, frame_end.value_or(end));
  }
  return std::max(first, end);
}

bool ProcessGroup::handle(int rank) {
  Rank& sender = ranks_[static_cast<size_t>(rank)];
  Received received = Received::kPart;
  understand(rank, [&] { received = sender.channel->try_receive(sender.frame); });
  if (received == Received::kEnd) fail_dead(rank);
  if (received == Received::kPart) {
    if (!sender.frame_end) sender.frame_end = Clock::now() + kFrameTime;
    return false;
  }
  sender.frame_end.reset();
  take_message(rank);
  return true;
}

void ProcessGroup::take_message(int rank) {
  Rank& sender = ranks_[static_cast<size_t>(rank)];
  Round& round = *sender.asked.front();
  const Frame& frame = sender.frame;
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
    fail_rank(rank, ErrorCode::kRankFailed,
              str(name_of(rank), " sent a message of type ", static_cast<uint32_t>(frame.type),
                  " while ", round.doing, "; expected type ", static_cast<uint32_t>(round.answer),
                  "; do frontend and ranks run the same version?"));
  }
}

}  // namespace partita::launch
