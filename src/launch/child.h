// SPDX-License-Identifier: Apache-2.0
// Child processes that die with their parent.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace partita::launch {

struct ChildCommand {
  std::vector<std::string> arguments;  // arguments[0] = program (PATH is searched)
  std::vector<std::pair<std::string, std::string>>
      environment;       // added to or replacing the parent's
  std::string log_file;  // standard output and error; empty = the parent's
  int signal_at_parents_end = SIGKILL;
};

// How a child ended: its exit code, or the signal that killed it.
struct ExitStatus {
  bool signalled = false;
  int code = 0;  // exit code or signal number; kUnknown where somebody else has collected it

  static constexpr int kUnknown = -1;
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};
// "exited with code 3", "was killed by signal 9 (Killed)", "ended, nobody knows how".
[[nodiscard]] std::string to_string(const ExitStatus& status);

// A running child in a process group of its own, so that a Ctrl-C in the terminal reaches only the
// parent. Its standard input is empty: the parent's is for the parent. The kernel sends it
// signal_at_parents_end when the thread that started it ends (PR_SET_PDEATHSIG). The destructor
// kills the group of a child that still runs, and reaps the child. Owned by one thread.
class Child {
 public:
  // Throws kSystem, also when the program cannot be executed or the log file not be written.
  explicit Child(const ChildCommand& command);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // The status if the child has ended; does not wait.
  [[nodiscard]] std::optional<ExitStatus> poll();
  // Waits for the end; nothing at the deadline.
  [[nodiscard]] std::optional<ExitStatus> wait(std::chrono::steady_clock::time_point deadline);
  // Sends `signal` to the child's process group.
  void kill(int signal);

 private:
  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
};

}  // namespace partita::launch
