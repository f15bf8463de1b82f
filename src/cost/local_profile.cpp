// SPDX-License-Identifier: Apache-2.0
#include "cost/local_profile.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <numeric>
#include <thread>

#include "cost/fma_rate.h"
#include "support/error.h"

namespace partita::cost {
namespace {

using Clock = std::chrono::steady_clock;
// Long enough for a core to leave its idle state, short enough that all measurements fit in 0.3 s.
constexpr auto kMeasureTime = std::chrono::milliseconds(30);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int core_count() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

// Runs `chunk` (returns the amount of work done) over and over on every core at once for about
// kMeasureTime and returns the work per second of all cores together.
double rate_of_all_cores(const std::function<double(int core)>& chunk) {
  const int cores = core_count();
  std::vector<double> rates(static_cast<size_t>(cores), 0);
  std::atomic<int> ready{0};
  std::vector<std::jthread> threads;
  for (int core = 0; core < cores; ++core) {
    threads.emplace_back([&, core] {
      (void)chunk(core);  // touches memory and wakes the core
      ready.fetch_add(1);
      while (ready.load() < cores) std::this_thread::yield();
      const auto start = Clock::now();
      double work = 0;
      do {
        work += chunk(core);
      } while (Clock::now() - start < kMeasureTime);
      rates[static_cast<size_t>(core)] = work / seconds_since(start);
    });
  }
  threads.clear();  // joins
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

// Bytes read per second from buffers that no cache holds (16 MiB per core, at least 64 MiB
// together).
double read_bandwidth() {
  const size_t words =
      std::max<size_t>(size_t{16} << 20, (size_t{64} << 20) / static_cast<size_t>(core_count())) /
      sizeof(uint64_t);
  std::vector<std::vector<uint64_t>> buffers(static_cast<size_t>(core_count()));
  std::atomic<uint64_t> sink{0};
  return rate_of_all_cores([&](int core) {
    auto& buffer = buffers[static_cast<size_t>(core)];
    if (buffer.empty()) buffer.assign(words, 1);
    sink += std::accumulate(buffer.begin(), buffer.end(), uint64_t{0});
    return static_cast<double>(words * sizeof(uint64_t));
  });
}

double fma_rate(double (*run)(int64_t rounds, float& sink)) {
  constexpr int64_t kRounds = 20000;  // some 20 us, so that the clock costs nothing
  std::atomic<float> result{0};
  return rate_of_all_cores([&](int) {
    float sink = 0;
    const double work = run(kRounds, sink);
    result.store(sink, std::memory_order_relaxed);
    return work;
  });
}

// Seconds for a word to go from one thread to the next in a ring of `ranks` threads. Waits as the
// transports do: some spins, then the core is given away.
double hop_latency(int ranks) {
  constexpr int kMaxThreads = 8;
  constexpr int kSpins = 200;
  const int threads = std::clamp(ranks, 2, kMaxThreads);
  std::atomic<int64_t> turn{0};
  std::atomic<bool> stop{false};
  std::vector<std::jthread> ring;
  const auto start = Clock::now();
  for (int me = 0; me < threads; ++me) {
    ring.emplace_back([&, me] {
      int spins = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        if (turn.load(std::memory_order_acquire) % threads == me) {
          turn.fetch_add(1, std::memory_order_release);
          spins = 0;
          if (me == 0 && Clock::now() - start > kMeasureTime) stop.store(true);
        } else if (++spins > kSpins) {
          std::this_thread::yield();
        }
      }
    });
  }
  ring.clear();  // joins
  return seconds_since(start) / static_cast<double>(std::max<int64_t>(1, turn.load()));
}

int64_t host_memory_bytes() {
  int64_t bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  std::ifstream limit_file("/sys/fs/cgroup/memory.max");
  int64_t limit = 0;  // the file holds "max" when there is no limit
  if (limit_file >> limit && limit > 0) bytes = std::min(bytes, limit);
  return bytes;
}

// Three digits: more would only be noise of the measurement.
double rounded(double value) {
  const double scale = std::pow(10.0, 2 - std::floor(std::log10(value)));
  return std::round(value * scale) / scale;
}

}  // namespace

Profile measure_local_profile(int ranks) {
  if (ranks < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[profile] cannot measure for ", ranks, " ranks; expected at least 1"));
  }
  const double share = 1.0 / ranks;
  const double latency_s = std::max(1e-7, hop_latency(ranks));
  Profile profile;
  profile.name = str("local-", ranks);
  Device& device = profile.device;
  device.memory_bytes = std::llround(rounded(static_cast<double>(host_memory_bytes()) * share));
  // A sixteenth for the program itself, its libraries and the page cache.
  device.reserve_bytes = std::llround(rounded(static_cast<double>(device.memory_bytes) / 16));
  device.memory_bandwidth = rounded(read_bandwidth() * share);
  device.f32_flops = rounded(fma_rate(run_f32_fma) * share);
  device.bf16_flops = rounded(fma_rate(run_bf16_fma) * share);
  // Starting an operator wakes the threads of the rank: at least one hop, and never under 1 us.
  device.launch_s = rounded(std::max(1e-6, latency_s));
  // Shared memory: every byte is written once and read once.
  profile.links = {
      {std::string(kAnyAxis), rounded(latency_s), rounded(device.memory_bandwidth / 2)}};
  // The numbers as they will be after a save and a load.
  return parse_profile(to_toml(profile), profile.name);
}

}  // namespace partita::cost
