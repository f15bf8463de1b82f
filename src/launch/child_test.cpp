// SPDX-License-Identifier: Apache-2.0
// Child processes: how they start, what they inherit, how they end.
#include "launch/child.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "support/error.h"
#include "support/json.h"

namespace partita::launch {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::HasSubstr;

constexpr auto kLong = seconds(20);

ChildCommand shell(const std::string& script, const std::string& log_file = "") {
  return {.arguments = {"sh", "-c", script}, .environment = {}, .log_file = log_file};
}

std::optional<ExitStatus> end_of(const ChildCommand& command) {
  return Child(command).wait(steady_clock::now() + kLong);
}

std::string refusal_of(const ChildCommand& command) {
  try {
    const Child child(command);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kSystem);
    return e.what();
  }
  return "started";
}

// A process that has ended but was not collected yet (state Z) counts as gone.
bool is_running(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return false;
  return text[text.rfind(')') + 2] != 'Z';
}

bool ends_soon(pid_t pid) {
  const auto deadline = steady_clock::now() + kLong;
  while (is_running(pid) && steady_clock::now() < deadline) usleep(1000);
  return !is_running(pid);
}

class ChildOutput : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "partita-child-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    log_ = (folder_ / "log").string();
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] std::string output_of(ChildCommand command) const {
    command.log_file = log_;
    EXPECT_EQ(end_of(command), (ExitStatus{false, 0}));
    return read_text(log_);
  }
  // The first line of the log, once the child has written it.
  [[nodiscard]] pid_t wait_for_pid() const {
    const auto deadline = steady_clock::now() + kLong;
    std::string line;
    while (steady_clock::now() < deadline) {
      std::ifstream file(log_);
      if (std::getline(file, line) && !file.eof()) return std::stoi(line);
      usleep(1000);
    }
    return -1;
  }

  fs::path folder_;
  std::string log_;
};

TEST(Child, TellsExitCodeAndSignal) {
  EXPECT_EQ(to_string(end_of(shell("exit 3")).value()), "exited with code 3");
  EXPECT_THAT(to_string(end_of(shell("kill -9 $$")).value()),
              HasSubstr("was killed by signal 9 (Killed)"));
}

TEST(Child, AProgramThatCannotBeExecutedIsNamed) {
  EXPECT_THAT(
      refusal_of({.arguments = {"no-such-program"}, .environment = {}, .log_file = {}}),
      AllOf(HasSubstr("\"no-such-program\""), HasSubstr("No such file"), HasSubstr("PATH")));
}

TEST(Child, ALogFileThatCannotBeWrittenIsNamedAndNotTheProgram) {
  EXPECT_THAT(refusal_of(shell("exit 0", "/nonexistent/rank-0.log")),
              AllOf(HasSubstr("log file /nonexistent/rank-0.log"), HasSubstr("No such file")));
}

TEST_F(ChildOutput, VariablesAreAddedAndReplaced) {
  setenv("PARTITA_TEST_REPLACED", "old", 1);
  setenv("PARTITA_TEST_KEPT", "kept", 1);
  ChildCommand command = shell(
      "echo $PARTITA_TEST_REPLACED $PARTITA_TEST_KEPT $PARTITA_TEST_ADDED; "
      "env | grep -c PARTITA_TEST_REPLACED");
  command.environment = {{"PARTITA_TEST_REPLACED", "new"}, {"PARTITA_TEST_ADDED", "added"}};
  EXPECT_EQ(output_of(command), "new kept added\n1\n");
  EXPECT_STREQ(getenv("PARTITA_TEST_REPLACED"), "old");
}

TEST_F(ChildOutput, BothStreamsGoToTheLogWhichIsAppendedTo) {
  std::ofstream(log_) << "before\n";
  EXPECT_EQ(output_of(shell("echo out; echo err >&2")), "before\nout\nerr\n");
}

// mpirun forwards its standard input to rank 0; a prompt on ours must not end there.
TEST_F(ChildOutput, StandardInputIsEmpty) {
  std::array<int, 2> feed{};
  ASSERT_EQ(pipe(feed.data()), 0);
  ASSERT_EQ(write(feed[1], "prompt\n", 7), 7);
  const int saved = dup(STDIN_FILENO);
  dup2(feed[0], STDIN_FILENO);
  const std::string output = output_of(shell("cat"));
  dup2(saved, STDIN_FILENO);
  for (const int fd : {feed[0], feed[1], saved}) close(fd);
  EXPECT_EQ(output, "");
}

TEST_F(ChildOutput, SignalsThatOurThreadBlocksAreNotBlockedThere) {
  sigset_t term;
  sigset_t saved;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, &saved);
  const auto status = end_of(shell("kill -TERM $$; exit 0"));
  pthread_sigmask(SIG_SETMASK, &saved, nullptr);
  EXPECT_EQ(status, (ExitStatus{true, SIGTERM}));
}

TEST_F(ChildOutput, TheDestructorKillsTheWholeGroup) {
  pid_t grandchild = -1;
  {
    const Child child(shell("sleep 60 & echo $!; wait", log_));
    grandchild = wait_for_pid();
    ASSERT_GT(grandchild, 0);
    EXPECT_TRUE(is_running(grandchild));
  }
  EXPECT_TRUE(ends_soon(grandchild));
}

TEST_F(ChildOutput, AChildDiesWithItsParent) {
  const pid_t parent = fork();
  if (parent == 0) {
    const Child child(shell("echo $$; exec sleep 60", log_));
    pause();
  }
  const pid_t child = wait_for_pid();
  kill(parent, SIGKILL);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  ASSERT_GT(child, 0);
  EXPECT_TRUE(ends_soon(child));
}

TEST_F(ChildOutput, ALauncherGetsTheSignalItCanTidyUpOn) {
  const pid_t parent = fork();
  if (parent == 0) {
    ChildCommand command =
        shell("trap 'echo tidy; exit' TERM; echo $$; while :; do sleep 0.01; done", log_);
    command.signal_at_parents_end = SIGTERM;
    const Child child(command);
    pause();
  }
  const pid_t child = wait_for_pid();
  kill(parent, SIGKILL);
  ASSERT_EQ(waitpid(parent, nullptr, 0), parent);
  EXPECT_TRUE(ends_soon(child));
  EXPECT_THAT(read_text(log_), HasSubstr("tidy"));
}

TEST(Child, AStatusThatSomebodyElseCollectedEndsTheWait) {
  Child child(shell("exit 3"));
  ASSERT_EQ(waitpid(child.pid(), nullptr, 0), child.pid());
  EXPECT_EQ(child.wait(steady_clock::now() + kLong), (ExitStatus{false, ExitStatus::kUnknown}));
}

}  // namespace
}  // namespace partita::launch
