// SPDX-License-Identifier: Apache-2.0
// Positional reads over a POSIX descriptor.
#include "formats/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "support/error.h"

namespace partita::formats {

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw Error(ErrorCode::kNotFound, str("[file] cannot open ", path_.string(), ": ",
                                          std::strerror(errno), "; check path and permissions"));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(ErrorCode::kInvalidFile, str("[file] ", path_.string(), " is no regular file"));
  }
  size_ = status.st_size;
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(int64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(descriptor_, to.data(), to.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      throw Error(ErrorCode::kSystem, str("[file] reading ", path_.string(), " at byte ", offset,
                                          ": ", std::strerror(errno)));
    }
    if (got == 0) {
      throw Error(ErrorCode::kInvalidFile,
                  str("[file] ", path_.string(), " ends at byte ", offset, "; expected ", to.size(),
                      " more bytes; was it cut while being read?"));
    }
    offset += got;
    to = to.subspan(static_cast<size_t>(got));
  }
}

}  // namespace partita::formats
