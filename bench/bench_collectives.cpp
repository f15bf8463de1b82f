// SPDX-License-Identifier: Apache-2.0
// Time of one sum over all ranks, by shared memory in all its ways, by MPI_Allreduce, and fused
// with residual and norm. All ways take turns in the same processes; prints one line of JSON per
// size.
//
//   mpirun -n 2 --bind-to none bench_collectives [slot=BYTES] 8192 65536 ...      (bytes of f32)
//
// Two ranks on two virtual cores are fast or slow by where the host has put the cores;
// `round_trip_ns`, a ping-pong of two threads before and after, tells which it was. Compare only
// runs that agree in it. OMPI_MCA_btl_vader_single_copy_mechanism=none is what MPI is best with.
#include <fcntl.h>
#include <mpi.h>
#include <omp.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/bench/bound_op.h"
#include "comm/shm/shm.h"
#include "device/cpu/affinity.h"
#include "device/cpu/placement.h"
#include "device/cpu/topology.h"
#include "support/error.h"
#include "support/json.h"

namespace {

using partita::DType;
using partita::Json;
using partita::api::BoundOp;
using partita::comm::Communicator;
using partita::comm::ReduceKind;
using Clock = std::chrono::steady_clock;

constexpr int64_t kWidth = 2048;  // of a row that is normalised

// Where the others sleep while rank 0 measures the placement alone.
void wait_for_all_asleep() {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int is_done = 0; is_done == 0;) {
    MPI_Test(&request, &is_done, MPI_STATUS_IGNORE);
    usleep(500);
  }
}

// The segment of rank 0, which the others open through its process.
std::unique_ptr<Communicator> join_segment(int rank, int ranks, int64_t slot_bytes) {
  std::unique_ptr<partita::comm::ShmSegment> segment;
  std::array<int, 2> owner{};
  if (rank == 0) {
    segment = std::make_unique<partita::comm::ShmSegment>(
        partita::comm::ShmSegment::create(ranks, {.slot_bytes = slot_bytes}));
    owner = {getpid(), segment->fd()};
  }
  MPI_Bcast(owner.data(), 2, MPI_INT, 0, MPI_COMM_WORLD);
  const std::string path = partita::str("/proc/", owner[0], "/fd/", owner[1]);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  CHECK(fd >= 0, "open ", path, ": ", std::strerror(errno));
  auto world = partita::comm::make_shm_communicator(fd, rank, ranks);
  close(fd);
  MPI_Barrier(MPI_COMM_WORLD);
  return world;
}

using Ways = std::map<std::string, std::function<void()>>;

