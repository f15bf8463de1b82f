// SPDX-License-Identifier: Apache-2.0
// Collectives and messages over a shared region; the one implementation behind local and shm.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "comm/base_communicator.h"
#include "comm/region/parts.h"
#include "comm/region/region.h"

namespace partita::comm {

// Every collective is a row of exchanges. In exchange number n each rank fills its slot n % 2,
// publishes n and waits until all others have published n; then all slots n % 2 may be read. No
// second barrier is needed: who publishes n + 1 has read what it wanted of n, and slot n % 2 is
// written again only after all have published n + 1. Payloads of any size go through the slots in
// parts.
class RegionCommunicator final : public BaseCommunicator {
 public:
  RegionCommunicator(std::shared_ptr<Region> region, GroupMemory memory, GroupIdentity identity);

  [[nodiscard]] void* reserve(int64_t bytes) override;

 private:
  void do_all_reduce(const Call& call,
                     const std::byte* in,
                     std::byte* out,
                     int64_t count,
                     Reduction reduction) override;
  [[nodiscard]] bool shows_terms(int64_t bytes) const override;
  [[nodiscard]] Terms do_exchange_terms(const Call& call, const float* in, int64_t count) override;
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

  // The slot that the next exchange publishes.
  [[nodiscard]] std::byte* next_slot() const { return memory_.slot(rank(), round_ + 1); }
  // What `peer` has put into the exchange that was last.
  [[nodiscard]] const std::byte* slot(int peer) const { return memory_.slot(peer, round_); }
  // How much of a slot the collectives use that copy into it.
  [[nodiscard]] int64_t copied_part_bytes() const;
  void exchange(const Call& call, CallStamp stamp);
  // False when the deadline of the call has passed first. Throws when the group was cancelled.
  [[nodiscard]] bool wait_for(const Call& call, Progress& progress, uint64_t target);
  [[noreturn]] void throw_missing(const Call& call) const;
  // Puts this part of the peers' pieces of `in`, one after the other, at `to`, each in a place of
  // the same size; own pieces need none.
  void put_pieces(
      const std::byte* in, Pieces counts, int64_t element, Part part, std::byte* to) const;
  // Copies this part of the pieces of all ranks to its places in `out`: those of peers from byte
  // `offset` of their slots, this rank's from its piece `own`.
  void take_pieces(
      const std::byte* own, int64_t offset, Pieces bytes, Part part, std::byte* out) const;

  // Consecutive elements of a reduction that go through the slots at once.
  struct ReducedPart {
    const std::byte* in;
    std::byte* out;
    int64_t count;
    Reduction reduction;
  };
  [[nodiscard]] bool is_one_shot(int64_t bytes) const;
  [[nodiscard]] CallStamp reduction_stamp(const Call& call, Reduction reduction) const;
  // Brings the terms of this rank into the slot of the next exchange, unless they were made there,
  // and returns what stands for them after it: they are reduced as they travel.
  const std::byte* put_terms(const ReducedPart& part);
  void reduce_one_shot(const Call& call, const ReducedPart& part);
  void reduce_two_shot(const Call& call, const ReducedPart& part);
  // Reduces elements [first, first + count) of the terms in all slots; `own` is this rank's first
  // term.
  void reduce_terms(
      int64_t first, const std::byte* own, std::byte* out, int64_t count, Reduction reduction);
  // Reduces `count` elements at byte `offset` of all slots; `own` stands for those of this rank.
  void reduce_slots(
      int64_t offset, const std::byte* own, std::byte* out, int64_t count, Reduction reduction);
  int64_t check_sizes(const Call& call, Pieces recv_bytes) const;

  std::shared_ptr<Region> region_;  // shared with the sub-groups and, for local, the other ranks
  GroupMemory memory_;
  uint64_t round_ = 0;
  std::vector<uint64_t> sent_;      // parts so far, by destination
  std::vector<uint64_t> received_;  // parts so far, by source
  std::vector<const std::byte*> sources_;
};

}  // namespace partita::comm
