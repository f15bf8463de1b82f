// SPDX-License-Identifier: Apache-2.0
// A file that is read by position.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace partita::formats {

// An open regular file. Owns its descriptor; reads of several threads do not disturb each other.
class InputFile {
 public:
  // Throws kNotFound when the file cannot be opened, kInvalidFile when it is no regular file.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Fills `to` from `offset` with pread. Throws kInvalidFile when the file ends before, kSystem on
  // I/O errors.
  void read(int64_t offset, std::span<std::byte> to) const;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] int64_t size() const { return size_; }  // at the time of opening

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
};

}  // namespace partita::formats
