// SPDX-License-Identifier: Apache-2.0
// The body of a rank process: joins the frontend, loads its part, serves steps.
#include "partita/worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>

#include "api/model_impl.h"
#include "api/partition_files.h"
#include "api/rank_cores.h"
#include "api/rank_runner.h"
#include "api/rank_setup.h"
#include "api/step_binding.h"
#include "comm/mpi/mpi.h"
#include "comm/shm/shm.h"
#include "launch/channel.h"
#include "launch/patience.h"
#include "launch/process_group.h"
#include "launch/rank_environment.h"
#include "launch/rendezvous.h"
#include "launch/step_codec.h"
#include "plan/plan.h"
#include "support/allocation_failed.h"
#include "support/error.h"

namespace partita {
namespace {

using launch::Channel;
using launch::Clock;
using launch::Frame;
using launch::FrameType;

constexpr auto kProgressInterval = std::chrono::milliseconds(50);
// A rank that waits for a peer reports this much before the frontend's own deadline, so that the
// one that says nothing is the one that hangs.
constexpr double kCollectiveShareOfDeadline = 0.9;

// Ends the process the moment the frontend is gone, also in the middle of a collective. Nothing is
// left behind: shared memory has no name and the peers see the same end of file.
class FrontendWatch {
 public:
  explicit FrontendWatch(int channel_fd) : wake_fd_(eventfd(0, EFD_CLOEXEC)) {
    if (wake_fd_ < 0) {
      throw Error(ErrorCode::kSystem, str("[worker] eventfd failed: ", std::strerror(errno)));
    }
    thread_ = std::thread([channel_fd, wake = wake_fd_] {
      pollfd entries[2] = {{channel_fd, POLLRDHUP, 0}, {wake, POLLIN, 0}};
      while (poll(entries, 2, -1) < 0 || entries[0].revents == 0) {
        if (entries[1].revents != 0) return;
      }
      if (entries[1].revents == 0) _exit(exit_code(ErrorCode::kRankFailed));
    });
  }
  ~FrontendWatch() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
    thread_.join();
    close(wake_fd_);
  }
  FrontendWatch(const FrontendWatch&) = delete;
  FrontendWatch& operator=(const FrontendWatch&) = delete;

 private:
  int wake_fd_;
  std::thread thread_;
};

std::string required_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value != nullptr) return value;
  throw Error(ErrorCode::kInvalidArgument,
              str("[worker] the environment variable ", name,
                  " is not set; ranks are started by `partita run`, or take it from `partita run "
                  "--launcher external`"));
}

Frame expect_frame(Channel& channel, FrameType type) {
  std::optional<Frame> frame = channel.receive(Clock::time_point::max());
  if (frame && frame->type == type) return std::move(*frame);
  if (frame && frame->type == FrameType::kError) {
    constexpr const char* kWhat = "the refusal of the frontend";
    const Json json = frame->json(kWhat);
    throw Error(parse_error_code(json_get<std::string>(json, "code", kWhat)),
                json_get<std::string>(json, "message", kWhat));
  }
  throw Error(ErrorCode::kRankFailed,
              str("[worker] the frontend refused this process or left; check ",
                  launch::kSecretVariable, " and the number of ranks"));
}

// Which replica this rank belongs to, and its place there.
struct Seat {
  int replica = 0;
  int rank = 0;
  int ranks = 1;
};

std::unique_ptr<comm::Communicator> join_segment(const std::string& path, const Seat& seat) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    throw Error(ErrorCode::kSystem,
                str("[worker] cannot open the shared memory ", path, ": ", std::strerror(errno),
                    "; ranks on another host or of another user need --transport mpi"));
  }
  auto world = comm::make_shm_communicator(fd, seat.rank, seat.ranks);
  close(fd);  // the mapping stays
  return world;
}

