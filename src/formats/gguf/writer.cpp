// SPDX-License-Identifier: Apache-2.0
// Streaming writer of GGUF files.
#include "formats/gguf/writer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <set>

#include "formats/gguf/header.h"
#include "formats/gguf/tensor_types.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

constexpr size_t kMaxDims = 4;

[[noreturn]] void refuse(const std::string& tensor, std::string_view rule) {
  throw Error(ErrorCode::kInvalidArgument, str("[gguf writer] tensor ", tensor, ": ", rule));
}

int64_t padding_of(int64_t bytes) {
  return (kGgufDefaultAlignment - bytes % kGgufDefaultAlignment) % kGgufDefaultAlignment;
}

int64_t bytes_of_tensor(const TensorDeclaration& tensor) {
  const auto elements = checked_product(tensor.shape);
  if (tensor.shape.size() > kMaxDims || !elements || *elements == 0) {
    refuse(tensor.name, "expected at most 4 dims, none of them 0, and less than 2^63 elements");
  }
  const int64_t block = block_elements(tensor.dtype);
  if (block > 1 && (tensor.shape.empty() || tensor.shape.back() % block != 0)) {
    refuse(tensor.name, str("rows of ", to_string(tensor.dtype), " need a multiple of ", block));
  }
  const auto bytes = checked_mul(*elements / block, block_bytes(tensor.dtype));
  if (!bytes) refuse(tensor.name, "it has more than 2^63 bytes");
  return *bytes;
}

// Collects the bytes of the head.
class Head {
 public:
  template <typename T>
  void number(T value) {
    const auto* bytes = reinterpret_cast<const char*>(&value);
    bytes_.append(bytes, sizeof(value));
  }

  void text(const std::string& value) {
    number<uint64_t>(value.size());
    bytes_ += value;
  }

  void value(const GgufValue& value) {
    if (!value.is_array) {
      number(static_cast<uint32_t>(value.type));
      return elements(value);
    }
    number(static_cast<uint32_t>(GgufType::kArray));
    array(value);
  }

  void tensor(const TensorDeclaration& tensor, int64_t offset) {
    const auto type = gguf_tensor_type_of(tensor.dtype);
    if (!type) refuse(tensor.name, str("GGUF holds no ", to_string(tensor.dtype)));
    text(tensor.name);
    number(static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) number<int64_t>(tensor.shape[i]);
    number(*type);
    number<int64_t>(offset);
  }

  // The head up to the first tensor.
  std::string take() {
    bytes_.append(static_cast<size_t>(padding_of(static_cast<int64_t>(bytes_.size()))), '\0');
    return std::move(bytes_);
  }

 private:
  void array(const GgufValue& value) {
    number(static_cast<uint32_t>(value.type));
    number<uint64_t>(value.size());
    elements(value);
  }

  template <typename T>
  void numbers(const GgufValue& value) {
    for (const int64_t integer : value.integers) number(static_cast<T>(integer));
    for (const double real : value.numbers) number(static_cast<T>(real));
  }

  void elements(const GgufValue& value) {
    switch (value.type) {
      case GgufType::kU8:
      case GgufType::kI8:
      case GgufType::kBool:
        return numbers<uint8_t>(value);
      case GgufType::kU16:
      case GgufType::kI16:
        return numbers<uint16_t>(value);
      case GgufType::kU32:
      case GgufType::kI32:
        return numbers<uint32_t>(value);
      case GgufType::kU64:
      case GgufType::kI64:
        return numbers<uint64_t>(value);
      case GgufType::kF32:
        return numbers<float>(value);
      case GgufType::kF64:
        return numbers<double>(value);
      case GgufType::kString:
        for (const std::string& entry : value.texts) text(entry);
        return;
      case GgufType::kArray:
        for (const GgufValue& entry : value.arrays) array(entry);
        return;
    }
  }

  std::string bytes_;
};

std::string head_of(const std::map<std::string, GgufValue, std::less<>>& metadata,
                    const std::vector<TensorDeclaration>& tensors,
                    const std::vector<int64_t>& sizes) {
  Head head;
  head.number<uint32_t>(0x46554747);  // "GGUF"
  head.number<uint32_t>(3);
  head.number<uint64_t>(tensors.size());
  head.number<uint64_t>(metadata.size());
  for (const auto& [key, value] : metadata) {
    head.text(key);
    head.value(value);
  }
  std::set<std::string> names;
  int64_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!names.insert(tensors[i].name).second) refuse(tensors[i].name, "names must be unique");
    head.tensor(tensors[i], offset);
    const auto end = checked_add(offset, sizes[i]);
    const auto next = end ? checked_add(*end, padding_of(*end)) : end;
    if (!next) refuse(tensors[i].name, "the file would have more than 2^63 bytes");
    offset = *next;
  }
  return head.take();
}

}  // namespace

GgufWriter::GgufWriter(std::filesystem::path path,
                       const std::map<std::string, GgufValue, std::less<>>& metadata,
                       const std::vector<TensorDeclaration>& tensors)
    : path_(std::move(path)), temporary_path_(path_.string() + str(".", getpid(), ".tmp")) {
  for (const TensorDeclaration& tensor : tensors) sizes_.push_back(bytes_of_tensor(tensor));
  const std::string head = head_of(metadata, tensors, sizes_);
  out_.open(temporary_path_, std::ios::binary | std::ios::trunc);
  write(std::as_bytes(std::span(head)));
}

GgufWriter::~GgufWriter() {
  if (finished_) return;
  out_.close();
  std::error_code ignored;
  std::filesystem::remove(temporary_path_, ignored);
}

void GgufWriter::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    CHECK(tensor_ < sizes_.size(), "more bytes than declared for ", path_.string());
    const int64_t missing = sizes_[tensor_] - written_;
    const auto now = std::min(bytes.size(), static_cast<size_t>(missing));
    write(bytes.first(now));
    written_ += static_cast<int64_t>(now);
    bytes = bytes.subspan(now);
    pad_finished_tensors();
  }
}

void GgufWriter::pad_finished_tensors() {
  if (written_ < sizes_[tensor_]) return;
  constexpr std::array<std::byte, kGgufDefaultAlignment> kZeros{};
  write(std::span(kZeros).first(static_cast<size_t>(padding_of(written_))));
  ++tensor_;
  written_ = 0;
}

void GgufWriter::finish() {
  CHECK(tensor_ == sizes_.size(), "tensor ", tensor_, " is incomplete in ", path_.string());
  out_.close();
  write({});
  std::error_code failure;
  std::filesystem::rename(temporary_path_, path_, failure);
  if (failure) {
    throw Error(ErrorCode::kSystem,
                str("[gguf writer] cannot rename to ", path_.string(), ": ", failure.message()));
  }
  finished_ = true;
}

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (!bytes.empty()) {
    out_.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  if (out_) return;
  std::error_code ignored;
  std::filesystem::remove(temporary_path_, ignored);
  throw Error(ErrorCode::kSystem, str("[gguf writer] cannot write ", temporary_path_.string(),
                                      "; check the folder, its permissions and the free space"));
}

}  // namespace partita::formats
