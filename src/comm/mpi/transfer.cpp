// SPDX-License-Identifier: Apache-2.0
// Posting, polling and withdrawing of messages.
#include "comm/mpi/transfer.h"

#include <sched.h>

#include <algorithm>
#include <set>
#include <thread>

#include "comm/mpi/session.h"

namespace partita::comm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kLargestMessage = int64_t{1} << 30;  // MPI counts in int
// As for shared memory: no sleep within a decode step. A sleep is as long as the wake-up itself
// costs.
constexpr auto kPollTime = std::chrono::milliseconds(2);
constexpr auto kSleep = std::chrono::microseconds(50);
constexpr int kPollsPerClock = 16;
// A rank with a core of its own gives it away only after so many looks, in case it has to share it
// after all. Chosen like kSpinsOwnCore of shared memory, not tuned.
constexpr int kPollsBeforeYield = 1000;
// How long withdrawn messages may take to end.
constexpr auto kWithdrawTime = std::chrono::milliseconds(100);

}  // namespace

void Transfer::add(MPI_Request request, Message message) {
  requests_.push_back(request);
  messages_.push_back(message);
  ++open_;
}

void Transfer::receive(MPI_Comm comm, int peer, int tag, std::byte* data, int64_t bytes) {
  for (int64_t begin = 0; begin == 0 || begin < bytes; begin += kLargestMessage) {
    const int length = static_cast<int>(std::min(kLargestMessage, bytes - begin));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Irecv(data + begin, length, MPI_BYTE, peer, tag, comm, &request), "MPI_Irecv");
    add(request, {peer, length, true});
  }
}

void Transfer::send(MPI_Comm comm, int peer, int tag, const std::byte* data, int64_t bytes) {
  for (int64_t begin = 0; begin == 0 || begin < bytes; begin += kLargestMessage) {
    const int length = static_cast<int>(std::min(kLargestMessage, bytes - begin));
    MPI_Request request = MPI_REQUEST_NULL;
    check_mpi(MPI_Isend(data + begin, length, MPI_BYTE, peer, tag, comm, &request), "MPI_Isend");
    add(request, {peer, length, false});
  }
}

// One message is done. Too long ones come as an error, too short ones are seen by their count.
void Transfer::complete(int index, const MPI_Status& status) {
  const Message& message = messages_[static_cast<size_t>(index)];
  --open_;
  if (!message.incoming) return;
  int bytes = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
  if (bytes != message.bytes) mismatched_peer_ = message.peer;
}

// Number of messages that have ended since the last look.
int Transfer::test_some() {
  const int count = static_cast<int>(requests_.size());
  indices_.resize(requests_.size());
  statuses_.resize(requests_.size());
  int ended = 0;
  const int code = MPI_Testsome(count, requests_.data(), &ended, indices_.data(), statuses_.data());
  if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testsome");
  if (ended == MPI_UNDEFINED) ended = 0;
  for (int i = 0; i < ended; ++i) {
    const MPI_Status& status = statuses_[static_cast<size_t>(i)];
    const int index = indices_[static_cast<size_t>(i)];
    if (code == MPI_ERR_IN_STATUS && status.MPI_ERROR != MPI_SUCCESS) {
      --open_;
      int kind = 0;
      MPI_Error_class(status.MPI_ERROR, &kind);
      if (kind != MPI_ERR_TRUNCATE) check_mpi(status.MPI_ERROR, "MPI_Testsome");
      mismatched_peer_ = messages_[static_cast<size_t>(index)].peer;
    } else {
      complete(index, status);
    }
  }
  return ended;
}

bool Transfer::poll() {
  if (open_ > 0) (void)test_some();
  if (open_ > 0) return false;
  requests_.clear();
  messages_.clear();
  return true;
}

TransferResult Transfer::finish(const TransferLimit& limit) {
  mismatched_peer_ = -1;
  const Clock::time_point sleep_from = Clock::now() + kPollTime;
  for (int polls = 0; !poll(); ++polls) {
    if (mismatched_peer_ >= 0) return TransferResult::kSizeMismatch;
    if (limit.cancelled->load(std::memory_order_relaxed)) return TransferResult::kCancelled;
    const bool clock_due = polls % kPollsPerClock == 0;
    const Clock::time_point now = clock_due ? Clock::now() : Clock::time_point{};
    if (clock_due && now >= limit.deadline) return TransferResult::kDeadline;
    if (clock_due && now >= sleep_from) {
      std::this_thread::sleep_for(kSleep);
    } else if (limit.yield_at_once || polls > kPollsBeforeYield) {
      sched_yield();
    }
  }
  return mismatched_peer_ >= 0 ? TransferResult::kSizeMismatch : TransferResult::kDone;
}

bool Transfer::withdraw() {
  for (size_t i = 0; i < requests_.size(); ++i) {
    // Open MPI cannot cancel a send; it ends if the peer still takes it.
    if (requests_[i] != MPI_REQUEST_NULL && messages_[i].incoming) MPI_Cancel(&requests_[i]);
  }
  const Clock::time_point give_up = Clock::now() + kWithdrawTime;
  while (!poll()) {
    if (Clock::now() >= give_up) return false;
    sched_yield();
  }
  return true;
}

std::vector<int> Transfer::missing() const {
  std::set<int> senders;
  std::set<int> receivers;
  for (size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    (messages_[i].incoming ? senders : receivers).insert(messages_[i].peer);
  }
  const std::set<int>& peers = senders.empty() ? receivers : senders;
  return {peers.begin(), peers.end()};
}

}  // namespace partita::comm
