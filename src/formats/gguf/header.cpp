// SPDX-License-Identifier: Apache-2.0
// Strict reading of GGUF heads.
#include "formats/gguf/header.h"

#include <algorithm>
#include <bit>
#include <set>
#include <type_traits>

#include "formats/gguf/cursor.h"
#include "formats/gguf/tensor_types.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::formats {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr uint32_t kMaxDims = 4;
constexpr int kMaxNesting = 4;  // of arrays; no published key nests at all
constexpr int64_t kMaxAlignment = int64_t{1} << 20;
// Far above any vocabulary; what is read takes more memory than its bytes in the file.
constexpr int64_t kMaxElements = int64_t{1} << 24;  // of all arrays together
constexpr int64_t kMaxPairs = 1 << 16;
constexpr int64_t kMaxTensors = 1 << 20;
constexpr size_t kMaxNameBytes = 65535;  // of keys by the format; no tensor name comes near
// Least bytes of one entry: a name, a type and a value of one byte; a name, dims, type and offset.
constexpr int64_t kLeastPairBytes = 8 + 4 + 1;
constexpr int64_t kLeastTensorBytes = 8 + 4 + 4 + 8;
constexpr int64_t kLeastTextBytes = 8;
constexpr int64_t kLeastArrayBytes = 4 + 8;

class HeaderReader {
 public:
  HeaderReader(const ReadAt& read, int64_t file_bytes, std::string_view what)
      : cursor_(read, file_bytes, what), file_bytes_(file_bytes), what_(what) {
    header_.metadata = GgufMetadata(std::string(what));
  }

  GgufHeader read() {
    read_start();
    const auto tensors = cursor_.number<uint64_t>("number of tensors");
    const int64_t pairs = cursor_.count(kLeastPairBytes, "number of metadata keys");
    check_most(pairs, kMaxPairs, "number of metadata keys");
    check_most(cursor_.checked_count(tensors, kLeastTensorBytes, "number of tensors"), kMaxTensors,
               "number of tensors");
    for (int64_t i = 0; i < pairs; ++i) read_pair(str("metadata key ", i));
    alignment_ = read_alignment();
    const int64_t count = cursor_.checked_count(tensors, kLeastTensorBytes, "number of tensors");
    for (int64_t i = 0; i < count; ++i) read_tensor(str("tensor ", i));
    place_tensors();
    return std::move(header_);
  }

 private:
  [[noreturn]] void unsupported(const std::string& problem) const {
    throw Error(ErrorCode::kUnsupported, str("[gguf] ", what_, ": ", problem));
  }

  void read_start() {
    if (cursor_.number<uint32_t>("magic number") != kMagic) {
      cursor_.refuse("magic number", "the file does not begin with GGUF; is this a GGUF file?");
    }
    const auto version = cursor_.number<uint32_t>("version");
    if (version == 2 || version == 3) return;  // 2 has the same layout
    if (version != 0 && (version & 0xffffU) == 0) {
      unsupported("the file is big-endian; convert it to little-endian");
    }
    unsupported(str("version ", version, "; partita reads 2 and 3; convert the model again"));
  }

  std::string read_name(const std::string& where) {
    std::string name = cursor_.text(where);
    if (name.empty() || name.size() > kMaxNameBytes || name.find('\0') != std::string::npos) {
      cursor_.refuse(where, str("its name has ", name.size(), " bytes; expected 1 .. ",
                                kMaxNameBytes, " and no zero byte"));
    }
    return name;
  }

  void read_pair(const std::string& where) {
    std::string key = read_name(where);
    const std::string named = str("metadata key ", printable(key));
    GgufValue value;
    const GgufType type = read_type(named);
    if (type == GgufType::kArray) {
      value = read_array(named, 1);
    } else {
      value.type = type;
      read_elements(value, 1, named);
    }
    if (!header_.metadata.add(std::move(key), std::move(value))) {
      cursor_.refuse(named, "occurs twice");
    }
  }

  void check_most(int64_t count, int64_t most, const std::string& where) const {
    if (count > most) cursor_.refuse(where, str("claims ", count, "; expected at most ", most));
  }

  int64_t array_count(int64_t least_bytes, const std::string& where) {
    const int64_t count = cursor_.count(least_bytes, where);
    elements_ += count;
    check_most(elements_, kMaxElements, where + " and the arrays before it");
    return count;
  }

