// SPDX-License-Identifier: Apache-2.0
#include "e2e/process_suite.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <thread>

#include "e2e/golden.h"

namespace partita::tests {
namespace {

using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

EngineOptions options_for(const std::string& launcher) {
  return {.launcher = launcher,
          .worker_program = PARTITA_BINARY_DIR "/bin/partita",
          .threads_per_rank = 1};
}

std::set<std::string> shared_memory_files() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    names.insert(entry.path().filename());
  return names;
}

// A process that has ended but was not collected yet (state Z) holds nothing any more.
bool is_running(int64_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return false;
  const size_t state = text.rfind(')') + 2;
  return state < text.size() && text[state] != 'Z' && text[state] != 'X';
}

// Files in /dev/shm that were not there before; other programs may come and go meanwhile.
std::set<std::string> left_since(const std::set<std::string>& before) {
  std::set<std::string> left = shared_memory_files();
  for (const std::string& name : before) left.erase(name);
  return left;
}

std::vector<int64_t> pids_of(Engine& engine) {
  std::vector<int64_t> pids;
  for (const RankCost& rank : engine.report().ranks) pids.push_back(rank.pid);
  return pids;
}

// Generates until an error comes; sends `signal` to the rank after a few tokens.
struct Outcome {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  double seconds_after_signal = 0;
};
Outcome generate_and_signal(Engine& engine, int64_t pid, int signal) {
  std::atomic<int> tokens = 0;
  Clock::time_point signalled;
  Outcome outcome;
  const auto on_text = [&](std::string_view) {
    if (++tokens == 3) {
      signalled = Clock::now();
      kill(static_cast<pid_t>(pid), signal);
    }
  };
  try {
    (void)engine.generate("Once upon a time",
                          {.max_tokens = 400, .stop = {}, .ignore_end_of_text = true}, on_text);
    ADD_FAILURE() << "generation went on without the rank";
  } catch (const Error& e) {
    outcome = {e.code(), e.what(), std::chrono::duration<double>(Clock::now() - signalled).count()};
  }
  return outcome;
}

// All processes below `pid`, as the kernel lists them.
std::vector<int64_t> descendants_of(int64_t pid) {
  const std::string id = std::to_string(pid);
  std::ifstream children("/proc/" + id + "/task/" + id + "/children");
  std::vector<int64_t> found;
  for (int64_t child = 0; children >> child;) {
    found.push_back(child);
    for (const int64_t deeper : descendants_of(child)) found.push_back(deeper);
  }
  return found;
}

void expect_all_gone(const std::vector<int64_t>& pids,
                     Clock::duration patience = std::chrono::seconds(1)) {
  const auto deadline = Clock::now() + patience;
  for (const int64_t pid : pids) {
    while (is_running(pid) && Clock::now() < deadline) std::this_thread::yield();
    EXPECT_FALSE(is_running(pid)) << "process " << pid << " is still there";
  }
}

Engine start_bundled(const std::string& launcher,
                     const std::string& mesh,
                     int step_timeout_ms = 10000) {
  const Model model = Model::load(bundled_model(), {.dtype = "f32"});
  EngineOptions options = options_for(launcher);
  options.step_timeout_ms = step_timeout_ms;
  return Engine(model, Plan::make(model, {.mesh = mesh, .devices = test_devices()}), options);
}

}  // namespace

void expect_every_plan_equals_transformers(const std::string& launcher,
                                           const std::string& golden_name) {
  const GoldenCase golden = golden_case(golden_name);
  const Model model = Model::load(golden.directory, {.dtype = "f32"});
  for (const std::string& mesh : meshes_for(model.layers())) {
    SCOPED_TRACE(mesh);
    Engine engine(model, Plan::make(model, golden_plan_options(mesh)), options_for(launcher));
    EXPECT_LE(worst_share(all_logits(engine, golden), golden.logits, 1e-5), 1.0);
    EXPECT_EQ(greedy_tokens(engine, golden), golden.greedy);
  }
}

void expect_same_sampled_text(const std::string& launcher, const std::string& mesh) {
  const GenerateOptions options{
      .max_tokens = 30, .temperature = 0.9, .top_p = 0.95, .seed = 11, .stop = {}};
  Engine alone = start_bundled("threads", "tp=1");
  Engine processes = start_bundled(launcher, mesh);
  EXPECT_EQ(processes.generate("The old owl", options).text,
            alone.generate("The old owl", options).text);
}

