// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/rank_team.h"

#include <omp.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

#include "api/rank_runner.h"
#include "device/cpu/affinity.h"
#include "support/error.h"

namespace partita::api {
namespace {

// As worker processes do: equal shares of the cores while there are enough.
void bind_as_rank(int rank, int ranks) {
  const std::vector<int> cores = device::allowed_cores();
  const int share = static_cast<int>(cores.size()) / ranks;
  if (share < 1) {
    share_cores(ranks, 0);
    return;
  }
  device::bind_to_cores({cores.begin() + rank * share, cores.begin() + (rank + 1) * share});
  share_cores(1, 0);
}

}  // namespace

void StartLine::wait() {
  const int goal = (arrived_.fetch_add(1) / threads_ + 1) * threads_;
  constexpr int kSpins = 1000;
  for (int looks = 0; arrived_.load() < goal; ++looks) {
    if (looks > kSpins) std::this_thread::yield();
  }
}

void run_as_ranks(const RankLayout& layout,
                  const std::function<void(int rank, StartLine& line)>& work) {
  StartLine line(layout.at_once);
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < layout.at_once; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        bind_as_rank(rank, layout.ranks);
        work(rank, line);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    });
  }
  threads.clear();  // joins
  if (failure) std::rethrow_exception(failure);
}

double lower_quartile(std::vector<double> times) {
  CHECK(!times.empty(), "no times measured");
  const auto quarter = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4);
  std::nth_element(times.begin(), quarter, times.end());
  return *quarter;
}

}  // namespace partita::api
