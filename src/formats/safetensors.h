// SPDX-License-Identifier: Apache-2.0
// Reads one safetensors file.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/input_file.h"
#include "formats/safetensors_header.h"

namespace partita::formats {

// An open safetensors file whose header has been checked completely. Tensor bytes are read on
// demand with pread; nothing is mapped or cached. Thread-safe after construction.
class SafetensorsFile {
 public:
  // Reads and checks the header. Throws kNotFound, kInvalidFile or kUnsupported (see
  // safetensors_header.h).
  explicit SafetensorsFile(std::filesystem::path path);

  // Fills `to` with the file's bytes from `offset` (see TensorInfo::bytes) and counts them.
  void read(int64_t offset, std::span<std::byte> to) const;

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const {
    return header_.metadata;
  }
  // Null when there is no tensor of that name. Valid as long as the file.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const;

  [[nodiscard]] int64_t header_bytes() const {
    return header_bytes_;
  }  // with the 8 bytes before it
  [[nodiscard]] int64_t payload_bytes_read() const { return payload_bytes_read_; }

 private:
  InputFile file_;
  SafetensorsHeader header_;
  std::map<std::string, size_t, std::less<>> index_;  // name -> place in header_.tensors
  int64_t header_bytes_ = 0;
  mutable std::atomic<int64_t> payload_bytes_read_{0};
};

}  // namespace partita::formats