  GgufType read_type(const std::string& where) {
    const auto type = cursor_.number<uint32_t>(where);
    if (type >= kGgufTypes) cursor_.refuse(where, str("value type ", type, "; expected 0 .. 12"));
    return static_cast<GgufType>(type);
  }

  GgufValue read_array(const std::string& where, int depth) {
    if (depth > kMaxNesting) cursor_.refuse(where, str("arrays nest deeper than ", kMaxNesting));
    GgufValue value;
    value.is_array = true;
    value.type = read_type(where);
    if (value.type != GgufType::kArray) {
      read_elements(value, array_count(least_bytes(value.type), where), where);
      return value;
    }
    const int64_t count = array_count(kLeastArrayBytes, where);
    for (int64_t i = 0; i < count; ++i) value.arrays.push_back(read_array(where, depth + 1));
    return value;
  }

  static int64_t least_bytes(GgufType type) {
    switch (type) {
      case GgufType::kU8:
      case GgufType::kI8:
      case GgufType::kBool:
        return 1;
      case GgufType::kU16:
      case GgufType::kI16:
        return 2;
      case GgufType::kU32:
      case GgufType::kI32:
      case GgufType::kF32:
        return 4;
      case GgufType::kU64:
      case GgufType::kI64:
      case GgufType::kF64:
        return 8;
      case GgufType::kString:
        return kLeastTextBytes;
      case GgufType::kArray:
        return kLeastArrayBytes;
    }
    return 1;
  }

  template <typename T>
  void read_numbers(GgufValue& value, int64_t count, const std::string& where) {
    for (int64_t i = 0; i < count; ++i) {
      const T number = cursor_.number<T>(where);
      if constexpr (std::is_floating_point_v<T>) {
        value.numbers.push_back(number);
      } else {
        value.integers.push_back(static_cast<int64_t>(number));
      }
    }
  }

  // Appends `count` elements of value.type, which is not kArray.
  void read_elements(GgufValue& value, int64_t count, const std::string& where) {
    switch (value.type) {
      case GgufType::kU8:
        return read_numbers<uint8_t>(value, count, where);
      case GgufType::kI8:
        return read_numbers<int8_t>(value, count, where);
      case GgufType::kU16:
        return read_numbers<uint16_t>(value, count, where);
      case GgufType::kI16:
        return read_numbers<int16_t>(value, count, where);
      case GgufType::kU32:
        return read_numbers<uint32_t>(value, count, where);
      case GgufType::kI32:
        return read_numbers<int32_t>(value, count, where);
      case GgufType::kU64:
        return read_numbers<uint64_t>(value, count, where);
      case GgufType::kI64:
        return read_numbers<int64_t>(value, count, where);
      case GgufType::kF32:
        return read_numbers<float>(value, count, where);
      case GgufType::kF64:
        return read_numbers<double>(value, count, where);
      case GgufType::kBool:
        read_numbers<uint8_t>(value, count, where);
        for (const int64_t flag : value.integers) {
          if (flag > 1) cursor_.refuse(where, str("a bool is ", flag, "; expected 0 or 1"));
        }
        return;
      case GgufType::kString:
        for (int64_t i = 0; i < count; ++i) value.texts.push_back(cursor_.text(where));
        return;
      case GgufType::kArray:
        CHECK(false, "arrays are read by read_array()");
    }
  }

  int64_t read_alignment() {
    const auto given = header_.metadata.integer_if("general.alignment");
    if (!given) return kGgufDefaultAlignment;
    if (*given < 1 || *given > kMaxAlignment || !std::has_single_bit(static_cast<uint64_t>(*given)))
      header_.metadata.refuse("general.alignment", str("a power of two of 1 .. ", kMaxAlignment));
    return *given;
  }

  // The shape outermost dim first; the file says it the other way round.
  std::vector<int64_t> read_shape(const std::string& where) {
    const auto dims = cursor_.number<uint32_t>(where);
    if (dims > kMaxDims) cursor_.refuse(where, str(dims, " dims; expected at most ", kMaxDims));
    std::vector<int64_t> shape;
    for (uint32_t i = 0; i < dims; ++i) {
      const auto size = cursor_.number<uint64_t>(where);
      if (size < 1 || size > uint64_t{INT64_MAX}) {
        cursor_.refuse(where, str("dim ", i, " is ", size, "; expected 1 .. 2^63-1"));
      }
      shape.push_back(static_cast<int64_t>(size));
    }
    std::reverse(shape.begin(), shape.end());
    return shape;
  }

