// SPDX-License-Identifier: Apache-2.0
// For comm_mpi_kill_test.sh: ranks reduce in a loop until rank 1 dies or stops as the argument
// says; the others print the error they get and exit with its code.
#include <signal.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include "comm/mpi/mpi.h"
#include "support/error.h"

namespace {

// Large enough that sends cannot be withdrawn either.
constexpr int64_t kCount = 500'000;

[[noreturn]] void reduce_until_error(partita::comm::Communicator& world, int signal) {
  world.set_timeout(std::chrono::milliseconds(500));
  std::vector<float> values(kCount);
  for (int step = 0;; ++step) {
    if (world.rank() == 1 && step == 20) raise(signal);
    world.all_reduce(values.data(), values.data(), kCount, partita::DType::kF32,
                     partita::ReduceKind::kMax);
  }
}

}  // namespace

int main(int count, char** arguments) {
  const int signal = count > 1 && std::string_view(arguments[1]) == "stop" ? SIGSTOP : SIGKILL;
  try {
    const auto world = partita::comm::make_mpi_world();
    reduce_until_error(*world, signal);
  } catch (const partita::Error& error) {
    std::printf("%s\n", error.what());
    return partita::exit_code(error.code());
  }
}