// Ways to add up `count` floats. `in` and `out` outlive them.
Ways ways_to_sum(Communicator& shm, std::vector<float>& in, std::vector<float>& out) {
  const auto count = static_cast<int64_t>(in.size());
  const auto all_reduce = [&shm, &out, count](const void* from) {
    shm.all_reduce(from, out.data(), count, DType::kF32, ReduceKind::kSum);
  };
  const auto made_in_place = [&shm, &in, count, all_reduce] {
    const void* made = shm.reserve(count * int64_t{sizeof(float)});
    all_reduce(made == nullptr ? in.data() : made);
  };
  const auto with = [&shm](partita::comm::AllReduceOptions options, std::function<void()> run) {
    return [&shm, options, run = std::move(run)] {
      shm.set_all_reduce(options);
      run();
    };
  };
  constexpr int64_t kAll = int64_t{1} << 40;
  Ways ways;
  ways["copy"] = with({}, [all_reduce, &in] { all_reduce(in.data()); });
  ways["in_place"] = with({}, made_in_place);
  ways["one_shot"] = with({.one_shot_bytes = kAll}, made_in_place);
  ways["two_shot"] = with({.one_shot_bytes = 0}, made_in_place);
  ways["bf16"] = with({.bf16_wire = true}, [all_reduce, &in] { all_reduce(in.data()); });
  ways["mpi"] = [&in, &out, count] {
    MPI_Allreduce(in.data(), out.data(), static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
  };
  return ways;
}

// Rows of kWidth: norm alone, with residual, with the sum over all ranks, and the last unfused.
void add_norms(Ways& ways, Communicator& shm, int64_t rows) {
  const std::vector<int64_t> full = {rows, kWidth};
  const std::vector<int64_t> row = {kWidth};
  const auto op = [&](const std::string& name, const std::vector<std::vector<int64_t>>& inputs,
                      size_t outputs) {
    return std::make_shared<BoundOp>(BoundOp::Node{name, inputs, outputs}, shm);
  };
  const auto norm = op("rms_norm", {full, row}, 1);
  const auto add = op("add", {full, full}, 1);
  const auto local = op("add_rms_norm", {full, full, row}, 2);
  const auto fused = op("all_reduce_add_rms_norm", {full, full, row}, 2);
  const auto sum = ways.at("in_place");
  ways["norm"] = [norm] { norm->run(); };
  ways["add_norm"] = [local] { local->run(); };
  ways["fused_norm"] = [fused, &shm] {
    shm.set_all_reduce({});
    fused->run();
  };
  ways["unfused_norm"] = [norm, add, sum] {
    sum();
    add->run();
    norm->run();
  };
}

// Microseconds per call of every way, one number per batch; the ways take turns.
std::map<std::string, std::vector<double>> measure(const Ways& ways,
                                                   Communicator& world,
                                                   int calls) {
  constexpr int kBatches = 41;
  std::map<std::string, std::vector<double>> times;
  for (int batch = -2; batch < kBatches; ++batch) {  // two to warm up
    for (const auto& [name, run] : ways) {
      world.barrier();
      const auto start = Clock::now();
      for (int call = 0; call < calls; ++call) run();
      const std::chrono::duration<double, std::micro> time = Clock::now() - start;
      if (batch >= 0) times[name].push_back(time.count() / calls);
    }
  }
  return times;
}

Json measure_size(Communicator& shm, int64_t bytes) {
  std::vector<float> in(static_cast<size_t>(bytes) / sizeof(float), 0.5F);
  std::vector<float> out(in.size());
  Ways ways = ways_to_sum(shm, in, out);
  if (bytes % (kWidth * int64_t{sizeof(float)}) == 0) {
    add_norms(ways, shm, bytes / (kWidth * int64_t{sizeof(float)}));
  }
  // About half a millisecond per way and batch at 4 GB/s.
  const int calls = static_cast<int>(std::clamp<int64_t>(2'000'000 / (bytes + 4000), 3, 300));
  Json line;
  for (auto& [name, times] : measure(ways, shm, calls)) {
    std::sort(times.begin(), times.end());
    line[name + "_us"] = std::round(times[times.size() / 2] * 1000) / 1000;
  }
  return line;
}

void run(const std::vector<int64_t>& sizes, int64_t slot_bytes) {
  int rank = 0;
  int ranks = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const std::vector<int> all_cores = partita::device::allowed_cores();
  const auto world = join_segment(rank, ranks, slot_bytes);
  const std::vector<int> own_cores =
      partita::device::cores_of_rank(partita::device::usable_topology(), {rank, ranks, 1});
  for (const int64_t bytes : sizes) {
    const double before = rank == 0 ? partita::device::round_trip_ns() : 0;
    wait_for_all_asleep();
    if (!own_cores.empty()) partita::device::bind_to_cores(own_cores);
    Json line = measure_size(*world, bytes);
    partita::device::bind_to_cores(all_cores);
    if (rank == 0) {
      line["bytes"] = bytes;
      line["ranks"] = ranks;
      line["cores"] = all_cores.size();
      usleep(5000);  // until the others sleep
      line["round_trip_ns"] = {std::round(before), std::round(partita::device::round_trip_ns())};
      std::printf("%s\n", line.dump().c_str());
      std::fflush(stdout);
    }
    wait_for_all_asleep();
  }
}

}  // namespace

int main(int count, char** arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  MPI_Init(&count, &arguments);
  omp_set_num_threads(1);  // a rank here has one core
  try {
    std::vector<int64_t> sizes;
    int64_t slot_bytes = partita::comm::RegionOptions{}.slot_bytes;
    for (int i = 1; i < count; ++i) {
      const std::string argument = arguments[i];
      if (argument.starts_with("slot=")) {
        slot_bytes = std::stoll(argument.substr(5));
      } else {
        sizes.push_back(std::stoll(argument));
      }
    }
    if (sizes.empty()) sizes = {1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20};
    run(sizes, slot_bytes);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  MPI_Finalize();
  return 0;
}
