// SPDX-License-Identifier: Apache-2.0
// A file of named tensors, whatever its format: what it holds and where.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/input_file.h"
#include "support/dtype.h"
#include "support/range.h"

namespace partita::formats {

// One tensor of a file: row major, little endian.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // outermost dim first
  Range bytes;                 // from the start of the file

  [[nodiscard]] int64_t elements() const;
};

// An open file whose header has been checked completely. Tensor bytes are read on demand with
// pread; nothing is mapped or cached. Thread-safe after construction.
class TensorFile {
 public:
  virtual ~TensorFile() = default;
  TensorFile(const TensorFile&) = delete;
  TensorFile& operator=(const TensorFile&) = delete;

  // Fills `to` with the file's bytes from `offset` (see TensorInfo::bytes) and counts them.
  void read(int64_t offset, std::span<std::byte> to) const;

  [[nodiscard]] const std::filesystem::path& path() const { return file_->path(); }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return tensors_; }
  // Null when there is no tensor of that name. Valid as long as the file.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const;

  [[nodiscard]] int64_t header_bytes() const { return header_bytes_; }  // before the tensors
  [[nodiscard]] int64_t payload_bytes_read() const { return payload_bytes_read_; }

 protected:
  TensorFile(std::unique_ptr<const InputFile> file,
             std::vector<TensorInfo> tensors,
             int64_t header_bytes);

 private:
  std::unique_ptr<const InputFile> file_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t, std::less<>> index_;  // name -> place in tensors_
  int64_t header_bytes_ = 0;
  mutable std::atomic<int64_t> payload_bytes_read_{0};
};

}  // namespace partita::formats
