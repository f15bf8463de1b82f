// SPDX-License-Identifier: Apache-2.0
// Writes a safetensors file piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/dtype.h"

namespace partita::formats {

struct TensorDeclaration {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

// First all tensors are declared, then their bytes are appended in the same order in pieces of any
// size. The file appears under its name only in finish(); without it nothing stays on disk. Owned
// by one thread.
class SafetensorsWriter {
 public:
  // Throws kInvalidArgument (two tensors of one name, sizes that overflow) and kSystem (cannot
  // write).
  SafetensorsWriter(std::filesystem::path path,
                    const std::vector<TensorDeclaration>& tensors,
                    const std::map<std::string, std::string>& metadata = {});
  ~SafetensorsWriter();
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;

  void append(std::span<const std::byte> bytes);
  // CHECKs that all declared bytes were appended, then renames the file into place.
  void finish();

 private:
  void check_written();

  std::filesystem::path path_;
  std::filesystem::path temporary_path_;
  std::ofstream out_;
  int64_t missing_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace partita::formats