// All ranks that MPI has started.
std::unique_ptr<comm::Communicator> join_mpi(const launch::RankEnvironment& self) {
  auto all = comm::make_mpi_world();
  if (all->rank() == self.rank && all->size() == self.world_size) return all;
  throw Error(ErrorCode::kInvalidArgument,
              str("[worker] the transport says rank ", all->rank(), " of ", all->size(),
                  ", the environment (", self.source, ") rank ", self.rank, " of ", self.world_size,
                  "; unset one of them"));
}

// The ranks of the replica.
std::unique_ptr<comm::Communicator> make_world(const api::RankSetup& setup,
                                               const launch::RankEnvironment& self,
                                               const Seat& seat) {
  std::unique_ptr<comm::Communicator> world;
  if (setup.transport == api::Transport::kShm) {
    world = join_segment(setup.shm_paths.at(static_cast<size_t>(seat.replica)), seat);
  } else {
    world = join_mpi(self);
    if (seat.ranks < self.world_size) world = world->split(seat.replica, seat.rank);
  }
  world->set_timeout(std::chrono::milliseconds(
      static_cast<int64_t>(setup.step_timeout_ms * kCollectiveShareOfDeadline)));
  return world;
}

// Generation asks for the logits of one token of each sequence in a step.
void check_answers_fit(const engine::RunnerLimits& limits) {
  constexpr int64_t kRest = 4096;  // what else is in an answer
  constexpr auto kMost = static_cast<int64_t>(launch::kMaxPayloadBytes) - kRest;
  const int64_t row_bytes = limits.vocab_size * size_of(DType::kF32);
  if (limits.max_sequences <= kMost / row_bytes) return;
  throw Error(
      ErrorCode::kUnsupported,
      str("[worker] the logits of ", limits.max_sequences, " sequences of ", limits.vocab_size,
          " words do not fit into a message of ", kMost, " bytes; lower --concurrency"));
}

// A loaded rank and what it runs on.
struct LoadedRank {
  std::unique_ptr<comm::Communicator> world;
  std::unique_ptr<api::RankRunner> runner;
  engine::RunnerLimits limits;
  std::string plan_hash;
  engine::StepBatch batch;  // of the step under way
};

LoadedRank load_rank(Channel& channel,
                     const api::RankSetup& setup,
                     const launch::RankEnvironment& self) {
  LoadedRank rank;
  const auto start = Clock::now();
  const auto model = Model::Impl::load(setup.directory, setup.load);
  const ir::Graph& graph = model->imported.graph;
  const plan::Plan plan =
      plan::plan_from_json(parse_json(setup.plan, "the plan"), graph, "the plan");
  plan::validate(plan, graph);  // the hash is one of the text only
  rank.plan_hash = plan::hash_of(plan, graph);
  rank.limits = api::limits_of(graph, plan);
  check_answers_fit(rank.limits);
  const auto ranks = static_cast<int>(plan.ranks());
  const Seat seat{.replica = self.rank / ranks, .rank = self.rank % ranks, .ranks = ranks};
  rank.world = make_world(setup, self, seat);
  auto last_report = Clock::now();
  const auto on_progress = [&](int64_t done, int64_t total) {
    if (done < total && Clock::now() - last_report < kProgressInterval) return;
    last_report = Clock::now();
    channel.send_json(FrameType::kProgress, Json{{"bytes", done}, {"total_bytes", total}});
  };
  // A part that was cut by this very plan is read from its own two files.
  const auto& partition = model->partition;
  const bool reuses_part = partition && plan::hash_of(partition->plan, graph) == rank.plan_hash;
  api::RankPart part = reuses_part ? api::load_rank_part(model->imported, *partition, seat.rank)
                                   : api::make_rank_part(graph, plan, self.rank);
  part.rank = self.rank;
  part.replica = seat.replica;
  part.program_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const formats::Checkpoint checkpoint =
      reuses_part ? api::open_rank_part(setup.directory, seat.rank) : model->open_checkpoint();
  rank.runner =
      std::make_unique<api::RankRunner>(std::move(part), checkpoint, *rank.world, on_progress);
  return rank;
}

