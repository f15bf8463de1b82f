// SPDX-License-Identifier: Apache-2.0
#include "launch/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "support/error.h"

extern char** environ;

namespace partita::launch {
namespace {

[[noreturn]] void system_error(std::string_view call, int error) {
  throw Error(ErrorCode::kSystem, str("[launch] ", call, " failed: ", std::strerror(error)));
}

std::vector<std::string> merged_environment(const ChildCommand& command) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('='));
    bool replaced = false;
    for (const auto& [key, value] : command.environment) replaced |= name == key;
    if (!replaced) merged.emplace_back(text);
  }
  for (const auto& [key, value] : command.environment) merged.push_back(key + "=" + value);
  return merged;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Prepared before fork(): between fork() and exec() only async-signal-safe calls are allowed.
struct ExecImage {
  explicit ExecImage(const ChildCommand& command)
      : argument_text(command.arguments),
        environment_text(merged_environment(command)),
        arguments(pointers_to(argument_text)),
        environment(pointers_to(environment_text)),
        log_file(command.log_file) {}

  std::vector<std::string> argument_text;
  std::vector<std::string> environment_text;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string log_file;
};

bool redirect_output(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0;
}

// Runs in the child. On failure writes errno to the pipe, which a successful exec closes.
[[noreturn]] void become(const ExecImage& image, pid_t parent, int error_pipe) {
  setpgid(0, 0);
  bool ready = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  if (getppid() != parent) _exit(127);  // the parent died before prctl()
  if (!image.log_file.empty()) ready = ready && redirect_output(image.log_file);
  if (ready) execvpe(image.arguments[0], image.arguments.data(), image.environment.data());
  const int error = errno;
  [[maybe_unused]] const ssize_t written = write(error_pipe, &error, sizeof(error));
  _exit(127);
}

}  // namespace

std::string to_string(const ExitStatus& status) {
  if (status.signalled)
    return str("was killed by signal ", status.code, " (", strsignal(status.code), ")");
  return str("exited with code ", status.code);
}

Child::Child(const ChildCommand& command) {
  CHECK(!command.arguments.empty());
  const ExecImage image(command);
  int error_pipe[2];
  if (pipe2(error_pipe, O_CLOEXEC) != 0) system_error("pipe2", errno);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(image, parent, error_pipe[1]);
  const int fork_error = errno;
  close(error_pipe[1]);
  int exec_error = 0;
  const ssize_t received = pid_ > 0 ? read(error_pipe[0], &exec_error, sizeof(exec_error)) : 0;
  close(error_pipe[0]);
  if (pid_ < 0) system_error("fork", fork_error);
  if (received > 0) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
    system_error(str("starting ", command.arguments[0]), exec_error);
  }
}

Child::~Child() {
  if (pid_ < 0 || poll()) return;
  kill(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}

std::optional<ExitStatus> Child::poll() {
  if (status_ || pid_ < 0) return status_;
  int raw = 0;
  const pid_t ended = waitpid(pid_, &raw, WNOHANG);
  if (ended == pid_)
    status_ =
        WIFSIGNALED(raw) ? ExitStatus{true, WTERMSIG(raw)} : ExitStatus{false, WEXITSTATUS(raw)};
  return status_;
}

std::optional<ExitStatus> Child::wait(std::chrono::steady_clock::time_point deadline) {
  constexpr auto kPollInterval = std::chrono::milliseconds(1);
  while (!poll() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(kPollInterval);
  return status_;
}

void Child::kill(int signal) {
  if (pid_ < 0 || status_) return;
  // Both: the group exists only once the child has called setpgid().
  ::kill(-pid_, signal);
  ::kill(pid_, signal);
}

}  // namespace partita::launch