void expect_killed_rank_is_reported(const std::string& launcher) {
  const auto before = shared_memory_files();
  {
    Engine engine = start_bundled(launcher, "tp=3");
    const std::vector<int64_t> pids = pids_of(engine);
    const Outcome outcome = generate_and_signal(engine, pids[1], SIGKILL);
    EXPECT_EQ(outcome.code, ErrorCode::kRankFailed);
    EXPECT_THAT(outcome.message, HasSubstr("rank 1"));
    // The aim is 100 ms on a quiet machine; the bound only tells "at once" from "by a timeout".
    EXPECT_LT(outcome.seconds_after_signal, 2.0);
    testing::Test::RecordProperty("milliseconds_to_report",
                                  static_cast<int>(outcome.seconds_after_signal * 1000));
    expect_all_gone(pids);
    EXPECT_THROW((void)engine.generate("again"), Error);
  }
  EXPECT_EQ(left_since(before), std::set<std::string>{});
}

void expect_lost_replica_loses_no_request(const std::string& launcher) {
  constexpr size_t kRequests = 8;
  const Model model = Model::load(bundled_model(), {.dtype = "f32"});
  const Plan plan =
      Plan::make(model, {.mesh = "dp=2,tp=2", .devices = test_devices(), .concurrency = 4});
  EngineOptions options = options_for(launcher);
  std::vector<std::string> losses;
  options.on_loss = [&](int replica, const std::string& why) {
    losses.push_back(std::to_string(replica) + ": " + why);
  };
  // `disturb` is called after every step.
  const auto answers = [&](Engine& engine, const std::function<void()>& disturb) {
    std::vector<int64_t> requests;
    for (size_t i = 0; i < kRequests; ++i) {
      requests.push_back(engine.submit(model.encode("Once upon a time " + std::string(i, 'a')),
                                       {.max_tokens = 40,
                                        .temperature = i % 2 == 0 ? 0 : 0.9,
                                        .seed = i,
                                        .stop = {},
                                        .ignore_end_of_text = true}));
    }
    while (engine.step()) disturb();
    std::vector<std::vector<int32_t>> tokens;
    for (const int64_t request : requests) tokens.push_back(engine.take(request).tokens);
    return tokens;
  };
  Engine undisturbed(model, plan, options_for("threads"));
  const auto expected = answers(undisturbed, [] {});
  for (const size_t victim : {size_t{1}, size_t{2}}) {
    losses.clear();
    Engine engine(model, plan, options);
    const std::vector<int64_t> pids = pids_of(engine);
    int steps = 0;
    EXPECT_EQ(answers(engine,
                      [&] {
                        if (++steps == 20) kill(static_cast<pid_t>(pids[victim]), SIGKILL);
                      }),
              expected);
    ASSERT_EQ(losses.size(), 1U);
    EXPECT_THAT(losses[0], testing::StartsWith(std::to_string(victim / 2) + ": "));
    EXPECT_THAT(losses[0], HasSubstr("rank " + std::to_string(victim) + " (pid"));
    // The peer of the victim has gone with it, the other two ranks serve on.
    const size_t first_lost = victim / 2 * 2;
    expect_all_gone({pids[first_lost], pids[first_lost + 1]});
    EXPECT_TRUE(is_running(pids[2 - first_lost]) && is_running(pids[3 - first_lost]));
    EXPECT_EQ(answers(engine, [] {}), expected);
    for (const int64_t pid : {pids[first_lost], pids[first_lost + 1]})
      EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(pid))) << "a zombie is left";
    EXPECT_EQ(engine.report().ranks.size(), pids.size());
  }
}

void expect_stopped_rank_is_named(const std::string& launcher) {
  Engine engine = start_bundled(launcher, "tp=3", 1500);
  const std::vector<int64_t> pids = pids_of(engine);
  const Outcome outcome = generate_and_signal(engine, pids[2], SIGSTOP);
  EXPECT_EQ(outcome.code, ErrorCode::kDeadlineExceeded);
  EXPECT_THAT(outcome.message,
              HasSubstr("rank 2 (pid " + std::to_string(pids[2]) + ") did not answer"));
  expect_all_gone(pids);
}

