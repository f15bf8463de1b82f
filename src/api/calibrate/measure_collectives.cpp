// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/measure_collectives.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "api/calibrate/rank_team.h"
#include "comm/local/local.h"
#include "cost/wire.h"
#include "support/error.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;
using cost::CollectiveKind;

constexpr CollectiveKind kKinds[] = {CollectiveKind::kAllReduce, CollectiveKind::kAllGather,
                                     CollectiveKind::kReduceScatter, CollectiveKind::kAllToAll,
                                     CollectiveKind::kSend};

// About half a millisecond per sample at 4 GB/s.
int calls_of(int64_t bytes) {
  return static_cast<int>(std::clamp<int64_t>((2 << 20) / (bytes + 4096), 1, 200));
}

// The largest of the payloads up to which an all_reduce is faster in one exchange than in two,
// which take turns; 0 when it never is.
struct SumOptions {
  bool bf16_wire = false;
  int rounds = 1;
};
int64_t measure_one_shot_bytes(comm::Communicator& group,
                               const std::vector<int64_t>& payloads,
                               const SumOptions& options,
                               CollectiveProbe& probe) {
  int64_t best = 0;
  for (const int64_t bytes : payloads) {
    std::vector<double> one;
    std::vector<double> two;
    for (int round = -1; round < options.rounds; ++round) {  // one to warm up
      group.set_all_reduce({.one_shot_bytes = bytes, .bf16_wire = options.bf16_wire});
      const double in_one = probe.seconds(CollectiveKind::kAllReduce, bytes);
      group.set_all_reduce({.one_shot_bytes = 0, .bf16_wire = options.bf16_wire});
      const double in_two = probe.seconds(CollectiveKind::kAllReduce, bytes);
      if (round < 0) continue;
      one.push_back(in_one);
      two.push_back(in_two);
    }
    if (lower_quartile(one) > lower_quartile(two)) break;
    best = bytes;
  }
  return best;
}

// all_reduce of f32 terms that travel as bf16.
cost::CollectiveTable measure_bf16_sums(comm::Communicator& group,
                                        const std::string& transport,
                                        const std::vector<int64_t>& payloads,
                                        int rounds,
                                        CollectiveProbe& probe) {
  cost::CollectiveTable table = {CollectiveKind::kAllReduce,
                                 cost::bf16_transport(transport),
                                 std::string(cost::kAnyAxis),
                                 group.size(),
                                 {}};
  table.one_shot_bytes = measure_one_shot_bytes(group, payloads, {true, rounds}, probe);
  group.set_all_reduce({.one_shot_bytes = table.one_shot_bytes, .bf16_wire = true});
  for (const int64_t bytes : payloads) {
    std::vector<double> times;
    for (int round = -1; round < rounds; ++round) {  // one to warm up
      const double seconds = probe.seconds(CollectiveKind::kAllReduce, bytes);
      if (round >= 0) times.push_back(seconds);
    }
    table.points.push_back({bytes, lower_quartile(times)});
  }
  return table;
}

}  // namespace

CollectiveProbe::CollectiveProbe(comm::Communicator& group, int64_t most_bytes)
    : group_(group),
      in_(static_cast<size_t>(most_bytes / size_of(DType::kF32)), 1),
      out_(in_.size(), 0) {}