  void read_tensor(const std::string& where) {
    TensorInfo tensor;
    tensor.name = read_name(where);
    const std::string named = str("tensor ", printable(tensor.name));
    if (!names_.insert(tensor.name).second) cursor_.refuse(named, "occurs twice");
    tensor.shape = read_shape(named);
    const auto type = cursor_.number<uint32_t>(named);
    const auto dtype = dtype_of_gguf(type);
    if (!dtype) {
      unsupported(str(named, " has type ", gguf_tensor_type_name(type), "; partita reads ",
                      readable_gguf_tensor_types(),
                      "; convert the model to one of them (llama-quantize --pure)"));
    }
    tensor.dtype = *dtype;
    const auto offset = cursor_.number<uint64_t>(named);
    if (offset > uint64_t{INT64_MAX} || static_cast<int64_t>(offset) % alignment_ != 0) {
      cursor_.refuse(named,
                     str("offset ", offset, " is no multiple of the alignment ", alignment_));
    }
    tensor.bytes = {static_cast<int64_t>(offset), bytes_of_tensor(tensor, named)};
    header_.tensors.push_back(std::move(tensor));
  }

  // Size of the data, still without its place.
  int64_t bytes_of_tensor(const TensorInfo& tensor, const std::string& where) const {
    const auto elements = checked_product(tensor.shape);
    if (!elements) cursor_.refuse(where, "its dims overflow 2^63 elements");
    const int64_t block = block_elements(tensor.dtype);
    const int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % block != 0) {
      cursor_.refuse(where, str("rows of ", row, " elements; ", to_string(tensor.dtype),
                                " needs a multiple of ", block));
    }
    const auto bytes = checked_mul(*elements / block, block_bytes(tensor.dtype));
    if (!bytes) cursor_.refuse(where, "its dims overflow 2^63 bytes");
    return *bytes;
  }

  std::optional<int64_t> aligned(int64_t bytes) const {
    const auto raised = checked_add(bytes, alignment_ - 1);
    return raised ? std::optional(*raised / alignment_ * alignment_) : raised;
  }

  // From offset and size to places in the file. Tensors follow one another without holes.
  void place_tensors() {
    const int64_t begin = aligned(cursor_.position()).value_or(file_bytes_);
    header_.data_begin = begin;
    int64_t expected = 0;  // offset of the next tensor
    int64_t end = 0;       // of the last one, without padding
    for (TensorInfo& tensor : header_.tensors) {
      const std::string where = str("tensor ", printable(tensor.name));
      const Range given = tensor.bytes;  // offset and size
      if (given.begin != expected) {
        cursor_.refuse(where, str("offset ", given.begin, ", but the tensor before ends at ",
                                  expected, given.begin < expected ? " (overlap)" : " (hole)"));
      }
      const auto tensor_end = checked_add(given.begin, given.end);
      const auto next = tensor_end ? aligned(*tensor_end) : tensor_end;
      const auto file_end = next ? checked_add(begin, *tensor_end) : next;
      if (!file_end || *file_end > file_bytes_) {
        cursor_.refuse(where, str("needs ", given.end, " bytes at offset ", given.begin,
                                  " of the data, which begins at byte ", begin, " of ", file_bytes_,
                                  "; the file is truncated"));
      }
      tensor.bytes = {begin + given.begin, *file_end};
      expected = *next;
      end = *tensor_end;
    }
    check_end(begin, end, expected);
  }

  // The last tensor may be padded like the others. A file without tensors may end after its head.
  void check_end(int64_t begin, int64_t end, int64_t padded_end) const {
    const int64_t shortest = header_.tensors.empty() ? cursor_.position() : begin + end;
    if (file_bytes_ >= shortest && file_bytes_ <= begin + padded_end) return;
    cursor_.refuse("end of the file", str("the tensors end at byte ", begin + end,
                                          ", but the file has ", file_bytes_, "; it is too long"));
  }

  GgufCursor cursor_;
  int64_t file_bytes_;
  std::string_view what_;
  int64_t alignment_ = kGgufDefaultAlignment;
  std::set<std::string> names_;
  int64_t elements_ = 0;  // of the arrays so far
  GgufHeader header_;
};

}  // namespace

GgufHeader parse_gguf_header(const ReadAt& read, int64_t file_bytes, std::string_view what) {
  return HeaderReader(read, file_bytes, what).read();
}

}  // namespace partita::formats
