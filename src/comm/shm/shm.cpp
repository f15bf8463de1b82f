// SPDX-License-Identifier: Apache-2.0
// Shared memory without a name: memfd, sealed against a change of size.
#include "comm/shm/shm.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

#include "comm/region/region_communicator.h"

namespace partita::comm {
namespace {

[[noreturn]] void throw_system(const char* call) {
  throw Error(ErrorCode::kSystem,
              str("[comm] ", call, " of shared memory failed: ", std::strerror(errno)));
}

// As ftruncate(); where the limit of file sizes is lower, EFBIG instead of the signal that ends the
// process.
int resize(int fd, int64_t bytes) {
  sigset_t limit;
  sigset_t before;
  sigemptyset(&limit);
  sigaddset(&limit, SIGXFSZ);
  if (pthread_sigmask(SIG_BLOCK, &limit, &before) != 0) return -1;
  const int result = ftruncate(fd, bytes);
  const int error = errno;
  if (result != 0 && error == EFBIG && sigismember(&before, SIGXFSZ) == 0) {
    const timespec at_once{};
    (void)sigtimedwait(&limit, nullptr, &at_once);  // takes the pending signal away
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return result;
}

}  // namespace

ShmSegment ShmSegment::create(int ranks, const RegionOptions& options) {
  const int64_t bytes = Region::bytes_for(ranks, options);
  ShmSegment segment(memfd_create("partita", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (segment.fd_ < 0) throw_system("memfd_create");
  if (resize(segment.fd_, bytes) != 0) throw_system("ftruncate");
  // A rank can then never be hit by SIGBUS because another one has cut the file.
  if (fcntl(segment.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throw_system("fcntl(F_ADD_SEALS)");
  }
  Region(segment.fd_, bytes).format(ranks, options);
  return segment;
}

ShmSegment::ShmSegment(ShmSegment&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

ShmSegment& ShmSegment::operator=(ShmSegment&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

ShmSegment::~ShmSegment() {
  if (fd_ >= 0) close(fd_);
}

std::unique_ptr<Communicator> make_shm_communicator(int fd, int rank, int size) {
  struct stat info {};
  if (fstat(fd, &info) != 0) throw_system("fstat");
  if (info.st_size == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[comm] descriptor ", fd, " is no shared memory of partita: it is empty"));
  }
  const auto region = std::make_shared<Region>(fd, int64_t{info.st_size});
  region->attach(rank, size);
  GroupIdentity identity;
  identity.rank = rank;
  identity.global_ranks.resize(static_cast<size_t>(size));
  std::iota(identity.global_ranks.begin(), identity.global_ranks.end(), 0);
  return std::make_unique<RegionCommunicator>(region, region->first_group(), std::move(identity));
}

}  // namespace partita::comm
