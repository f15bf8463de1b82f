// SPDX-License-Identifier: Apache-2.0
// A set of messages in flight: posted together, then completed under a deadline.
#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace partita::comm {

enum class TransferResult : uint8_t { kDone, kDeadline, kCancelled, kSizeMismatch };

struct TransferLimit {
  std::chrono::steady_clock::time_point deadline;
  const std::atomic<bool>* cancelled = nullptr;
  bool yield_at_once = false;  // more ranks than cores
};

// Nonblocking messages between this rank and its peers; longer ones than MPI can count are cut into
// several. After kDone it is empty and can be filled again, without allocating once it has grown.
class Transfer {
 public:
  // MPI_Irecv, MPI_Isend. The buffers stay in use until finish() returns kDone. Zero bytes are a
  // message too.
  void receive(MPI_Comm comm, int peer, int tag, std::byte* data, int64_t bytes);
  void send(MPI_Comm comm, int peer, int tag, const std::byte* data, int64_t bytes);

  // Waits for all of them. Throws Error(kSystem) when MPI fails.
  [[nodiscard]] TransferResult finish(const TransferLimit& limit);
  // Looks once; true when all are done.
  [[nodiscard]] bool poll();
  // Withdraws what is left. False when something can neither complete nor be withdrawn.
  [[nodiscard]] bool withdraw();

  // Peers that messages are awaited from, ascending; if there are none, those that have not taken
  // theirs.
  [[nodiscard]] std::vector<int> missing() const;
  // After kSizeMismatch.
  [[nodiscard]] int mismatched_peer() const { return mismatched_peer_; }

 private:
  struct Message {
    int peer;
    int bytes;
    bool incoming;
  };
  void add(MPI_Request request, Message message);
  void complete(int index, const MPI_Status& status);
  [[nodiscard]] int test_some();

  std::vector<MPI_Request> requests_;
  std::vector<Message> messages_;
  std::vector<int> indices_;
  std::vector<MPI_Status> statuses_;
  size_t open_ = 0;
  int mismatched_peer_ = -1;
};

}  // namespace partita::comm
