// SPDX-License-Identifier: Apache-2.0
// The public bench_collectives(): forked ranks that call every collective in turns.
#include "partita/collective_bench.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <memory>

#include "api/bench/bound_op.h"
#include "api/calibrate/host_state.h"
#include "api/calibrate/measure_collectives.h"
#include "api/rank_cores.h"
#include "comm/shm/shm.h"
#include "device/cpu/affinity.h"
#include "device/cpu/placement.h"
#include "support/error.h"

namespace partita {
namespace {

using cost::CollectiveKind;

constexpr int64_t kWidth = 2048;  // of a row that is normalised
constexpr int64_t kRowBytes = kWidth * int64_t{sizeof(float)};
constexpr int kMostRanksPerCore = 8;  // as engines run
constexpr int64_t kMostBytes = int64_t{1} << 30;
constexpr std::array<CollectiveKind, 5> kKinds = {
    CollectiveKind::kAllReduce, CollectiveKind::kAllGather, CollectiveKind::kReduceScatter,
    CollectiveKind::kAllToAll, CollectiveKind::kSend};
constexpr std::array<const char*, 2> kNorms = {"add_rms_norm", "all_reduce_add_rms_norm"};
constexpr size_t kTimes = kKinds.size() + kNorms.size();

bool has_norms(int64_t bytes) { return bytes % kRowBytes == 0; }

// Where rank 0 puts the medians for the parent: memory that both share.
class SharedTimes {
 public:
  SharedTimes()
      : memory_(mmap(nullptr,
                     sizeof(double) * kTimes,
                     PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS,
                     -1,
                     0)) {
    if (memory_ == MAP_FAILED) throw Error(ErrorCode::kSystem, "[bench] no shared memory");
  }
  ~SharedTimes() { munmap(memory_, sizeof(double) * kTimes); }
  SharedTimes(const SharedTimes&) = delete;
  SharedTimes& operator=(const SharedTimes&) = delete;
  [[nodiscard]] double* data() { return static_cast<double*>(memory_); }

 private:
  void* memory_;
};

double median(std::vector<double>& values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// Seconds of a call of `op` on the slowest rank.
double op_seconds(api::BoundOp& op, comm::Communicator& world, int64_t bytes) {
  const int calls = static_cast<int>(std::clamp<int64_t>((2 << 20) / (bytes + 4096), 1, 200));
  world.barrier();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) op.run();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  return api::slowest(world, spent.count() / calls);
}

// What every rank does for one payload; rank 0 writes the medians.
void measure(comm::Communicator& world, int64_t bytes, int rounds, double* medians) {
  api::CollectiveProbe probe(world, bytes);
  std::vector<std::unique_ptr<api::BoundOp>> norms;
  if (has_norms(bytes)) {
    const std::vector<int64_t> rows = {bytes / kRowBytes, kWidth};
    for (const char* name : kNorms) {
      norms.push_back(std::make_unique<api::BoundOp>(
          api::BoundOp::Node{name, {rows, rows, {kWidth}}, 2}, world));
    }
  }
  std::array<std::vector<double>, kTimes> times;
  for (int round = -1; round < rounds; ++round) {  // one to warm up
    for (size_t i = 0; i < kKinds.size() + norms.size(); ++i) {
      const double seconds = i < kKinds.size()
                                 ? probe.seconds(kKinds[i], bytes)
                                 : op_seconds(*norms[i - kKinds.size()], world, bytes);
      if (round >= 0) times[i].push_back(seconds);
    }
  }
  if (world.rank() != 0) return;
  for (size_t i = 0; i < kTimes; ++i) medians[i] = times[i].empty() ? 0 : median(times[i]);
}

// The forked rank. Never returns: what the parent has open and registered is not its own.
[[noreturn]] void be_rank(
    int fd, const api::RankPlace& place, int64_t bytes, int rounds, double* to) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 0;
  try {
    api::take_cores(place);
    const auto world = comm::make_shm_communicator(fd, place.rank, place.ranks);
    measure(*world, bytes, rounds, to);
    world->barrier();
  } catch (const std::exception&) {
    status = 1;
  }
  _exit(status);
}

// Forks the ranks for one payload and waits for them.
void run_ranks(int ranks, int64_t bytes, int rounds, double* medians) {
  const comm::ShmSegment segment =
      comm::ShmSegment::create(ranks, {.spins = comm::default_spins(ranks)});
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t child = fork();
    if (child == 0) be_rank(segment.fd(), {rank, ranks, 1}, bytes, rounds, medians);
    if (child > 0) children.push_back(child);
  }
  bool failed = static_cast<int>(children.size()) < ranks;
  if (failed) {
    for (const pid_t child : children) kill(child, SIGKILL);
  }
  for (const pid_t child : children) {
    int status = 0;
    failed = waitpid(child, &status, 0) < 0 || status != 0 || failed;
  }
  if (failed) {
    throw Error(ErrorCode::kRankFailed,
                str("[bench] a rank of ", ranks, " ended early while it measured ", bytes,
                    " bytes; is there memory for them all?"));
  }
}

CollectiveBenchLine measure_line(int ranks, int64_t bytes, int rounds) {
  CollectiveBenchLine line;
  line.ranks = ranks;
  line.bytes = bytes;
  SharedTimes times;
  line.round_trip_before_ns = device::round_trip_ns();
  run_ranks(ranks, bytes, rounds, times.data());
  line.round_trip_after_ns = device::round_trip_ns();
  line.placement_before = to_string(device::placement_of(line.round_trip_before_ns));
  line.placement_after = to_string(device::placement_of(line.round_trip_after_ns));
  for (size_t i = 0; i < kTimes; ++i) {
    if (i >= kKinds.size() && !has_norms(bytes)) break;
    const std::string name =
        i < kKinds.size() ? std::string(cost::to_string(kKinds[i])) : kNorms[i - kKinds.size()];
    line.times.push_back({name, times.data()[i]});
  }
  return line;
}

void check(const CollectiveBenchOptions& options) {
  const auto refuse = [](const std::string& text) {
    throw Error(ErrorCode::kInvalidArgument, "[bench] " + text);
  };
  const int most = device::usable_cores() * kMostRanksPerCore;
  for (const int ranks : options.ranks) {
    if (ranks < 2 || ranks > most) refuse(str(ranks, " ranks; expected 2 .. ", most));
  }
  for (const int64_t bytes : options.bytes) {
    if (bytes < int64_t{sizeof(float)} || bytes > kMostBytes || bytes % 4 != 0) {
      refuse(str("a payload of ", bytes, " bytes; expected a multiple of 4 up to ", kMostBytes));
    }
  }
  if (options.rounds < 1) refuse(str(options.rounds, " rounds; expected at least 1"));
}

}  // namespace

CollectiveBenchResult bench_collectives(const CollectiveBenchOptions& options) {
  check(options);
  CollectiveBenchResult result;
  result.busy_share = api::busy_share();
  for (const int ranks : options.ranks) {
    for (const int64_t bytes : options.bytes) {
      result.lines.push_back(measure_line(ranks, bytes, options.rounds));
    }
  }
  return result;
}

}  // namespace partita
