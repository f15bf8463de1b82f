// SPDX-License-Identifier: Apache-2.0
// The communicator suite over processes of one host, and what happens when one of them dies.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <functional>

#include "comm/shm/shm.h"
#include "comm_suite.h"
#include "support/error.h"

namespace partita::comm {
namespace {

// A child process that runs one rank and reports by text through a pipe.
struct RankProcess {
  pid_t pid = -1;
  int report = -1;
};

using RankBody = std::function<std::string(Communicator& world)>;

[[noreturn]] void run_rank(int fd, int rank, int ranks, const RankBody& body, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string failure;
  try {
    failure = body(*make_shm_communicator(fd, rank, ranks));
  } catch (const std::exception& error) {
    failure = error.what();
  }
  const ssize_t written = write(report, failure.data(), failure.size());
  _exit(written == static_cast<ssize_t>(failure.size()) ? 0 : 1);
}

RankProcess start_rank(int fd, int rank, int ranks, const RankBody& body) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) run_rank(fd, rank, ranks, body, ends[1]);
  close(ends[1]);
  return {pid, ends[0]};
}

// The report of a rank, after its end; "killed" if a signal ended it.
std::string collect(const RankProcess& process) {
  std::string text;
  std::array<char, 512> buffer{};
  for (ssize_t length = 0; (length = read(process.report, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(length));
  }
  close(process.report);
  int status = 0;
  EXPECT_EQ(waitpid(process.pid, &status, 0), process.pid);
  return WIFSIGNALED(status) ? "killed" : text;
}

std::vector<std::string> run_on_processes(int ranks, const RankBody& body) {
  const ShmSegment segment = ShmSegment::create(ranks, {.splits = 80});
  std::vector<RankProcess> processes;
  for (int rank = 0; rank < ranks; ++rank) {
    processes.push_back(start_rank(segment.fd(), rank, ranks, body));
  }
  std::vector<std::string> reports;
  for (const RankProcess& process : processes) reports.push_back(collect(process));
  return reports;
}

class ShmSuite : public testing::TestWithParam<int> {
 protected:
  static void run(std::span<const SuiteCase> cases) {
    for (const SuiteCase& suite_case : cases) {
      const RankBody body = [&](Communicator& world) { return run_case(suite_case, world); };
      for (const std::string& failure : run_on_processes(GetParam(), body)) EXPECT_EQ(failure, "");
    }
  }
};

TEST_P(ShmSuite, Moves) { run(moving_cases()); }
TEST_P(ShmSuite, Reduces) { run(reducing_cases()); }
TEST_P(ShmSuite, Sums) { run(sum_cases()); }
TEST_P(ShmSuite, Splits) { run(group_cases()); }
TEST_P(ShmSuite, Fails) { run(failing_cases()); }
TEST_P(ShmSuite, Ends) { run(ending_cases()); }

INSTANTIATE_TEST_SUITE_P(Ranks, ShmSuite, testing::Range(1, 9));

TEST(ShmGroup, NamesAKilledRankWithinTheDeadline) {
  const auto reports = run_on_processes(3, [](Communicator& world) -> std::string {
    world.set_timeout(std::chrono::milliseconds(200));
    for (int step = 0;; ++step) {
      if (world.rank() == 1 && step == 100) raise(SIGKILL);
      world.barrier();
    }
  });
  EXPECT_EQ(reports[1], "killed");
  for (const size_t rank : {size_t{0}, size_t{2}}) {
    EXPECT_NE(reports[rank].find("rank 1 (global rank 1) has not arrived"), std::string::npos)
        << reports[rank];
  }
}

// A limit of file sizes ends a process by a signal unless somebody looks after it.
TEST(ShmGroup, ALimitOfFileSizesIsAnError) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 4096;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  std::string message = "made";
  try {
    (void)ShmSegment::create(2, {});
  } catch (const Error& error) {
    message = error.what();
  }
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(message, "[comm] ftruncate of shared memory failed: File too large");
}

size_t count_entries(const char* folder) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    count += entry.path().filename().string().find("partita") != std::string::npos ? 1 : 0;
  }
  return count;
}

TEST(ShmSegment, LeavesNothingInTheFileSystem) {
  const ShmSegment segment = ShmSegment::create(2);
  EXPECT_EQ(count_entries("/dev/shm"), 0U);
}

ErrorCode code_of_joining(int fd, int rank, int size) {
  try {
    (void)make_shm_communicator(fd, rank, size);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(ShmSegment, RefusesARankTwiceOrOutsideOrAnotherSize) {
  const ShmSegment segment = ShmSegment::create(2);
  const auto group = make_shm_communicator(segment.fd(), 0, 2);
  EXPECT_EQ(code_of_joining(segment.fd(), 0, 2), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of_joining(segment.fd(), 2, 2), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of_joining(segment.fd(), 1, 3), ErrorCode::kInvalidArgument);
}

TEST(ShmSegment, RefusesADescriptorOfSomethingElse) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(code_of_joining(fileno(file), 0, 1), ErrorCode::kInvalidArgument);
  ASSERT_EQ(ftruncate(fileno(file), 8192), 0);
  EXPECT_EQ(code_of_joining(fileno(file), 0, 1), ErrorCode::kInvalidArgument);
  EXPECT_EQ(std::fclose(file), 0);
  EXPECT_EQ(code_of_joining(-1, 0, 1), ErrorCode::kSystem);
}

}  // namespace
}  // namespace partita::comm
