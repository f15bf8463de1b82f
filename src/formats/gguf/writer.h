// SPDX-License-Identifier: Apache-2.0
// Writes a GGUF file (version 3) piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf/metadata.h"
#include "formats/safetensors_writer.h"

namespace partita::formats {

// First all keys and tensors are declared (shapes outermost dim first), then the bytes of the
// tensors are appended in the same order in pieces of any size; padding is added by itself. The
// file appears under its name only in finish(); without it nothing stays on disk. Owned by one
// thread.
class GgufWriter {
 public:
  // Throws kInvalidArgument (two tensors of one name, a shape or dtype that GGUF cannot hold) and
  // kSystem (cannot write).
  GgufWriter(std::filesystem::path path,
             const std::map<std::string, GgufValue, std::less<>>& metadata,
             const std::vector<TensorDeclaration>& tensors);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  void append(std::span<const std::byte> bytes);
  // CHECKs that all declared bytes were appended, then renames the file into place.
  void finish();

 private:
  void write(std::span<const std::byte> bytes);
  void pad_finished_tensors();

  std::filesystem::path path_;
  std::filesystem::path temporary_path_;
  std::ofstream out_;
  std::vector<int64_t> sizes_;  // of the tensors, in order
  size_t tensor_ = 0;           // the one being written
  int64_t written_ = 0;         // of it
  bool finished_ = false;
};

}  // namespace partita::formats
