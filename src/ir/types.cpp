// SPDX-License-Identifier: Apache-2.0
// Tensor types: sizes of symbolic shapes and their text form.
#include "ir/types.h"

#include "ir/scanner.h"
#include "ir/type_text.h"
#include "support/checked_math.h"
#include "support/error.h"

namespace partita::ir {
namespace {

// Files may not name larger tensors; what the checks below then multiply stays far from overflow.
constexpr int64_t kMaxDim = int64_t{1} << 48;
constexpr size_t kMaxDims = 16;

}  // namespace

std::vector<int64_t> TensorType::shape() const {
  std::vector<int64_t> sizes;
  sizes.reserve(dims.size());
  for (const Dim& dim : dims) sizes.push_back(dim.size);
  return sizes;
}

std::vector<int64_t> TensorType::shape(const SymbolSizes& symbols) const {
  std::vector<int64_t> sizes;
  sizes.reserve(dims.size());
  for (const Dim& dim : dims) {
    if (!dim.is_symbolic()) {
      sizes.push_back(dim.size);
      continue;
    }
    const auto bound = symbols.find(dim.symbol);
    CHECK(bound != symbols.end(), "symbol ", dim.symbol, " of ", to_string(*this), " has no size");
    sizes.push_back(bound->second);
  }
  return sizes;
}

bool TensorType::is_static() const {
  for (const Dim& dim : dims) {
    if (dim.is_symbolic()) return false;
  }
  return true;
}

int64_t TensorType::elements(const SymbolSizes& symbols) const {
  const auto count = checked_product(shape(symbols));
  if (!count) {
    throw Error(
        ErrorCode::kInvalidArgument,
        str("[type] ", to_string(*this), " has more than 2^63 elements; use smaller sizes"));
  }
  return *count;
}

void check_blocks(const TensorType& type) {
  if (!is_block_type(type.dtype)) return;
  const int64_t block = block_elements(type.dtype);
  if (!type.dims.empty() && !type.dims.back().is_symbolic() && type.dims.back().size % block == 0) {
    return;
  }
  throw Error(ErrorCode::kInvalidArgument,
              str("[type] ", to_string(type), ": the last dim of ", to_string(type.dtype),
                  " must be a known multiple of ", block));
}

int64_t TensorType::bytes(const SymbolSizes& symbols) const {
  check_blocks(*this);
  const auto total = checked_mul(elements(symbols) / block_elements(dtype), block_bytes(dtype));
  if (!total) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[type] ", to_string(*this), " has more than 2^63 bytes; use smaller sizes"));
  }
  return *total;
}

std::string to_string(const TensorType& type) {
  std::string text = str(to_string(type.dtype), "[");
  for (size_t i = 0; i < type.dims.size(); ++i) {
    if (i > 0) text += ',';
    const Dim& dim = type.dims[i];
    text += dim.is_symbolic() ? dim.symbol : std::to_string(dim.size);
  }
  return text + ']';
}

TensorType scan_type(Scanner& scanner) {
  TensorType type;
  const std::string name = scanner.identifier();
  const auto dtype = parse_dtype(name);
  if (!dtype || to_string(*dtype) != name)
    scanner.fail(str("a known element type before here, not ", name));
  type.dtype = *dtype;
  scanner.expect("[");
  if (scanner.accept("]")) {
    if (is_block_type(type.dtype)) scanner.fail("dims: this element type is stored in blocks");
    return type;
  }
  do {
    if (type.dims.size() == kMaxDims) scanner.fail("at most 16 dims");
    if (scanner.peek('-')) scanner.fail("a size of 0 or more");
    bool is_number = false;
    for (char digit = '0'; digit <= '9'; ++digit) is_number = is_number || scanner.peek(digit);
    if (is_number) {
      const int64_t size = scanner.integer();
      if (size > kMaxDim) scanner.fail("a size of at most 2^48 before here");
      type.dims.emplace_back(size);
    } else {
      type.dims.emplace_back(scanner.identifier().c_str());
    }
  } while (scanner.accept(","));
  if (is_block_type(type.dtype) &&
      (type.dims.back().is_symbolic() || type.dims.back().size % block_elements(type.dtype) != 0)) {
    scanner.fail(
        str("a last dim that is a multiple of ", block_elements(type.dtype), " before here"));
  }
  scanner.expect("]");
  return type;
}

TensorType parse_type(std::string_view text) {
  Scanner scanner(text, "type");
  TensorType type = scan_type(scanner);
  if (!scanner.at_end()) scanner.fail("the end of the type");
  return type;
}

}  // namespace partita::ir