void CollectiveProbe::call(CollectiveKind kind, int64_t elements) {
  const auto size = static_cast<int64_t>(group_.size());
  std::vector<int64_t> counts(static_cast<size_t>(size), elements / size);
  counts.back() += elements % size;
  float* in = in_.data();
  float* out = out_.data();
  switch (kind) {
    case CollectiveKind::kAllReduce: {
      // As in a program: the node before makes the terms where the transport wants them.
      const void* made = group_.reserve(elements * size_of(DType::kF32));
      group_.all_reduce(made == nullptr ? in : made, out, elements, DType::kF32,
                        comm::ReduceKind::kSum);
      return;
    }
    case CollectiveKind::kAllGather:
      group_.all_gather(in, out, counts, DType::kF32);
      return;
    case CollectiveKind::kReduceScatter:
      group_.reduce_scatter(in, out, counts, DType::kF32, comm::ReduceKind::kSum);
      return;
    case CollectiveKind::kAllToAll:
      counts.assign(counts.size(), elements / size);
      group_.all_to_all(in, counts, out, counts, DType::kF32);
      return;
    case CollectiveKind::kSend:
      if (group_.rank() == 0) {
        group_.send(in, elements, DType::kF32, 1);
        group_.recv(out, elements, DType::kF32, 1);
      } else if (group_.rank() == 1) {
        group_.recv(out, elements, DType::kF32, 0);
        group_.send(in, elements, DType::kF32, 0);
      }
      return;
  }
  CHECK(false, "unknown collective kind");
}

double CollectiveProbe::seconds(CollectiveKind kind, int64_t bytes) {
  group_.barrier();
  const auto start = Clock::now();
  const int calls = calls_of(bytes);
  for (int i = 0; i < calls; ++i) call(kind, bytes / size_of(DType::kF32));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / calls;
  // Ranks that take no part in a send say 0.
  const bool is_send = kind == CollectiveKind::kSend;
  return slowest(group_, is_send ? (group_.rank() < 2 ? seconds / 2 : 0) : seconds);
}

double slowest(comm::Communicator& group, double seconds) {
  double result = 0;
  group.all_reduce(&seconds, &result, 1, DType::kF64, comm::ReduceKind::kMax);
  return result;
}

std::vector<int64_t> measured_payloads(bool is_quick) {
  if (is_quick) return {1 << 10, 16 << 10, 256 << 10, 2 << 20};
  std::vector<int64_t> payloads;
  for (int64_t bytes = 1 << 10; bytes <= (4 << 20); bytes *= 4) payloads.push_back(bytes);
  return payloads;
}

std::vector<cost::CollectiveTable> measure_collectives(comm::Communicator& group,
                                                       const char* transport,
                                                       bool is_quick) {
  const std::vector<int64_t> payloads = measured_payloads(is_quick);
  const int rounds = is_quick ? 5 : 15;
  CollectiveProbe probe(group, payloads.back());
  std::vector<cost::CollectiveTable> tables;
  for (const CollectiveKind kind : kKinds) {
    tables.push_back({kind, transport, std::string(cost::kAnyAxis), group.size(), {}});
  }
  tables.front().one_shot_bytes = measure_one_shot_bytes(group, payloads, {false, rounds}, probe);
  group.set_all_reduce({.one_shot_bytes = tables.front().one_shot_bytes});
  for (const int64_t bytes : payloads) {
    std::vector<std::vector<double>> times(tables.size());
    for (int round = -1; round < rounds; ++round) {  // one to warm up
      for (size_t kind = 0; kind < tables.size(); ++kind) {
        const double seconds = probe.seconds(tables[kind].kind, bytes);
        if (round >= 0) times[kind].push_back(seconds);
      }
    }
    for (size_t kind = 0; kind < tables.size(); ++kind) {
      tables[kind].points.push_back({bytes, lower_quartile(times[kind])});
    }
  }
  tables.push_back(measure_bf16_sums(group, transport, payloads, rounds, probe));
  group.set_all_reduce({.one_shot_bytes = tables.front().one_shot_bytes});
  return tables;
}

std::vector<cost::CollectiveTable> measure_local_collectives(int ranks, bool is_quick) {
  std::vector<cost::CollectiveTable> result;
  for (int size = 2; size <= ranks; size = size < ranks ? std::min(2 * size, ranks) : size + 1) {
    auto groups = comm::make_local_group(size);
    run_as_ranks({ranks, size}, [&](int rank, StartLine& line) {
      const auto group = std::move(groups[static_cast<size_t>(rank)]);
      line.wait();
      auto tables = measure_collectives(*group, "shm", is_quick);
      if (rank == 0) result.insert(result.end(), tables.begin(), tables.end());
    });
  }
  return result;
}

}  // namespace partita::api
