// SPDX-License-Identifier: Apache-2.0
// Ranks that are processes of one host and share anonymous memory behind a file descriptor.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "comm/region/region.h"

namespace partita::comm {

// Owns the descriptor of a memfd: it has no name, so nothing is left in /dev/shm however processes
// end. The launcher makes one per group of ranks and hands it to them: forked children inherit it;
// a child that execs clears its FD_CLOEXEC flag first; others get it over a Unix socket
// (SCM_RIGHTS).
//
//   ShmSegment segment = ShmSegment::create(2);                          // parent
//   auto group = make_shm_communicator(segment.fd(), rank, 2);           // each child
class ShmSegment {
 public:
  // Throws Error(kInvalidArgument) unless 1 <= ranks <= kMaxRanks, Error(kSystem) when the system
  // refuses.
  [[nodiscard]] static ShmSegment create(int ranks, const RegionOptions& options = {});
  ShmSegment(ShmSegment&& other) noexcept;
  ShmSegment& operator=(ShmSegment&& other) noexcept;
  ~ShmSegment();

  [[nodiscard]] int fd() const { return fd_; }

 private:
  explicit ShmSegment(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// Joins the group as `rank`; each rank joins once. `fd` stays the caller's and may be closed at
// once. Does not wait for the others. Throws Error(kInvalidArgument) when the descriptor is not of
// such a group or the rank is taken, Error(kSystem) when it cannot be mapped.
[[nodiscard]] std::unique_ptr<Communicator> make_shm_communicator(int fd, int rank, int size);

}  // namespace partita::comm
