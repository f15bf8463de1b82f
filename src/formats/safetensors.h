// SPDX-License-Identifier: Apache-2.0
// Reads one safetensors file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "formats/safetensors_header.h"
#include "formats/tensor_file.h"

namespace partita::formats {

// An open safetensors file.
class SafetensorsFile : public TensorFile {
 public:
  // Reads and checks the header. Throws kNotFound, kInvalidFile or kUnsupported (see
  // safetensors_header.h).
  explicit SafetensorsFile(const std::filesystem::path& path);

  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  struct Opened {
    std::unique_ptr<const InputFile> file;
    SafetensorsHeader header;
    int64_t header_bytes = 0;  // with the 8 bytes before it
  };
  static Opened open(const std::filesystem::path& path);
  explicit SafetensorsFile(Opened opened);

  std::map<std::string, std::string> metadata_;
};

}  // namespace partita::formats
