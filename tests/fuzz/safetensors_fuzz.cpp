// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a safetensors file are refused with an Error or give tensors that lie
// inside the file.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "formats/safetensors_header.h"
#include "support/error.h"

namespace {

using partita::formats::kSafetensorsPrefixBytes;

void read_file(const uint8_t* data, int64_t size) {
  std::array<std::byte, kSafetensorsPrefixBytes> prefix{};
  std::transform(data, data + prefix.size(), prefix.begin(),
                 [](uint8_t byte) { return std::byte{byte}; });
  const int64_t header_bytes = partita::formats::safetensors_header_bytes(prefix, size, "fuzz");
  const std::string_view json(reinterpret_cast<const char*>(data) + kSafetensorsPrefixBytes,
                              static_cast<size_t>(header_bytes));
  int64_t end = kSafetensorsPrefixBytes + header_bytes;
  for (const auto& tensor :
       partita::formats::parse_safetensors_header(json, size, "fuzz").tensors) {
    if (tensor.bytes.begin != end || tensor.bytes.end < end) std::abort();
    int64_t elements = 1;
    for (const int64_t dim : tensor.shape) elements = dim == 0 ? 0 : elements * dim;
    const bool has_zero = std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0;
    if (!has_zero && elements * partita::size_of(tensor.dtype) != tensor.bytes.size()) std::abort();
    end = tensor.bytes.end;
  }
  if (end != size) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kSafetensorsPrefixBytes) return 0;
  try {
    read_file(data, static_cast<int64_t>(size));
  } catch (const partita::Error& error) {
    if (error.code() == partita::ErrorCode::kInternal) std::abort();
  }
  return 0;
}
