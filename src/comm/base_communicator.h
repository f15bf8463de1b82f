// SPDX-License-Identifier: Apache-2.0
// What all transports share: argument checks, groups of one rank, deadlines, cancelling, counters
// and split.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/communicator.h"
#include "comm/reduce.h"
#include "support/error.h"

namespace partita::comm {

// Who a rank is. `global_ranks[r]` = rank in the first group of what is rank r here.
struct GroupIdentity {
  int rank = 0;
  std::vector<int> global_ranks;
  std::chrono::milliseconds timeout{10000};
  AllReduceOptions all_reduce = {};
  // Shared with all sub-groups of this rank; set from any thread.
  std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
};

// One call in flight.
struct Call {
  using Clock = std::chrono::steady_clock;

  CollectiveKind kind;
  std::string_view name;
  int64_t payload_bytes = 0;
  int64_t wire_bytes = 0;
  Clock::time_point start{};
  Clock::time_point deadline{};
};

// The groups that a split makes: for each colour >= 0, in ascending order, the parent's ranks in
// new order.
using SplitGroups = std::vector<std::vector<int>>;

// A transport implements the do_... functions; sizes are checked and, but for send and recv, size()
// > 1 there. `in` and `out` of empty tensors may be null. Pieces are given in bytes where nothing
// is computed.
class BaseCommunicator : public Communicator {
 public:
  [[nodiscard]] int rank() const final { return identity_.rank; }
  [[nodiscard]] int size() const final { return static_cast<int>(identity_.global_ranks.size()); }
  void set_timeout(std::chrono::milliseconds timeout) final { identity_.timeout = timeout; }
  void cancel() final { identity_.cancelled->store(true, std::memory_order_relaxed); }

  void all_reduce(const void* in, void* out, int64_t count, DType dtype, ReduceKind kind) final;
  void set_all_reduce(const AllReduceOptions& options) final { identity_.all_reduce = options; }
  [[nodiscard]] void* reserve(int64_t bytes) override;
  [[nodiscard]] Terms exchange_terms(const float* in, int64_t count) final;
  void all_gather(const void* in, void* out, std::span<const int64_t> counts, DType dtype) final;
  void reduce_scatter(const void* in,
                      void* out,
                      std::span<const int64_t> counts,
                      DType dtype,
                      ReduceKind kind) final;
  void all_to_all(const void* in,
                  std::span<const int64_t> send_counts,
                  void* out,
                  std::span<const int64_t> recv_counts,
                  DType dtype) final;
  void broadcast(void* data, int64_t count, DType dtype, int root) final;
  void send(const void* data, int64_t count, DType dtype, int to) final;
  void recv(void* data, int64_t count, DType dtype, int from) final;
  void barrier() final;
  [[nodiscard]] std::unique_ptr<Communicator> split(int color, int key) final;
  [[nodiscard]] const Counters& counters() const final { return counters_; }
  void reset_counters() final { counters_ = {}; }

 protected:
  explicit BaseCommunicator(GroupIdentity identity);

  using Pieces = std::span<const int64_t>;  // one number per rank
  virtual void do_all_reduce(const Call& call,
                             const std::byte* in,
                             std::byte* out,
                             int64_t count,
                             Reduction reduction) = 0;
  // Whether do_exchange_terms() can show a payload of `bytes`; the same on all ranks.
  [[nodiscard]] virtual bool shows_terms(int64_t bytes) const;
  [[nodiscard]] virtual Terms do_exchange_terms(const Call& call, const float* in, int64_t count);
  virtual void do_all_gather(const Call& call,
                             const std::byte* in,
                             std::byte* out,
                             Pieces bytes) = 0;
  virtual void do_reduce_scatter(const Call& call,
                                 const std::byte* in,
                                 std::byte* out,
                                 Pieces counts,
                                 Reduction reduction) = 0;
  virtual void do_all_to_all(const Call& call,
                             const std::byte* in,
                             Pieces send_bytes,
                             std::byte* out,
                             Pieces recv_bytes) = 0;
  virtual void do_broadcast(const Call& call, std::byte* data, int64_t bytes, int root) = 0;
  virtual void do_send(const Call& call, const std::byte* data, int64_t bytes, int to) = 0;
  virtual void do_recv(const Call& call, std::byte* data, int64_t bytes, int from) = 0;
  virtual void do_barrier(const Call& call) = 0;
  // All ranks of the group have arrived; `groups` is the same on each. Returns this rank's new
  // group, whose identity is `identity`, or nullptr where that is empty. `color` and `key` as given
  // to split().
  virtual std::unique_ptr<Communicator> do_split(const Call& call,
                                                 const SplitGroups& groups,
                                                 std::optional<GroupIdentity> identity,
                                                 int color,
                                                 int key) = 0;

  [[nodiscard]] const GroupIdentity& identity() const { return identity_; }
  // Whether the terms of this reduction travel as bf16.
  [[nodiscard]] bool is_narrowed(Reduction reduction) const {
    return identity_.all_reduce.bf16_wire && reduction.dtype == DType::kF32 &&
           reduction.kind == ReduceKind::kSum;
  }
  // Adds to the waiting of the call under way.
  void note_waiting(Call::Clock::duration time) { waited_ += time; }
  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  [[nodiscard]] bool is_cancelled() const {
    return identity_.cancelled->load(std::memory_order_relaxed);
  }
  // "rank 1 (global rank 5)"
  [[nodiscard]] std::string describe(int rank) const;
  // The errors of a wait: no more time, with the ranks waited for; cancelled; peers that call
  // differently.
  [[noreturn]] void throw_deadline(const Call& call, std::span<const int> missing) const;
  [[noreturn]] void throw_cancelled(std::string_view name) const;
  [[noreturn]] void throw_mismatch(const Call& call, int peer, const std::string& what) const;

 private:
  template <typename Body>
  void run(CollectiveKind kind, int64_t payload_bytes, int64_t wire_bytes, Body body);
  template <typename Body>
  void guarded(Call& call, Body body);
  Pieces in_bytes(Pieces counts, DType dtype, std::vector<int64_t>& storage) const;
  int64_t ring_bytes(int64_t payload_bytes, int64_t passes) const;
  void check_rank(int rank, std::string_view what) const;

  GroupIdentity identity_;
  Counters counters_{};
  Call::Clock::duration waited_{0};  // in the call under way
  std::optional<Error> failure_;
  std::vector<int64_t> piece_bytes_;  // scratch, kept so that calls allocate nothing
  std::vector<int64_t> recv_bytes_;
  const std::byte* own_term_ = nullptr;  // what exchange_terms() shows in a group of one
};

}  // namespace partita::comm
