// SPDX-License-Identifier: Apache-2.0
// Time of one all_reduce. Prints one line of JSON.
//
//   bench_allreduce shm RANKS BYTES [DTYPE]              forks RANKS processes
//   mpirun -n RANKS bench_allreduce mpi RANKS BYTES [DTYPE]
//
// Two ranks on two virtual cores are fast or slow by where the host has put the cores;
// `round_trip_ns`, a ping-pong of two threads before and after, tells which it was. Compare only
// runs that agree in it.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "comm/mpi/mpi.h"
#include "comm/shm/shm.h"
#include "device/cpu/affinity.h"
#include "device/cpu/placement.h"
#include "support/error.h"
#include "support/json.h"

namespace {

using partita::DType;
using partita::Json;
using partita::comm::Communicator;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string transport;
  int ranks = 2;
  int64_t bytes = 0;
  DType dtype = DType::kF32;
};

// Microseconds per call, one number per batch.
std::vector<double> measure(Communicator& world, const Options& options) {
  constexpr int kBatches = 41;
  const int64_t count = options.bytes / partita::size_of(options.dtype);
  // About 2 ms per batch at 4 GB/s, at least 5 calls.
  const int calls =
      static_cast<int>(std::clamp<int64_t>(8'000'000 / (options.bytes + 4000), 5, 2000));
  std::vector<std::byte> in(static_cast<size_t>(options.bytes));
  std::vector<std::byte> out(in.size());
  std::vector<double> times;
  for (int batch = -2; batch < kBatches; ++batch) {  // two to warm up
    world.barrier();
    const auto start = Clock::now();
    for (int call = 0; call < calls; ++call) {
      world.all_reduce(in.data(), out.data(), count, options.dtype, partita::ReduceKind::kSum);
    }
    const std::chrono::duration<double, std::micro> time = Clock::now() - start;
    if (batch >= 0) times.push_back(time.count() / calls);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void report(const Options& options, const std::vector<double>& times, double trip_before) {
  const Json line = {{"bench", "all_reduce"},
                     {"transport", options.transport},
                     {"ranks", options.ranks},
                     {"cores", partita::device::usable_cores()},
                     {"dtype", partita::to_string(options.dtype)},
                     {"bytes", options.bytes},
                     {"median_us", times[times.size() / 2]},
                     {"p10_us", times[times.size() / 10]},
                     {"p90_us", times[times.size() * 9 / 10]},
                     {"round_trip_ns_before", trip_before},
                     {"round_trip_ns_after", partita::device::round_trip_ns()}};
  std::printf("%s\n", line.dump().c_str());
}

int run_shm(const Options& options) {
  const double trip = partita::device::round_trip_ns();
  const int cores = partita::device::usable_cores();
  const auto segment = partita::comm::ShmSegment::create(options.ranks);
  const std::vector<int> all_cores = partita::device::allowed_cores();
  std::vector<pid_t> children;
  int own_rank = 0;  // this process is rank 0
  for (int rank = 1; rank < options.ranks && own_rank == 0; ++rank) {
    const pid_t child = fork();
    if (child == 0) own_rank = rank;
    children.push_back(child);
  }
  if (own_rank != 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (options.ranks <= cores) partita::device::bind_to_core(own_rank);
  const auto world = partita::comm::make_shm_communicator(segment.fd(), own_rank, options.ranks);
  const std::vector<double> times = measure(*world, options);
  if (own_rank != 0) return 0;
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  partita::device::bind_to_cores(all_cores);
  report(options, times, trip);
  return 0;
}

int run_mpi(const Options& options) {
  const auto world = partita::comm::make_mpi_world();
  const double trip = world->rank() == 0 ? partita::device::round_trip_ns() : 0;
  const std::vector<double> times = measure(*world, options);
  if (world->rank() == 0) report(options, times, trip);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) {
    std::fprintf(stderr, "usage: bench_allreduce shm|mpi RANKS BYTES [DTYPE]\n");
    return 2;
  }
  try {
    Options options;
    options.transport = arguments[1];
    options.ranks = std::stoi(arguments[2]);
    options.bytes = std::stoll(arguments[3]);
    options.dtype = partita::parse_dtype(count > 4 ? arguments[4] : "f32").value();
    return options.transport == "mpi" ? run_mpi(options) : run_shm(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
