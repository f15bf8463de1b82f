// SPDX-License-Identifier: Apache-2.0
// The copy loop.
#include "api/make_model/write_tensors.h"

#include <algorithm>

#include "support/checked_math.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::api {
namespace {

constexpr int64_t kChunkElements = int64_t{1} << 20;  // 4 MiB of f32: stays in the cache's reach

void convert(const OutputTensor& tensor, std::span<const float> values, std::byte* to) {
  const auto count = static_cast<int64_t>(values.size());
  if (!is_block_type(tensor.dtype)) return convert_from_f32(values.data(), tensor.dtype, to, count);
  if (quantize(values.data(), count, tensor.dtype, to)) return;
  throw Error(ErrorCode::kInvalidArgument,
              str("[make-model] tensor ", tensor.name, " holds values that ",
                  to_string(tensor.dtype), " cannot (NaN, infinity or too large)"));
}

int64_t bytes_of_tensor(const OutputTensor& tensor) {
  return partita::bytes_of(tensor.dtype, checked_product(tensor.shape).value_or(0));
}

}  // namespace

int64_t bytes_of(const std::vector<OutputTensor>& tensors) {
  int64_t bytes = 0;
  for (const OutputTensor& tensor : tensors) bytes += bytes_of_tensor(tensor);
  return bytes;
}

void write_tensors(const std::vector<OutputTensor>& tensors,
                   const LoadRows& load,
                   const AppendBytes& append,
                   const WriteProgress& progress) {
  const int64_t total = bytes_of(tensors);
  int64_t done = 0;
  std::vector<float> values;
  std::vector<std::byte> bytes;
  for (const OutputTensor& tensor : tensors) {
    const int64_t rows = tensor.shape.at(0);
    const int64_t row_elements = checked_product(tensor.shape).value_or(0) / rows;
    const int64_t chunk_rows = std::max<int64_t>(1, kChunkElements / row_elements);
    for (int64_t row = 0; row < rows; row += chunk_rows) {
      const Range range{row, std::min(rows, row + chunk_rows)};
      std::vector<int64_t> shape = tensor.shape;
      shape[0] = range.size();
      values.resize(static_cast<size_t>(range.size() * row_elements));
      load(tensor.source.slice(0, range), shape, values.data());
      bytes.resize(
          static_cast<size_t>(partita::bytes_of(tensor.dtype, range.size() * row_elements)));
      convert(tensor, values, bytes.data());
      append(bytes);
      done += static_cast<int64_t>(bytes.size());
      if (progress) progress(done, total);
    }
  }
}

}  // namespace partita::api