void serve_step(Channel& channel, LoadedRank& rank, const Frame& frame) {
  launch::decode_batch(frame.payload, rank.batch);
  api::check_batch(rank.batch, rank.limits);
  const api::RowOutputs rows = rank.runner->run(rank.batch);
  const auto head = launch::encode_result_head(rank.runner->last_span(), rows.candidates);
  channel.send(launch::result_frame(head, rows.logits, rows.candidates));
}

// Serves until the frontend asks to leave or is gone.
void serve(Channel& channel, LoadedRank& rank) {
  Frame frame;
  while (channel.receive(frame, Clock::time_point::max())) {
    if (frame.type == FrameType::kShutdown) return;
    if (frame.type == FrameType::kStep) {
      serve_step(channel, rank, frame);
    } else if (frame.type == FrameType::kReport) {
      channel.send_json(FrameType::kReport, launch::to_json(rank.runner->report()));
    } else {
      throw Error(
          ErrorCode::kInternal,
          str("[worker] the frontend sent a message of type ", static_cast<uint32_t>(frame.type),
              ", which a rank cannot serve; do both run the same version?"));
    }
  }
}

// Plain weights are freed once they are packed. By default the C library keeps blocks of that size
// for later, some tens of MB that no plan counts; nothing is allocated in steps, so giving them
// back costs no time that matters.
void give_freed_memory_back() {
  constexpr int kLargeBytes = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, kLargeBytes);
  mallopt(M_TRIM_THRESHOLD, kLargeBytes);
}

// Throws the failure itself when there is nobody to tell it to.
int report_failure(Channel& channel, ErrorCode code, const char* message) {
  try {
    channel.send_json(FrameType::kError, Json{{"code", to_string(code)}, {"message", message}});
  } catch (const Error&) {
    throw Error(code, message);
  }
  // The frontend stops the whole group; leaving earlier would only hide the message behind an end
  // of file. Steps that are on their way already are nobody's any more.
  Frame ignored;
  while (channel.receive(ignored, Clock::time_point::max())) {
  }
  return exit_code(code);
}

int serve_as(const launch::RankEnvironment& self, Channel& channel) {
  // A frontend that refuses this process is told of no failure: it has told the reason itself.
  const Frame frame = expect_frame(channel, FrameType::kSetup);
  try {
    const api::RankSetup setup = api::rank_setup_from_json(frame.json("the setup message"));
    const bool is_bound =
        api::take_cores({self.local_rank, self.world_size, setup.threads_per_rank});
    if (is_bound) channel.set_patience(launch::kRankPatience);
    const FrontendWatch watch(channel.fd());
    LoadedRank rank = load_rank(channel, setup, self);
    channel.send_json(FrameType::kReady, Json{{"plan_hash", rank.plan_hash},
                                              {"limits", launch::to_json(rank.limits)}});
    serve(channel, rank);
    return 0;
  } catch (const Error& e) {
    return report_failure(channel, e.code(), e.what());
  } catch (const std::bad_alloc&) {
    return report_failure(channel, ErrorCode::kOutOfMemory,
                          str("[worker] ", kAllocationFailed).c_str());
  } catch (const std::exception& e) {
    return report_failure(channel, ErrorCode::kInternal, e.what());
  }
}

}  // namespace

int run_worker() {
  give_freed_memory_back();
  const std::string control = required_variable(launch::kControlVariable);
  const std::string secret = required_variable(launch::kSecretVariable);
  const auto self = launch::detect_rank_environment();
  if (!self) {
    throw Error(
        ErrorCode::kInvalidArgument,
        "[worker] no launcher has set the rank; set RANK and WORLD_SIZE, or use mpirun or srun");
  }
  Channel channel = launch::connect_to(control);
  channel.send_json(FrameType::kHello, Json{{"rank", self->rank},
                                            {"world_size", self->world_size},
                                            {"pid", getpid()},
                                            {"secret", secret}});
  return serve_as(*self, channel);
}

}  // namespace partita
