// SPDX-License-Identifier: Apache-2.0
// Safetensors files on disk.
#include "formats/safetensors.h"

#include <array>

#include "support/error.h"

namespace partita::formats {

SafetensorsFile::SafetensorsFile(std::filesystem::path path) : file_(std::move(path)) {
  const std::string what = file_.path().string();
  if (file_.size() < kSafetensorsPrefixBytes) {
    throw Error(ErrorCode::kInvalidFile, str("[safetensors] ", what, " has ", file_.size(),
                                             " bytes; expected at least 8; it is truncated"));
  }
  std::array<std::byte, kSafetensorsPrefixBytes> prefix{};
  file_.read(0, prefix);
  std::string json(static_cast<size_t>(safetensors_header_bytes(prefix, file_.size(), what)), '\0');
  file_.read(kSafetensorsPrefixBytes, std::as_writable_bytes(std::span(json)));
  header_ = parse_safetensors_header(json, file_.size(), what);
  header_bytes_ = kSafetensorsPrefixBytes + static_cast<int64_t>(json.size());
  for (size_t i = 0; i < header_.tensors.size(); ++i) index_[header_.tensors[i].name] = i;
}

void SafetensorsFile::read(int64_t offset, std::span<std::byte> to) const {
  file_.read(offset, to);
  payload_bytes_read_ += static_cast<int64_t>(to.size());
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &header_.tensors[found->second];
}

}  // namespace partita::formats
