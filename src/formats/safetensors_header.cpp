// SPDX-License-Identifier: Apache-2.0
// Strict reading of safetensors headers.
#include "formats/safetensors_header.h"

#include <algorithm>
#include <cstring>

#include "support/checked_math.h"
#include "support/error.h"
#include "support/json.h"

namespace partita::formats {
namespace {

constexpr size_t kMaxDims = 16;

[[noreturn]] void broken(std::string_view what, std::string_view tensor, const std::string& rule) {
  throw Error(ErrorCode::kInvalidFile,
              str("[safetensors] ", what, ": tensor ", tensor, ": ", rule));
}

// The list of non-negative integers under `key` of the entry of one tensor.
std::vector<int64_t> sizes_of(const Json& entry,
                              const char* key,
                              std::string_view what,
                              std::string_view tensor) {
  const auto list = entry.find(key);
  if (list == entry.end() || !list->is_array() || list->size() > kMaxDims) {
    broken(what, tensor, str(key, " is missing or no list of at most ", kMaxDims, " sizes"));
  }
  std::vector<int64_t> sizes;
  for (const Json& item : *list) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() > uint64_t{INT64_MAX}) {
      broken(what, tensor,
             str(key, " holds ", item.dump(), "; expected an integer of 0 .. 2^63-1"));
    }
    sizes.push_back(item.get<int64_t>());
  }
  return sizes;
}

DType dtype_of(const Json& entry, std::string_view what, std::string_view tensor) {
  const auto name = entry.find("dtype");
  if (name == entry.end() || !name->is_string())
    broken(what, tensor, "dtype is missing or no text");
  const auto text = name->get<std::string>();
  const auto dtype = parse_dtype(text);
  if (!dtype || is_block_type(*dtype) || safetensors_dtype_name(*dtype) != text) {
    throw Error(ErrorCode::kUnsupported,
                str("[safetensors] ", what, ": tensor ", tensor, ": dtype ", name->dump(),
                    " is not known; partita reads BOOL U8 I8 I16 I32 I64 F16 BF16 F32 F64"));
  }
  return *dtype;
}

// Byte range still relative to the data section.
TensorInfo tensor_of(const std::string& name, const Json& entry, std::string_view what) {
  if (!entry.is_object()) broken(what, name, "the entry is no object");
  for (const auto& [key, value] : entry.items()) {
    if (key != "dtype" && key != "shape" && key != "data_offsets") {
      broken(what, name, str("unknown key \"", key, "\"; expected dtype, shape, data_offsets"));
    }
  }
  TensorInfo tensor{.name = name, .dtype = dtype_of(entry, what, name), .shape = {}, .bytes = {}};
  tensor.shape = sizes_of(entry, "shape", what, name);
  const std::vector<int64_t> offsets = sizes_of(entry, "data_offsets", what, name);
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    broken(what, name, "data_offsets must be [begin, end] with begin <= end");
  }
  tensor.bytes = {offsets[0], offsets[1]};
  const auto elements = checked_product(tensor.shape);
  const auto bytes = elements ? checked_mul(*elements, size_of(tensor.dtype)) : elements;
  if (!bytes) broken(what, name, "its shape overflows 2^63 bytes");
  if (*bytes != tensor.bytes.size()) {
    broken(what, name,
           str("data_offsets span ", tensor.bytes.size(), " bytes; shape and dtype need ", *bytes));
  }
  return tensor;
}

void check_contiguous(std::vector<TensorInfo>& tensors, int64_t data_bytes, std::string_view what) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) { return a.bytes < b.bytes; });
  int64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.bytes.begin != end) {
      broken(
          what, tensor.name,
          str("begins at byte ", tensor.bytes.begin, " of the data, but the tensor before ends at ",
              end, tensor.bytes.begin < end ? " (overlap)" : " (hole)"));
    }
    end = tensor.bytes.end;
  }
  if (end != data_bytes) {
    throw Error(ErrorCode::kInvalidFile,
                str("[safetensors] ", what, ": the tensors end at byte ", end, " of the data",
                    tensors.empty() ? "" : str(" (last: ", tensors.back().name, ")"),
                    ", but the file holds ", data_bytes, " bytes of data; it is ",
                    end > data_bytes ? "truncated" : "too long"));
  }
}

