// SPDX-License-Identifier: Apache-2.0
// Opens checkpoint directories.
#include "formats/checkpoint.h"

#include "formats/gguf/file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_index.h"
#include "support/error.h"

namespace partita::formats {
namespace {

// What people have instead of safetensors, for the hint in the message.
std::string other_weights(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const char* name :
       {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth",
        "consolidated.safetensors", "tf_model.h5", "flax_model.msgpack"}) {
    if (std::filesystem::exists(directory / name, ignored)) {
      return str("; it holds ", name, ", convert it with save_pretrained(safe_serialization=True)");
    }
  }
  return {};
}

}  // namespace

Checkpoint Checkpoint::open(const std::filesystem::path& directory) {
  if (const auto gguf = find_gguf(directory)) {
    Checkpoint checkpoint(directory);
    checkpoint.open_gguf(*gguf);
    return checkpoint;
  }
  std::error_code ignored;
  const auto index = directory / kSafetensorsIndexName;
  if (std::filesystem::exists(index, ignored)) {
    Checkpoint checkpoint(directory);
    checkpoint.open_index(index);
    return checkpoint;
  }
  const auto single = directory / kSafetensorsSingleName;
  if (!std::filesystem::exists(single, ignored)) {
    throw Error(ErrorCode::kNotFound,
                str("[checkpoint] ", directory.string(), " holds neither ", kSafetensorsIndexName,
                    ", ", kSafetensorsSingleName, " nor a GGUF file", other_weights(directory)));
  }
  return open_file(single);
}

Checkpoint Checkpoint::open_file(const std::filesystem::path& file) {
  Checkpoint checkpoint(file);
  checkpoint.files_.push_back(std::make_unique<SafetensorsFile>(file));
  const TensorFile& opened = *checkpoint.files_.back();
  for (const TensorInfo& tensor : opened.tensors())
    checkpoint.places_[tensor.name] = {&opened, &tensor};
  return checkpoint;
}

Checkpoint Checkpoint::open_parts(const std::filesystem::path& directory,
                                  const std::vector<std::string>& files) {
  Checkpoint checkpoint(directory);
  for (const std::string& name : files) {
    const auto path = directory / name;
    checkpoint.files_.push_back(std::make_unique<SafetensorsFile>(path));
    const TensorFile& opened = *checkpoint.files_.back();
    for (const TensorInfo& tensor : opened.tensors()) {
      checkpoint.places_[str(path.stem().string(), "/", tensor.name)] = {&opened, &tensor};
    }
  }
  return checkpoint;
}

void Checkpoint::open_index(const std::filesystem::path& index_path) {
  const SafetensorsIndex index = read_safetensors_index(index_path);
  std::map<std::string, const TensorFile*, std::less<>> opened;
  for (const std::string& name : index.files()) {
    const auto file = index_path.parent_path() / name;
    std::error_code ignored;
    if (!std::filesystem::exists(file, ignored)) {
      throw Error(ErrorCode::kNotFound, str("[checkpoint] ", index_path.string(), " names file ",
                                            name, ", which is missing; download it again"));
    }
    files_.push_back(std::make_unique<SafetensorsFile>(file));
    opened[name] = files_.back().get();
  }
  for (const auto& [tensor, file_name] : index.file_of_tensor) {
    const TensorFile* file = opened.at(file_name);
    const TensorInfo* info = file->find(tensor);
    if (info == nullptr) {
      throw Error(ErrorCode::kInvalidFile,
                  str("[checkpoint] ", index_path.string(), ": tensor ", tensor, " should be in ",
                      file_name, ", which does not hold it"));
    }
    places_[tensor] = {file, info};
  }
  for (const auto& file : files_) {
    for (const TensorInfo& tensor : file->tensors()) {
      const auto place = places_.find(tensor.name);
      if (place == places_.end() || place->second.info != &tensor) {
        unindexed_.push_back(str(tensor.name, " (", file->path().filename().string(), ")"));
      }
    }
  }
}

void Checkpoint::open_gguf(const std::filesystem::path& first) {
  for (auto& part : open_gguf_parts(first)) {
    for (const TensorInfo& tensor : part->tensors()) {
      if (!places_.emplace(tensor.name, TensorPlace{part.get(), &tensor}).second) {
        throw Error(ErrorCode::kInvalidFile,
                    str("[gguf] ", part->path().string(), ": tensor ", tensor.name,
                        " is in another part as well; download all parts again"));
      }
    }
    files_.push_back(std::move(part));
  }
}

TensorPlace Checkpoint::find(std::string_view name) const {
  const auto found = places_.find(name);
  if (found == places_.end()) {
    throw Error(ErrorCode::kNotFound, str("[checkpoint] ", path_.string(), " holds no tensor ",
                                          name, "; does its config belong to these weights?"));
  }
  return found->second;
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, place] : places_) names.push_back(name);
  return names;
}

const GgufMetadata* Checkpoint::gguf() const {
  const auto* first = files_.empty() ? nullptr : dynamic_cast<const GgufFile*>(files_[0].get());
  return first == nullptr ? nullptr : &first->metadata();
}

int64_t Checkpoint::header_bytes() const {
  int64_t total = 0;
  for (const auto& file : files_) total += file->header_bytes();
  return total;
}

int64_t Checkpoint::bytes_read() const {
  int64_t total = 0;
  for (const auto& file : files_) total += file->payload_bytes_read();
  return total;
}

std::optional<std::set<std::string, std::less<>>> peek_tensor_names(
    const std::filesystem::path& directory) {
  std::error_code ignored;
  std::set<std::string, std::less<>> names;
  if (const auto index = directory / kSafetensorsIndexName;
      std::filesystem::exists(index, ignored)) {
    for (const auto& [tensor, file] : read_safetensors_index(index).file_of_tensor)
      names.insert(tensor);
    return names;
  }
  const auto single = directory / kSafetensorsSingleName;
  if (!std::filesystem::exists(single, ignored)) return std::nullopt;
  const SafetensorsFile file(single);
  for (const TensorInfo& tensor : file.tensors()) names.insert(tensor.name);
  return names;
}

}  // namespace partita::formats
