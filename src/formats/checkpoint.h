// SPDX-License-Identifier: Apache-2.0
// The tensors of a checkpoint, in one file or many, of any format.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf/metadata.h"
#include "formats/tensor_file.h"

namespace partita::formats {

// Where a tensor lies. Both pointers live as long as the checkpoint.
struct TensorPlace {
  const TensorFile* file = nullptr;
  const TensorInfo* info = nullptr;
};

// An open checkpoint of any format; headers are read, tensors are not. Movable; thread-safe after
// opening.
//   const Checkpoint checkpoint = Checkpoint::open("dir");
//   const TensorPlace place = checkpoint.find("model.norm.weight");
class Checkpoint {
 public:
  // `path`: a GGUF file (with all its parts), or a folder: DIR/model.safetensors.index.json with
  // all its files, else DIR/model.safetensors, else its one GGUF file. Throws kNotFound (nothing of
  // that is there, or a file that the index names is missing), kInvalidFile (a header is wrong, or
  // a file lacks a tensor of the index), kInvalidArgument (several GGUF files).
  [[nodiscard]] static Checkpoint open(const std::filesystem::path& path);
  // Opens one safetensors file.
  [[nodiscard]] static Checkpoint open_file(const std::filesystem::path& file);
  // Opens several files of one directory; a tensor is called "<file without .safetensors>/<name>".
  // Throws as above.
  [[nodiscard]] static Checkpoint open_parts(const std::filesystem::path& directory,
                                             const std::vector<std::string>& files);

  // Throws kNotFound naming checkpoint and tensor.
  [[nodiscard]] TensorPlace find(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const { return places_.contains(name); }
  [[nodiscard]] std::vector<std::string> names() const;  // sorted

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::vector<std::unique_ptr<const TensorFile>>& files() const {
    return files_;
  }
  // The metadata of a GGUF file (of a split one, that of its first part); null for other formats.
  [[nodiscard]] const GgufMetadata* gguf() const;
  // Tensors that files hold but the index does not name (empty without index).
  [[nodiscard]] const std::vector<std::string>& unindexed() const { return unindexed_; }

  // Bytes of headers, and of tensors read so far, over all files.
  [[nodiscard]] int64_t header_bytes() const;
  [[nodiscard]] int64_t bytes_read() const;

 private:
  explicit Checkpoint(std::filesystem::path path) : path_(std::move(path)) {}
  void open_index(const std::filesystem::path& index_path);
  void open_gguf(const std::filesystem::path& first);

  std::filesystem::path path_;
  std::vector<std::unique_ptr<const TensorFile>> files_;
  std::map<std::string, TensorPlace, std::less<>> places_;
  std::vector<std::string> unindexed_;
};

// Names of all tensors of a safetensors checkpoint, from the index alone when there is one, else
// from the header of the single file. Nothing when the directory holds no safetensors checkpoint:
// planning needs none.
[[nodiscard]] std::optional<std::set<std::string, std::less<>>> peek_tensor_names(
    const std::filesystem::path& directory);

}  // namespace partita::formats
