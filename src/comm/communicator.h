// SPDX-License-Identifier: Apache-2.0
// The one interface between ranks: collectives and point-to-point messages on host memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "comm/all_reduce.h"
#include "comm/counters.h"
#include "support/dtype.h"
#include "support/reduce_kind.h"

namespace partita::comm {

using partita::ReduceKind;

// A send of at most this many bytes returns without waiting for its receiver (while earlier sends
// to the same rank have been received); a longer one may wait until the receiver has called recv,
// unless the transport has room for it (RegionOptions::ring_bytes).
inline constexpr int64_t kEagerBytes = int64_t{32} << 10;

// A group of ranks. Owned by the thread that drives the rank; every call is made by all ranks of
// the group in the same order with agreeing sizes (send/recv: by the two peers). Only cancel() may
// be called from another thread.
//
// Reduction order is fixed (rank 0, 1, 2, ...; halves accumulate in f32), so all ranks get the same
// bits on every run. Integers wrap; their average rounds toward zero; a NaN stays NaN. Pointers are
// aligned to the element; buffers of one call must not overlap, except where `in == out` is
// allowed.
//
// A call that is not complete when its deadline passes throws Error(kDeadlineExceeded) that names
// the ranks it waits for; cancel() makes current and later calls throw kCancelled; ranks that make
// different calls get kInvalidArgument where the transport notices. After any error the group is
// unusable: later calls throw it again.
class Communicator {
 public:
  virtual ~Communicator() = default;
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  // Limit for each later call; the default is 10 s. Zero or less means at once.
  virtual void set_timeout(std::chrono::milliseconds timeout) = 0;
  virtual void cancel() = 0;

  // out[i] = reduce over ranks of in[i]; count elements; in == out allowed. MPI_Allreduce.
  virtual void all_reduce(
      const void* in, void* out, int64_t count, DType dtype, ReduceKind kind) = 0;
  // See comm/all_reduce.h. Ranks may differ in whether they use reserve() and exchange_terms().
  virtual void set_all_reduce(const AllReduceOptions& options) = 0;
  // Memory, aligned to 64 bytes, for the `in` of the next all_reduce, which then copies nothing;
  // null where there is none for so many bytes. No other call on this group may come between.
  [[nodiscard]] virtual void* reserve(int64_t bytes) = 0;
  // A sum over `count` f32 without its arithmetic, for kernels that go on computing with it. No
  // terms where the transport has none to show: then nothing has happened, call all_reduce().
  [[nodiscard]] virtual Terms exchange_terms(const float* in, int64_t count) = 0;
  // out = in(0) | in(1) | ...; counts[r] = elements of rank r (may be 0, uneven). MPI_Allgatherv.
  virtual void all_gather(const void* in,
                          void* out,
                          std::span<const int64_t> counts,
                          DType dtype) = 0;
  // in = sum(counts) elements; out = the reduced piece of this rank. MPI_Reduce_scatter.
  virtual void reduce_scatter(
      const void* in, void* out, std::span<const int64_t> counts, DType dtype, ReduceKind kind) = 0;
  // in = pieces for rank 0, 1, ...; out = pieces from rank 0, 1, .... MPI_Alltoallv.
  virtual void all_to_all(const void* in,
                          std::span<const int64_t> send_counts,
                          void* out,
                          std::span<const int64_t> recv_counts,
                          DType dtype) = 0;
  // Copies `count` elements of rank `root` to all. MPI_Bcast.
  virtual void broadcast(void* data, int64_t count, DType dtype, int root) = 0;
  // Matched by order per (source, destination). See kEagerBytes. MPI_Send / MPI_Recv.
  virtual void send(const void* data, int64_t count, DType dtype, int to) = 0;
  virtual void recv(void* data, int64_t count, DType dtype, int from) = 0;
  virtual void barrier() = 0;
  // Moves on what earlier sends still have to deliver; called now and then by who computes for
  // long.
  virtual void progress() {}

  // Ranks with the same color form a group, ordered by (key, rank); color < 0 gives nullptr. Called
  // by all ranks of this group. Sub-groups start with their parent's timeout and share cancel()
  // with it. MPI_Comm_split.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  [[nodiscard]] virtual const Counters& counters() const = 0;
  virtual void reset_counters() = 0;
};

}  // namespace partita::comm
