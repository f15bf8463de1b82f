// SPDX-License-Identifier: Apache-2.0
// Starting and finalising MPI.
#include "comm/mpi/session.h"

#include <sched.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <thread>

#include "support/error.h"

namespace partita::comm {
namespace {

constexpr auto kClosingTime = std::chrono::seconds(10);

// Open MPI reads its parameters from the environment; the user's values win.
void set_default_parameters() {
  constexpr int kKeep = 0;
  setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", kKeep);
  setenv("OMPI_MCA_btl_vader_eager_limit", "65536", kKeep);
  setenv("OMPI_MCA_btl_vader_max_send_size", "65536", kKeep);
}

// Ranks may be bound to single cores, so the cores of a host are the union of what its ranks may
// use.
bool more_ranks_than_cores() {
  MPI_Comm host = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host),
            "MPI_Comm_split_type");
  int ranks = 0;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof(cores), &cores);
  check_mpi(MPI_Comm_size(host, &ranks), "MPI_Comm_size");
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &cores, sizeof(cores), MPI_BYTE, MPI_BOR, host),
            "MPI_Allreduce");
  check_mpi(MPI_Comm_free(&host), "MPI_Comm_free");
  return ranks > CPU_COUNT(&cores);
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(ErrorCode::kSystem, str("[comm] ", call, " failed: ", text.data()));
}

MpiSession::MpiSession() {
  int finalized = 0;
  int initialized = 0;
  check_mpi(MPI_Finalized(&finalized), "MPI_Finalized");
  if (finalized != 0) {
    throw Error(ErrorCode::kSystem, "[comm] MPI was finalised already and cannot start twice");
  }
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  if (initialized == 0) {
    set_default_parameters();
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    owns_mpi_ = true;
  }
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &closing_), "MPI_Comm_dup");
  oversubscribed_ = more_ranks_than_cores();
}

MpiSession::~MpiSession() {
  if (owns_mpi_ && !stuck_ && std::uncaught_exceptions() == 0 && all_ranks_end()) MPI_Finalize();
}

bool MpiSession::all_ranks_end() {
  const auto deadline = std::chrono::steady_clock::now() + kClosingTime;
  MPI_Request request = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(closing_, &request) != MPI_SUCCESS) return false;
  for (int done = 0; done == 0; std::this_thread::yield()) {
    if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) return false;
    if (done == 0 && std::chrono::steady_clock::now() >= deadline) return false;
  }
  return true;
}

}  // namespace partita::comm
