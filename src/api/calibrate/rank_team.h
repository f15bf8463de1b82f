// SPDX-License-Identifier: Apache-2.0
// Threads that stand for the ranks of this host, bound to the cores that ranks get.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

namespace partita::api {

// Lets threads start something at the same moment: spins while each has a core, else yields.
class StartLine {
 public:
  explicit StartLine(int threads) : threads_(threads) {}
  // Returns when all threads have come. Throws kRankFailed when one never will.
  void wait();
  // Says that some thread will not come any more.
  void give_up() { is_given_up_ = true; }

 private:
  int threads_;
  std::atomic<int> arrived_{0};
  std::atomic<bool> is_given_up_{false};
};

// How the ranks of a run share this host.
struct RankLayout {
  int ranks = 1;    // that the machine is divided among
  int at_once = 1;  // of these, how many work
};

// Runs `work(rank, start_line)` for ranks 0 .. at_once - 1, each on a thread of its own with the
// cores and the number of compute threads that the runtime gives a rank of `ranks`. Returns when
// all are done; rethrows the first error. Throws kSystem when a thread cannot be started.
void run_as_ranks(const RankLayout& layout,
                  const std::function<void(int rank, StartLine& line)>& work);

// The value below which a quarter of the times lie: other work on the machine only ever adds.
[[nodiscard]] double lower_quartile(std::vector<double> times);

}  // namespace partita::api
