// SPDX-License-Identifier: Apache-2.0
// The life of MPI in this process: started once, finalised only when that cannot hang.
#pragma once

#include <mpi.h>

#include <atomic>

namespace partita::comm {

// Throws Error(kSystem) with MPI's own words unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

// Held by all communicators of the process. Used by the thread that started MPI.
class MpiSession {
 public:
  MpiSession();
  // Finalises MPI if this object has started it, no request is stuck, no exception is in flight,
  // and all ranks come here within ten seconds.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // Some request can neither complete nor be withdrawn: finalising would wait for it.
  void set_stuck() { stuck_ = true; }
  // More ranks on this host than cores they may use together.
  [[nodiscard]] bool oversubscribed() const { return oversubscribed_; }

 private:
  [[nodiscard]] bool all_ranks_end();

  MPI_Comm closing_ = MPI_COMM_NULL;
  bool owns_mpi_ = false;
  bool stuck_ = false;
  bool oversubscribed_ = false;
};

}  // namespace partita::comm
