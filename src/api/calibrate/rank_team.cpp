// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/rank_team.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

#include "api/rank_cores.h"
#include "support/error.h"

namespace partita::api {
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
        take_cores({rank, layout.ranks, 0});
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
