// SPDX-License-Identifier: Apache-2.0
// Fuzz target: any bytes as a GGUF file are refused with an Error or give tensors that lie one
// after the other inside the file.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "formats/gguf/header.h"
#include "support/error.h"

namespace {

using namespace partita;

void read_file(const uint8_t* data, int64_t size) {
  const auto read = [&](int64_t offset, std::span<std::byte> to) {
    if (offset < 0 || offset > size || static_cast<int64_t>(to.size()) > size - offset) {
      std::abort();
    }
    std::memcpy(to.data(), data + offset, to.size());
  };
  const formats::GgufHeader header = formats::parse_gguf_header(read, size, "fuzz");
  int64_t end = header.data_begin;
  for (const formats::TensorInfo& tensor : header.tensors) {
    if (tensor.bytes.begin < end || tensor.bytes.end > size) std::abort();
    if (bytes_of(tensor.dtype, tensor.elements()) != tensor.bytes.size()) std::abort();
    end = tensor.bytes.end;
  }
  for (const auto& [key, value] : header.metadata.values()) (void)formats::to_string(value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    read_file(data, static_cast<int64_t>(size));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kInternal) std::abort();
  }
  return 0;
}
