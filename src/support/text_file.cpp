// SPDX-License-Identifier: Apache-2.0
// Text files that appear whole.
#include "support/text_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "support/error.h"

namespace partita {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void cannot_write(const fs::path& path, const std::string& reason) {
  throw Error(ErrorCode::kSystem, str("[file] cannot write ", path.string(), ": ", reason,
                                      "; check the folder, its permissions and the free space"));
}

// A file beside the one that is meant; goes away unless it is renamed. Devices and pipes
// (/dev/stdout) are written to as they are.
class Temporary {
 public:
  explicit Temporary(fs::path path)
      : path_(std::move(path)), name_(path_.string() + str(".", getpid(), ".tmp")) {
    std::error_code ignored;
    if (fs::is_directory(path_, ignored)) cannot_write(path_, std::strerror(EISDIR));
    is_file_ = !fs::exists(path_, ignored) || fs::is_regular_file(path_, ignored);
    if (!is_file_) name_ = path_.string();
    file_.reset(std::fopen(name_.c_str(), "wb"));
    if (!file_) cannot_write(path_, std::strerror(errno));
  }
  ~Temporary() {
    std::error_code ignored;
    if (is_file_) fs::remove(name_, ignored);
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  void write(std::string_view text) {
    const bool is_written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() &&
                            std::fflush(file_.get()) == 0;
    if (!is_written) cannot_write(path_, std::strerror(errno));
    // A file system over a network may say only now that it has no room.
    if (std::fclose(file_.release()) != 0) cannot_write(path_, std::strerror(errno));
    if (!is_file_) return;
    std::error_code failure;
    fs::rename(name_, path_, failure);
    if (failure) cannot_write(path_, failure.message());
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };
  fs::path path_;
  std::string name_;
  bool is_file_ = true;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace

void write_text(const fs::path& path, std::string_view text) { Temporary(path).write(text); }

void check_writable(const fs::path& path) { Temporary file(path); }

}  // namespace partita
