// SPDX-License-Identifier: Apache-2.0
#include "api/bench/load_probes.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "device/device.h"
#include "formats/input_file.h"

namespace partita::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPartBytes = int64_t{4} << 20;  // as weights are read
constexpr int64_t kPageBytes = 4096;              // the smallest: each is written to

// Seconds of work(0) .. work(threads - 1) at once; rethrows the first error.
double seconds_of_threads(int threads, const std::function<void(int)>& work) {
  std::mutex mutex;
  std::exception_ptr failure;
  const auto start = Clock::now();
  {
    std::vector<std::jthread> team;
    for (int thread = 0; thread < threads; ++thread) {
      team.emplace_back([&, thread] {
        try {
          work(thread);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
        }
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double file_copy_rate(const std::vector<std::unique_ptr<const formats::TensorFile>>& files,
                      int threads) {
  int64_t all_bytes = 0;
  std::vector<std::unique_ptr<const formats::InputFile>> inputs;
  for (const auto& file : files) {
    inputs.push_back(std::make_unique<formats::InputFile>(file->path()));
    all_bytes += inputs.back()->size();
  }
  const double seconds = seconds_of_threads(threads, [&](int thread) {
    std::vector<std::byte> buffer(static_cast<size_t>(kPartBytes));
    for (const auto& input : inputs) {
      const int64_t share = (input->size() + threads - 1) / threads;
      const int64_t end = std::min(input->size(), share * (thread + 1));
      for (int64_t at = share * thread; at < end; at += kPartBytes) {
        input->read(at, {buffer.data(), static_cast<size_t>(std::min(kPartBytes, end - at))});
      }
    }
  });
  return static_cast<double>(all_bytes) / seconds;
}

double new_memory_rate(int64_t bytes, int threads) {
  const int64_t share = std::max<int64_t>(kPageBytes, bytes / threads);
  const double seconds = seconds_of_threads(threads, [&](int) {
    const device::Buffer memory = device::make_cpu_device()->allocate(share);
    for (int64_t at = 0; at < share; at += kPageBytes) memory.data()[at] = std::byte{1};
  });
  return static_cast<double>(share * threads) / seconds;
}

}  // namespace partita::api
