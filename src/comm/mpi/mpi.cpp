// SPDX-License-Identifier: Apache-2.0
// Collectives over MPI messages between pairs of ranks.
#include "comm/mpi/mpi.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "comm/base_communicator.h"
#include "comm/mpi/session.h"
#include "comm/mpi/transfer.h"

namespace partita::comm {
namespace {

// While small, all contributions to a reduction go to all ranks (one step); else each rank gets and
// reduces its share and passes it on (two steps, 2 / ranks of the bytes).
constexpr int64_t kOneStepBytesTimesRanks = int64_t{128} << 10;

constexpr int kMessageTag = static_cast<int>(CollectiveKind::kSend);

int tag_of(const Call& call) { return static_cast<int>(call.kind); }

void copy_bytes(const std::byte* from, std::byte* to, int64_t bytes) {
  if (bytes > 0 && from != to) std::memcpy(to, from, static_cast<size_t>(bytes));
}

// Longer messages than kEagerBytes that may be on their way to all peers together, each with a copy
// of its own; the next one waits. Two, so that a stage of a pipeline goes on while the next one
// still works on what it got before.
constexpr int64_t kLongSends = 2;

// A message in a buffer of its own, so that its sender need not wait.
struct EagerSend {
  std::vector<std::byte> buffer;
  Transfer transfer;
};

// MPI's own collectives choose their order of reduction and do not say whom they wait for, so only
// messages between pairs are used. Each message of a call carries the kind of the call as its tag.
class MpiCommunicator final : public BaseCommunicator {
 public:
  MpiCommunicator(std::shared_ptr<MpiSession> session, MPI_Comm comm, GroupIdentity identity)
      : BaseCommunicator(std::move(identity)),
        session_(std::move(session)),
        comm_(comm),
        shares_(static_cast<size_t>(size())),
        sources_(static_cast<size_t>(size())) {}
  ~MpiCommunicator() override;
  void progress() override;

 private:
  void do_all_reduce(const Call& call,
                     const std::byte* in,
                     std::byte* out,
                     int64_t count,
                     Reduction reduction) override;
  void do_all_gather(const Call& call, const std::byte* in, std::byte* out, Pieces bytes) override;
  void do_reduce_scatter(const Call& call,
                         const std::byte* in,
                         std::byte* out,
                         Pieces counts,
                         Reduction reduction) override;
  void do_all_to_all(const Call& call,
                     const std::byte* in,
                     Pieces send_bytes,
                     std::byte* out,
                     Pieces recv_bytes) override;
  void do_broadcast(const Call& call, std::byte* data, int64_t bytes, int root) override;
  void do_send(const Call& call, const std::byte* data, int64_t bytes, int to) override;
  void do_recv(const Call& call, std::byte* data, int64_t bytes, int from) override;
  void do_barrier(const Call& call) override;
  std::unique_ptr<Communicator> do_split(const Call& call,
                                         const SplitGroups& groups,
                                         std::optional<GroupIdentity> identity,
                                         int color,
                                         int key) override;

  [[nodiscard]] TransferLimit limit(Call::Clock::time_point deadline) const {
    return {deadline, identity().cancelled.get(), session_->oversubscribed()};
  }
  // Whether a message goes from a copy now.
  [[nodiscard]] bool may_copy(int64_t bytes);
  void finish(const Call& call);
  void sum_narrowed(const Call& call, const float* in, float* out, int64_t count);
  void reduce_gathered(const std::byte* own, std::byte* out, int64_t count, Reduction reduction);
  EagerSend& idle_eager_send();

