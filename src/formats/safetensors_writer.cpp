// SPDX-License-Identifier: Apache-2.0
// Streaming writer of safetensors files.
#include "formats/safetensors_writer.h"

#include <unistd.h>

#include "formats/safetensors_header.h"
#include "support/checked_math.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::formats {
namespace {

[[noreturn]] void refuse(const std::string& tensor, std::string_view rule) {
  throw Error(ErrorCode::kInvalidArgument, str("[safetensors writer] tensor ", tensor, ": ", rule));
}

// The header and the number of data bytes after it.
std::pair<std::string, int64_t> header_of(const std::vector<TensorDeclaration>& tensors,
                                          const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  Json notes = metadata;
  int64_t end = 0;
  for (const TensorDeclaration& tensor : tensors) {
    if (header.contains(tensor.name) || tensor.name == "__metadata__") {
      refuse(tensor.name, "names must be unique and not __metadata__");
    }
    std::vector<int64_t> shape = tensor.shape;
    DType dtype = tensor.dtype;
    if (is_block_type(dtype)) {
      if (shape.empty() || shape.back() % block_elements(dtype) != 0) {
        refuse(tensor.name, str("the last dim must be a multiple of ", block_elements(dtype)));
      }
      notes[str(kBlockTypeKey, tensor.name)] = to_string(dtype);
      shape.back() = bytes_of(dtype, shape.back());
      dtype = DType::kU8;
    }
    const auto elements = checked_product(shape);
    const auto bytes = elements ? checked_mul(*elements, size_of(dtype)) : elements;
    const auto next = bytes ? checked_add(end, *bytes) : bytes;
    if (!next) refuse(tensor.name, "sizes must be 0 or more and below 2^63 bytes in all");
    header[tensor.name] = {
        {"dtype", safetensors_dtype_name(dtype)}, {"shape", shape}, {"data_offsets", {end, *next}}};
    end = *next;
  }
  if (!notes.empty()) header["__metadata__"] = std::move(notes);
  std::string text = header.dump();
  // Readers that map the file like data to start on a multiple of 8.
  text.append((8 - text.size() % 8) % 8, ' ');
  return {text, end};
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(std::filesystem::path path,
                                     const std::vector<TensorDeclaration>& tensors,
                                     const std::map<std::string, std::string>& metadata)
    : path_(std::move(path)), temporary_path_(path_.string() + str(".", getpid(), ".tmp")) {
  const auto [header, data_bytes] = header_of(tensors, metadata);
  missing_bytes_ = data_bytes;
  out_.open(temporary_path_, std::ios::binary | std::ios::trunc);
  for (size_t i = 0; i < 8; ++i) out_.put(static_cast<char>(header.size() >> (8 * i) & 0xff));
  out_ << header;
  check_written();
}

SafetensorsWriter::~SafetensorsWriter() {
  if (finished_) return;
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_path_, ignored);
}

void SafetensorsWriter::append(std::span<const std::byte> bytes) {
  missing_bytes_ -= static_cast<int64_t>(bytes.size());
  CHECK(missing_bytes_ >= 0, "more bytes than declared for ", path_.string());
  out_.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  check_written();
}

void SafetensorsWriter::finish() {
  CHECK(missing_bytes_ == 0, missing_bytes_, " declared bytes missing in ", path_.string());
  out_.close();
  check_written();
  std::error_code failure;
  std::filesystem::rename(temporary_path_, path_, failure);
  if (failure) {
    throw Error(ErrorCode::kSystem, str("[safetensors writer] cannot rename to ", path_.string(),
                                        ": ", failure.message()));
  }
  finished_ = true;
}

void SafetensorsWriter::check_written() {
  if (out_) return;
  std::error_code ignored;
  std::filesystem::remove(temporary_path_, ignored);
  throw Error(ErrorCode::kSystem,
              str("[safetensors writer] cannot write ", temporary_path_.string(),
                  "; check the folder, its permissions and the free space"));
}

}  // namespace partita::formats
