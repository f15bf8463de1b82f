// SPDX-License-Identifier: Apache-2.0
// GGUF files on disk, alone or split into numbered parts.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "formats/gguf/header.h"
#include "formats/tensor_file.h"

namespace partita::formats {

// An open GGUF file.
class GgufFile : public TensorFile {
 public:
  // Reads and checks the head. Throws kNotFound, kInvalidFile or kUnsupported (see header.h).
  explicit GgufFile(const std::filesystem::path& path);

  [[nodiscard]] const GgufMetadata& metadata() const { return metadata_; }

 private:
  struct Opened {
    std::unique_ptr<const InputFile> file;
    GgufHeader header;
  };
  static Opened open(const std::filesystem::path& path);
  explicit GgufFile(Opened opened);

  GgufMetadata metadata_;
};

// The GGUF file that `path` means: the file itself when its name ends in .gguf; of a folder that
// holds no Hugging Face checkpoint the one GGUF file in it, of a split model its first part.
// Nothing when `path` is something else. Throws kInvalidArgument when the folder holds several.
[[nodiscard]] std::optional<std::filesystem::path> find_gguf(const std::filesystem::path& path);

// `first` and, when its metadata says that it is part 1 of several, all the others. Throws
// kNotFound (a part is missing), kInvalidArgument (a part that is not the first), kInvalidFile
// (parts that do not belong together) and what opening a part throws.
[[nodiscard]] std::vector<std::unique_ptr<const GgufFile>> open_gguf_parts(
    const std::filesystem::path& first);

}  // namespace partita::formats
