// SPDX-License-Identifier: Apache-2.0
// Safetensors files on disk.
#include "formats/safetensors.h"

#include <array>

#include "support/error.h"

namespace partita::formats {

SafetensorsFile::Opened SafetensorsFile::open(const std::filesystem::path& path) {
  auto file = std::make_unique<const InputFile>(path);
  const std::string what = path.string();
  if (file->size() < kSafetensorsPrefixBytes) {
    throw Error(ErrorCode::kInvalidFile, str("[safetensors] ", what, " has ", file->size(),
                                             " bytes; expected at least 8; it is truncated"));
  }
  std::array<std::byte, kSafetensorsPrefixBytes> prefix{};
  file->read(0, prefix);
  std::string json(static_cast<size_t>(safetensors_header_bytes(prefix, file->size(), what)), '\0');
  file->read(kSafetensorsPrefixBytes, std::as_writable_bytes(std::span(json)));
  SafetensorsHeader header = parse_safetensors_header(json, file->size(), what);
  return {std::move(file), std::move(header),
          kSafetensorsPrefixBytes + static_cast<int64_t>(json.size())};
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : SafetensorsFile(open(path)) {}

SafetensorsFile::SafetensorsFile(Opened opened)
    : TensorFile(std::move(opened.file), std::move(opened.header.tensors), opened.header_bytes),
      metadata_(std::move(opened.header.metadata)) {}

}  // namespace partita::formats
