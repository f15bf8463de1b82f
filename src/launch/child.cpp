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

constexpr int kNotStarted = 127;  // as shells say it

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
        log_file(command.log_file),
        signal_at_parents_end(command.signal_at_parents_end) {}

  std::vector<std::string> argument_text;
  std::vector<std::string> environment_text;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::string log_file;
  int signal_at_parents_end;
};

// What a child could not do, as it tells its parent.
enum class Step : int { kPrepare, kOpenLog, kExecute };
struct StartFailure {
  Step step = Step::kPrepare;
  int error = 0;
};

// A launcher that reads standard input would take it away from the parent (`--prompt -`).
bool close_input() {
  const int fd = open("/dev/null", O_RDONLY);
  if (fd <= STDIN_FILENO) return fd == STDIN_FILENO;  // it was closed
  const bool done = dup2(fd, STDIN_FILENO) >= 0;
  close(fd);
  return done;
}

bool redirect_output(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  return fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0;
}

// Runs in the child: everything up to the new program. Returns what failed.
Step prepare_and_execute(const ExecImage& image, pid_t parent) {
  setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);  // what our thread has blocked is not the child's wish
  if (prctl(PR_SET_PDEATHSIG, image.signal_at_parents_end) != 0) return Step::kPrepare;
  if (getppid() != parent) _exit(kNotStarted);  // the parent died before prctl()
  if (!close_input()) return Step::kPrepare;
  if (!image.log_file.empty() && !redirect_output(image.log_file)) return Step::kOpenLog;
  execvpe(image.arguments[0], image.arguments.data(), image.environment.data());
  return Step::kExecute;
}

// On failure writes to the pipe, which a successful exec closes.
[[noreturn]] void become(const ExecImage& image, pid_t parent, int failure_pipe) {
  const Step step = prepare_and_execute(image, parent);
  const StartFailure failure{step, errno};
  [[maybe_unused]] const ssize_t written = write(failure_pipe, &failure, sizeof(failure));
  _exit(kNotStarted);
}

// Waits for the exec of the child. True when it failed.
bool read_failure(int failure_pipe, StartFailure& failure) {
  ssize_t received = 0;
  do {
    received = read(failure_pipe, &failure, sizeof(failure));
  } while (received < 0 && errno == EINTR);
  return received > 0;
}

void reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void throw_failure(const ChildCommand& command, const StartFailure& failure) {
  const std::string& program = command.arguments[0];
  switch (failure.step) {
    case Step::kPrepare:
      system_error(str("preparing the process of ", program), failure.error);
    case Step::kOpenLog:
      throw Error(ErrorCode::kSystem,
                  str("[launch] cannot write the log file ", command.log_file, ": ",
                      std::strerror(failure.error), "; give a folder that exists and is writable"));
    case Step::kExecute:
      break;
  }
  throw Error(ErrorCode::kSystem,
              str("[launch] cannot start \"", program, "\": ", std::strerror(failure.error),
                  "; install it, put it on PATH or give its path"));
}

}  // namespace

std::string to_string(const ExitStatus& status) {
  if (status.signalled)
    return str("was killed by signal ", status.code, " (", strsignal(status.code), ")");
  if (status.code == ExitStatus::kUnknown) return "ended, nobody knows how";
  return str("exited with code ", status.code);
}

Child::Child(const ChildCommand& command) {
  CHECK(!command.arguments.empty());
  const ExecImage image(command);
  int failure_pipe[2];
  if (pipe2(failure_pipe, O_CLOEXEC) != 0) system_error("pipe2", errno);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(image, parent, failure_pipe[1]);
  const int fork_error = errno;
  close(failure_pipe[1]);
  StartFailure failure;
  const bool failed = pid_ > 0 && read_failure(failure_pipe[0], failure);
  close(failure_pipe[0]);
  if (pid_ < 0) system_error("fork", fork_error);
  if (!failed) return;
  reap(pid_);
  throw_failure(command, failure);
}

Child::~Child() {
  if (pid_ < 0 || poll()) return;
  kill(SIGKILL);
  reap(pid_);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_) {}

std::optional<ExitStatus> Child::poll() {
  if (status_ || pid_ < 0) return status_;
  int raw = 0;
  const pid_t ended = waitpid(pid_, &raw, WNOHANG);
  if (ended == pid_) {
    status_ =
        WIFSIGNALED(raw) ? ExitStatus{true, WTERMSIG(raw)} : ExitStatus{false, WEXITSTATUS(raw)};
  } else if (ended < 0 && errno == ECHILD) {
    // The program around us ignores SIGCHLD or waits for all children: the number may be another's.
    status_ = ExitStatus{false, ExitStatus::kUnknown};
  }
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
