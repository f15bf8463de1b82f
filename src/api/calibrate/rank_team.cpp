// SPDX-License-Identifier: Apache-2.0
#include "api/calibrate/rank_team.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "api/rank_cores.h"
#include "support/error.h"

namespace partita::api {
namespace {

// What the system refuses, such as one more thread, is no fault of ours.
std::exception_ptr as_own_error(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::system_error& error) {
    return std::make_exception_ptr(Error(
        ErrorCode::kSystem, str("[calibrate] cannot start a thread: ", error.what(),
                                "; use fewer ranks or raise the limit of threads or memory")));
  } catch (...) {
    return failure;
  }
}

}  // namespace

void StartLine::wait() {
  const int goal = (arrived_.fetch_add(1) / threads_ + 1) * threads_;
  constexpr int kSpins = 1000;
  for (int looks = 0; arrived_.load() < goal; ++looks) {
    if (is_given_up_.load()) {
      throw Error(ErrorCode::kRankFailed,
                  "[calibrate] another of the measuring threads has failed");
    }
    if (looks > kSpins) std::this_thread::yield();
  }
}

void run_as_ranks(const RankLayout& layout,
                  const std::function<void(int rank, StartLine& line)>& work) {
  StartLine line(layout.at_once);
  std::mutex mutex;
  std::exception_ptr failure;
  const auto run = [&](const auto& action) {
    try {
      action();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = as_own_error(std::current_exception());
      line.give_up();
    }
  };
  std::vector<std::jthread> threads;
  run([&] {
    for (int rank = 0; rank < layout.at_once; ++rank) {
      threads.emplace_back([&, rank] {
        run([&] {
          take_cores({rank, layout.ranks, 0});
          work(rank, line);
        });
      });
    }
  });
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