void expect_stopped_stage_is_named(const std::string& launcher) {
  const Model model = Model::load(bundled_model(), {.dtype = "f32"});
  EngineOptions options = options_for(launcher);
  options.step_timeout_ms = 1500;
  Engine engine(model,
                Plan::make(model, {.mesh = "pp=2", .devices = test_devices(), .concurrency = 4}),
                options);
  const std::vector<int64_t> pids = pids_of(engine);
  for (int i = 0; i < 4; ++i) {
    (void)engine.submit(model.encode("Once upon a time"),
                        {.max_tokens = 400, .stop = {}, .ignore_end_of_text = true});
  }
  for (int step = 0; step < 6; ++step) (void)engine.step();
  kill(static_cast<pid_t>(pids[0]), SIGSTOP);
  try {
    while (engine.step()) {
    }
    ADD_FAILURE() << "generation went on without the rank";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kDeadlineExceeded);
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("rank 0 (pid " + std::to_string(pids[0]) + ")"),
                                         testing::Not(HasSubstr("rank 1 (pid"))));
  }
  expect_all_gone(pids);
}

void expect_external_ranks_join(const std::string& transport, const std::string& prefix) {
  const Model model = Model::load(bundled_model(), {.dtype = "f32"});
  EngineOptions options = options_for("external");
  options.transport = transport;
  options.start_timeout_ms = 30000;
  options.on_external = [&](const std::string& variables) {
    const bool is_loop = prefix.starts_with("for ");
    const std::string command =
        (is_loop ? "" : variables + " ") + prefix + " " + (is_loop ? variables + " " : "") +
        PARTITA_BINARY_DIR "/bin/partita worker & " + (is_loop ? "done" : "");
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  };
  std::vector<int64_t> pids;
  {
    Engine engine(model, Plan::make(model, {.mesh = "tp=2", .devices = test_devices()}), options);
    pids = pids_of(engine);
    EXPECT_EQ(engine.generate("Once upon a time", {.max_tokens = 6, .stop = {}}).tokens.size(), 6U);
  }
  expect_all_gone(pids);
}

void expect_a_signal_ends_everything(const std::string& launcher, int signal) {
  const auto before = shared_memory_files();
  int output[2];
  ASSERT_EQ(pipe2(output, O_CLOEXEC), 0);
  const std::string program = PARTITA_BINARY_DIR "/bin/partita";
  const std::string model = bundled_model().string();
  const std::string devices = test_devices().string();
  const pid_t frontend = fork();
  if (frontend == 0) {
    dup2(output[1], STDOUT_FILENO);
    execl(program.c_str(), "partita", "run", model.c_str(), "--mesh", "tp=2", "--devices",
          devices.c_str(), "--launcher", launcher.c_str(), "-n", "1000000", "--ignore-eos",
          "--prompt", "Once", nullptr);
    _exit(127);
  }
  close(output[1]);
  // The prompt is printed when the ranks are ready; held there, so that the text cannot end first.
  std::array<char, 64> text{};
  EXPECT_GT(read(output[0], text.data(), text.size()), 0);
  kill(frontend, SIGSTOP);
  const std::vector<int64_t> ranks = descendants_of(frontend);
  EXPECT_GE(ranks.size(), 2U);
  kill(frontend, signal);
  kill(frontend, SIGCONT);
  int status = 0;
  EXPECT_EQ(waitpid(frontend, &status, 0), frontend);
  close(output[0]);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == signal);
  expect_all_gone(ranks, std::chrono::seconds(5));  // mpirun takes its time to tidy up
  EXPECT_EQ(left_since(before), std::set<std::string>{});
}

void expect_nothing_is_left_behind(const std::string& launcher) {
  const auto before = shared_memory_files();
  std::vector<int64_t> pids;
  {
    Engine engine = start_bundled(launcher, "tp=2");
    pids = pids_of(engine);
    EXPECT_FALSE(engine.generate("Tom and Lily", {.max_tokens = 5, .stop = {}}).text.empty());
  }
  expect_all_gone(pids);
  EXPECT_EQ(left_since(before), std::set<std::string>{});
}

}  // namespace partita::tests