  std::shared_ptr<MpiSession> session_;  // shared by all groups of the process
  MPI_Comm comm_;
  Transfer transfer_;
  std::vector<std::unique_ptr<EagerSend>> eager_sends_;
  std::vector<std::byte> gathered_;  // contributions to a reduction, by rank
  std::vector<int64_t> shares_;
  std::vector<const std::byte*> sources_;
};

// Messages that their receivers never take stay in use by MPI: their buffers are given up.
MpiCommunicator::~MpiCommunicator() {
  const auto timeout = failed() ? std::chrono::milliseconds(0) : identity().timeout;
  bool all_taken = true;
  for (std::unique_ptr<EagerSend>& send : eager_sends_) {
    const bool taken =
        send->transfer.finish(limit(Call::Clock::now() + timeout)) == TransferResult::kDone;
    if (!taken) (void)send.release();
    all_taken = all_taken && taken;
  }
  if (!all_taken) session_->set_stuck();
  if (all_taken && !failed()) MPI_Comm_free(&comm_);
}

void MpiCommunicator::finish(const Call& call) {
  const TransferResult result = transfer_.finish(limit(call.deadline));
  if (result == TransferResult::kDone) return;
  const std::vector<int> missing = transfer_.missing();
  if (!transfer_.withdraw()) session_->set_stuck();
  switch (result) {
    case TransferResult::kDone:
      return;
    case TransferResult::kDeadline:
      throw_deadline(call, missing);
    case TransferResult::kCancelled:
      throw_cancelled(call.name);
    case TransferResult::kSizeMismatch:
      throw_mismatch(call, transfer_.mismatched_peer(), "sends another number of bytes");
  }
}

void MpiCommunicator::reduce_gathered(const std::byte* own,
                                      std::byte* out,
                                      int64_t count,
                                      Reduction reduction) {
  const int64_t bytes = count * size_of(reduction.dtype);
  for (int peer = 0; peer < size(); ++peer) {
    sources_[static_cast<size_t>(peer)] = peer == rank() ? own : gathered_.data() + peer * bytes;
  }
  reduce_in_order(sources_, out, count, reduction);
}

// Every rank gets all terms, in bf16; parts are as large as what goes in one step.
void MpiCommunicator::sum_narrowed(const Call& call, const float* in, float* out, int64_t count) {
  const int64_t most = kOneStepBytesTimesRanks / size() / size_of(DType::kBF16);
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t part = std::min(most, count - begin);
    const int64_t bytes = part * size_of(DType::kBF16);
    gathered_.resize(static_cast<size_t>(bytes * size()));
    std::byte* own = gathered_.data() + rank() * bytes;
    round_to_bf16({in + begin, static_cast<size_t>(part)}, own);
    for (int peer = 0; peer < size(); ++peer) {
      sources_[static_cast<size_t>(peer)] = gathered_.data() + peer * bytes;
      if (peer == rank()) continue;
      transfer_.receive(comm_, peer, tag_of(call), gathered_.data() + peer * bytes, bytes);
      transfer_.send(comm_, peer, tag_of(call), own, bytes);
    }
    finish(call);
    add_terms({sources_, DType::kBF16}, 0, {}, {out + begin, static_cast<size_t>(part)});
  }
}

void MpiCommunicator::do_all_reduce(
    const Call& call, const std::byte* in, std::byte* out, int64_t count, Reduction reduction) {
  if (is_narrowed(reduction)) {
    return sum_narrowed(call, reinterpret_cast<const float*>(in), reinterpret_cast<float*>(out),
                        count);
  }
  const int64_t bytes = call.payload_bytes;
  if (bytes * size() <= kOneStepBytesTimesRanks) {
    gathered_.resize(static_cast<size_t>(bytes * size()));
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      transfer_.receive(comm_, peer, tag_of(call), gathered_.data() + peer * bytes, bytes);
      transfer_.send(comm_, peer, tag_of(call), in, bytes);
    }
    finish(call);
    return reduce_gathered(in, out, count, reduction);
  }
  const int64_t element = size_of(reduction.dtype);
  for (int peer = 0; peer < size(); ++peer) {
    shares_[static_cast<size_t>(peer)] = count * (peer + 1) / size() - count * peer / size();
  }
  std::byte* own_out = out + count * rank() / size() * element;
  do_reduce_scatter(call, in, own_out, shares_, reduction);
  for (int64_t& share : shares_) share *= element;
  do_all_gather(call, own_out, out, shares_);
}

void MpiCommunicator::do_all_gather(const Call& call,
                                    const std::byte* in,
                                    std::byte* out,
                                    Pieces bytes) {
  const int64_t own_bytes = bytes[static_cast<size_t>(rank())];
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t piece = bytes[static_cast<size_t>(peer)];
    if (peer == rank()) {
      copy_bytes(in, out, piece);
    } else {
      if (piece > 0) transfer_.receive(comm_, peer, tag_of(call), out, piece);
      if (own_bytes > 0) transfer_.send(comm_, peer, tag_of(call), in, own_bytes);
    }
    out += piece;
  }
  finish(call);
}

void MpiCommunicator::do_reduce_scatter(
    const Call& call, const std::byte* in, std::byte* out, Pieces counts, Reduction reduction) {
  const int64_t element = size_of(reduction.dtype);
  const int64_t own_count = counts[static_cast<size_t>(rank())];
  const int64_t own_bytes = own_count * element;
  gathered_.resize(static_cast<size_t>(own_bytes * size()));
  const std::byte* own = nullptr;
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t piece = counts[static_cast<size_t>(peer)] * element;
    if (peer == rank()) {
      own = in;
    } else {
      std::byte* to = gathered_.data() + peer * own_bytes;
      if (own_bytes > 0) transfer_.receive(comm_, peer, tag_of(call), to, own_bytes);
      if (piece > 0) transfer_.send(comm_, peer, tag_of(call), in, piece);
    }
    in += piece;
  }
  finish(call);
  reduce_gathered(own, out, own_count, reduction);
}

