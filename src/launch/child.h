// SPDX-License-Identifier: Apache-2.0
// Child processes that die with their parent.
#pragma once

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
};

// How a child ended: its exit code, or the signal that killed it.
struct ExitStatus {
  bool signalled = false;
  int code = 0;  // exit code or signal number
};
[[nodiscard]] std::string to_string(
    const ExitStatus& status);  // "exited with code 3", "was killed by signal 9 (Killed)"

// A running child in a process group of its own, so that a Ctrl-C in the terminal reaches only the
// parent. The kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG). The
// destructor kills and reaps the whole group.
class Child {
 public:
  // Throws kSystem, also when the program cannot be executed.
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