void read_metadata(const Json& entry,
                   std::string_view what,
                   std::map<std::string, std::string>& metadata) {
  if (!entry.is_object()) broken(what, "__metadata__", "must be an object of texts");
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) broken(what, "__metadata__", str("\"", key, "\" is no text"));
    metadata[key] = value.get<std::string>();
  }
}

// Gives tensors of bytes the block types that the metadata names.
void read_block_types(SafetensorsHeader& header, std::string_view what) {
  std::map<std::string_view, TensorInfo*> by_name;
  for (TensorInfo& tensor : header.tensors) by_name[tensor.name] = &tensor;
  for (const auto& [key, name] : header.metadata) {
    if (!key.starts_with(kBlockTypeKey)) continue;
    const std::string_view tensor_name = std::string_view(key).substr(kBlockTypeKey.size());
    const auto dtype = parse_dtype(name);
    if (!dtype || !is_block_type(*dtype)) {
      broken(what, tensor_name, str("\"", key, "\" is \"", name, "\"; expected q8_0 or q4_0"));
    }
    const auto found = by_name.find(tensor_name);
    if (found == by_name.end()) broken(what, tensor_name, str("\"", key, "\" names no tensor"));
    TensorInfo& tensor = *found->second;
    if (tensor.dtype != DType::kU8 || tensor.shape.empty() ||
        tensor.shape.back() % block_bytes(*dtype) != 0) {
      broken(what, tensor_name,
             str("is no tensor of U8 whose last dim is a multiple of ", block_bytes(*dtype),
                 ", the bytes of a block of ", name));
    }
    const auto width =
        checked_mul(tensor.shape.back() / block_bytes(*dtype), block_elements(*dtype));
    tensor.shape.back() = width.value_or(-1);
    if (!checked_product(tensor.shape)) {
      broken(what, tensor_name, "its shape overflows 2^63 elements");
    }
    tensor.dtype = *dtype;
  }
}

}  // namespace

std::string safetensors_dtype_name(DType dtype) {
  std::string name(to_string(dtype));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return name;
}

int64_t safetensors_header_bytes(const std::array<std::byte, kSafetensorsPrefixBytes>& prefix,
                                 int64_t file_bytes,
                                 std::string_view what) {
  uint64_t bytes = 0;
  for (size_t i = prefix.size(); i-- > 0;) bytes = bytes << 8 | static_cast<uint64_t>(prefix[i]);
  if (bytes > static_cast<uint64_t>(kMaxSafetensorsHeaderBytes)) {
    throw Error(ErrorCode::kInvalidFile,
                str("[safetensors] ", what, ": the header claims ", bytes, " bytes; at most ",
                    kMaxSafetensorsHeaderBytes, " are allowed; is this a safetensors file?"));
  }
  const auto header_bytes = static_cast<int64_t>(bytes);
  if (header_bytes > file_bytes - kSafetensorsPrefixBytes) {
    throw Error(ErrorCode::kInvalidFile,
                str("[safetensors] ", what, ": the header claims ", header_bytes,
                    " bytes, but the file has only ", file_bytes, " in all; it is truncated"));
  }
  return header_bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view json,
                                           int64_t file_bytes,
                                           std::string_view what) {
  const Json root = parse_json(json, what);
  if (!root.is_object()) {
    throw Error(ErrorCode::kInvalidFile,
                str("[safetensors] ", what, ": the header is no JSON object"));
  }
  SafetensorsHeader header;
  for (const auto& [name, entry] : root.items()) {
    if (name == "__metadata__") {
      read_metadata(entry, what, header.metadata);
    } else {
      header.tensors.push_back(tensor_of(name, entry, what));
    }
  }
  const int64_t data_start = kSafetensorsPrefixBytes + static_cast<int64_t>(json.size());
  check_contiguous(header.tensors, file_bytes - data_start, what);
  for (TensorInfo& tensor : header.tensors) {
    tensor.bytes = {tensor.bytes.begin + data_start, tensor.bytes.end + data_start};
  }
  read_block_types(header, what);
  return header;
}

}  // namespace partita::formats