void MpiCommunicator::do_all_to_all(
    const Call& call, const std::byte* in, Pieces send_bytes, std::byte* out, Pieces recv_bytes) {
  for (int peer = 0; peer < size(); ++peer) {
    const int64_t outgoing = send_bytes[static_cast<size_t>(peer)];
    const int64_t incoming = recv_bytes[static_cast<size_t>(peer)];
    if (peer == rank()) {
      copy_bytes(in, out, outgoing);
    } else {
      // Empty pieces travel too: only so does a peer notice that sizes do not agree.
      transfer_.receive(comm_, peer, tag_of(call), out, incoming);
      transfer_.send(comm_, peer, tag_of(call), in, outgoing);
    }
    in += outgoing;
    out += incoming;
  }
  finish(call);
}

void MpiCommunicator::do_broadcast(const Call& call, std::byte* data, int64_t bytes, int root) {
  if (bytes == 0) return;
  if (rank() != root) transfer_.receive(comm_, root, tag_of(call), data, bytes);
  for (int peer = 0; rank() == root && peer < size(); ++peer) {
    if (peer != root) transfer_.send(comm_, peer, tag_of(call), data, bytes);
  }
  finish(call);
}

void MpiCommunicator::do_barrier(const Call& call) {
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) continue;
    transfer_.receive(comm_, peer, tag_of(call), nullptr, 0);
    transfer_.send(comm_, peer, tag_of(call), nullptr, 0);
  }
  finish(call);
}

EagerSend& MpiCommunicator::idle_eager_send() {
  for (std::unique_ptr<EagerSend>& send : eager_sends_) {
    if (send->transfer.poll()) return *send;
  }
  return *eager_sends_.emplace_back(std::make_unique<EagerSend>());
}

bool MpiCommunicator::may_copy(int64_t bytes) {
  if (bytes <= kEagerBytes) return true;
  const auto is_long = [](const std::unique_ptr<EagerSend>& send) {
    return !send->transfer.poll() && static_cast<int64_t>(send->buffer.size()) > kEagerBytes;
  };
  return std::count_if(eager_sends_.begin(), eager_sends_.end(), is_long) < kLongSends;
}

void MpiCommunicator::progress() {
  for (const std::unique_ptr<EagerSend>& send : eager_sends_) (void)send->transfer.poll();
}

void MpiCommunicator::do_send(const Call& call, const std::byte* data, int64_t bytes, int to) {
  if (!may_copy(bytes)) {
    transfer_.send(comm_, to, kMessageTag, data, bytes);
    return finish(call);
  }
  EagerSend& send = idle_eager_send();
  send.buffer.assign(data, data + bytes);
  send.transfer.send(comm_, to, kMessageTag, send.buffer.data(), bytes);
  (void)send.transfer.poll();
}

void MpiCommunicator::do_recv(const Call& call, std::byte* data, int64_t bytes, int from) {
  transfer_.receive(comm_, from, kMessageTag, data, bytes);
  finish(call);
}

// MPI_Comm_split has no deadline, but all ranks have just arrived.
std::unique_ptr<Communicator> MpiCommunicator::do_split(const Call& call,
                                                        const SplitGroups& groups,
                                                        std::optional<GroupIdentity> identity,
                                                        int color,
                                                        int key) {
  (void)call;
  (void)groups;
  MPI_Comm comm = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm_, color < 0 ? MPI_UNDEFINED : color, key, &comm), "MPI_Comm_split");
  if (!identity) return nullptr;
  return std::make_unique<MpiCommunicator>(session_, comm, std::move(*identity));
}

}  // namespace

bool mpi_built() { return true; }

std::unique_ptr<Communicator> make_mpi_world() {
  auto session = std::make_shared<MpiSession>();
  MPI_Comm comm = MPI_COMM_NULL;
  GroupIdentity identity;
  int ranks = 0;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Comm_rank(comm, &identity.rank), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm, &ranks), "MPI_Comm_size");
  identity.global_ranks.resize(static_cast<size_t>(ranks));
  std::iota(identity.global_ranks.begin(), identity.global_ranks.end(), 0);
  return std::make_unique<MpiCommunicator>(std::move(session), comm, std::move(identity));
}

}  // namespace partita::comm
