// SPDX-License-Identifier: Apache-2.0
#include "runtime/tensor_reader.h"

#include <algorithm>
#include <cstring>

#include "support/error.h"
#include "support/integers.h"

namespace partita::runtime {
namespace {

using ir::CopyDim;

// Elements handled at once: raw bytes, f32 and converted values of one batch stay within 3 MiB, and
// the reads are long enough for full speed.
constexpr int64_t kBatchElements = int64_t{1} << 18;
// Transposing in square tiles keeps both sides in the L1 cache (32 * 32 * 4 bytes each).
constexpr int64_t kTile = 32;

// Loops that walk like one become one, so that runs are as long as they can be.
std::vector<CopyDim> merged(const std::vector<CopyDim>& dims) {
  std::vector<CopyDim> result;
  for (const CopyDim& dim : dims) {
    if (!result.empty() && result.back().tensor_stride == dim.count * dim.tensor_stride &&
        result.back().dst_stride == dim.count * dim.dst_stride) {
      result.back() = {result.back().count * dim.count, dim.tensor_stride, dim.dst_stride};
    } else {
      result.push_back(dim);
    }
  }
  return result;
}

template <typename T>
void scatter_tiles(const T* from, T* to, const CopyDim& rows, const CopyDim& run) {
  for (int64_t row0 = 0; row0 < rows.count; row0 += kTile) {
    for (int64_t column0 = 0; column0 < run.count; column0 += kTile) {
      const int64_t row_end = std::min(rows.count, row0 + kTile);
      const int64_t column_end = std::min(run.count, column0 + kTile);
      for (int64_t column = column0; column < column_end; ++column) {
        for (int64_t row = row0; row < row_end; ++row) {
          to[row * rows.dst_stride + column * run.dst_stride] = from[row * run.count + column];
        }
      }
    }
  }
}

}  // namespace

TensorReader::TensorReader(const formats::TensorPlace& place,
                           DType dtype,
                           std::byte* dst,
                           LoadScratch& scratch)
    : place_(place),
      dtype_(dtype),
      dst_(dst),
      file_block_(block_elements(place.info->dtype)),
      unit_bytes_(block_bytes(place.info->dtype)),
      dst_bytes_(block_bytes(dtype)),
      scratch_(scratch) {
  CHECK(!is_block_type(dtype) || dtype == place.info->dtype, "a tensor reader does not quantise");
}

void TensorReader::copy(const ir::WeightCopy& plan) {
  std::vector<CopyDim> dims = merged(plan.dims);
  // The innermost loop must walk contiguously in the file; a run of one element does.
  if (dims.empty() || dims.back().tensor_stride != 1) dims.push_back({1, 1, 1});
  int64_t from = plan.tensor_start;
  int64_t to = plan.dst_start;
  if (is_block_type(dtype_)) {
    to_block_units(dims, from, to);
    file_block_ = 1;
  }
  if (dims.size() == 1) dims.insert(dims.begin(), {1, 0, 0});
  walk(dims, 0, from, to);
}

// Blocks are copied as they are: all that is copied must begin and end between them.
void TensorReader::to_block_units(std::vector<CopyDim>& dims, int64_t& from, int64_t& to) const {
  const int64_t block = file_block_;
  CopyDim& run = dims.back();
  bool is_whole =
      run.dst_stride == 1 && run.count % block == 0 && from % block == 0 && to % block == 0;
  for (size_t i = 0; i + 1 < dims.size(); ++i) {
    is_whole = is_whole && dims[i].tensor_stride % block == 0 && dims[i].dst_stride % block == 0;
  }
  if (!is_whole) {
    throw Error(ErrorCode::kUnsupported,
                str("[weights] ", place_.file->path().string(), ": tensor ", place_.info->name,
                    " is stored in blocks of ", block,
                    ", which this model would have to cut or transpose; use --weights bf16"));
  }
  run.count /= block;
  for (size_t i = 0; i + 1 < dims.size(); ++i) {
    dims[i].tensor_stride /= block;
    dims[i].dst_stride /= block;
  }
  from /= block;
  to /= block;
}

void TensorReader::walk(std::span<const CopyDim> dims, size_t depth, int64_t from, int64_t to) {
  if (depth + 2 == dims.size()) {
    copy_rows(dims[depth], dims[depth + 1], from, to);
    return;
  }
  for (int64_t i = 0; i < dims[depth].count; ++i) {
    walk(dims, depth + 1, from + i * dims[depth].tensor_stride, to + i * dims[depth].dst_stride);
  }
}

// `rows` runs of `run.count` contiguous file elements, in batches.
void TensorReader::copy_rows(const CopyDim& rows, const CopyDim& run, int64_t from, int64_t to) {
  if (place_.info->dtype == dtype_ && run.dst_stride == 1) {
    for (int64_t row = 0; row < rows.count; ++row) {
      read_units(from + row * rows.tensor_stride, run.count,
                 dst_ + (to + row * rows.dst_stride) * dst_bytes_);
    }
    return;
  }
  const int64_t batch_columns = std::min(run.count, kBatchElements);
  const int64_t batch_rows =
      run.dst_stride == 1 ? 1 : std::max<int64_t>(1, kBatchElements / batch_columns);
  for (int64_t row = 0; row < rows.count; row += batch_rows) {
    for (int64_t column = 0; column < run.count; column += batch_columns) {
      CopyDim batch_row = rows;
      CopyDim batch_run = run;
      batch_row.count = std::min(batch_rows, rows.count - row);
      batch_run.count = std::min(batch_columns, run.count - column);
      copy_batch(batch_row, batch_run, from + row * rows.tensor_stride + column,
                 to + row * rows.dst_stride + column * run.dst_stride);
    }
  }
}

void TensorReader::copy_batch(const CopyDim& rows, const CopyDim& run, int64_t from, int64_t to) {
  std::byte* const target = dst_ + to * dst_bytes_;
  if (run.dst_stride == 1) {
    convert_row(from, run.count, target);
    return;
  }
  const std::byte* values = gather(rows, run.count, from);
  if (dst_bytes_ == 4) {
    scatter_tiles(reinterpret_cast<const uint32_t*>(values), reinterpret_cast<uint32_t*>(target),
                  rows, run);
  } else {
    scatter_tiles(reinterpret_cast<const uint16_t*>(values), reinterpret_cast<uint16_t*>(target),
                  rows, run);
  }
}

// A run of file elements as elements of the wanted type.
void TensorReader::convert_row(int64_t from, int64_t count, std::byte* to) {
  if (dtype_ == DType::kF32) {
    read_floats(from, count, reinterpret_cast<float*>(to));
    return;
  }
  float* floats = at_least(scratch_.floats, count);
  read_floats(from, count, floats);
  convert_from_f32(floats, dtype_, to, count);
}

// The batch of rows, one after the other, as elements of the wanted type.
const std::byte* TensorReader::gather(const CopyDim& rows, int64_t columns, int64_t from) {
  std::byte* const converted = at_least(scratch_.converted, rows.count * columns * dst_bytes_);
  for (int64_t row = 0; row < rows.count; ++row) {
    std::byte* to = converted + row * columns * dst_bytes_;
    const int64_t element = from + row * rows.tensor_stride;
    if (place_.info->dtype == dtype_) {
      read_units(element, columns, to);
    } else {
      convert_row(element, columns, to);
    }
  }
  return converted;
}

// Of block types the blocks that hold the run are read.
void TensorReader::read_floats(int64_t element, int64_t count, float* to) {
  const int64_t first = element / file_block_;
  const int64_t units = ceil_div(element + count, file_block_) - first;
  std::byte* const raw = at_least(scratch_.raw, units * unit_bytes_);
  read_units(first, units, raw);
  const int64_t skipped = element - first * file_block_;
  if (skipped == 0 && units * file_block_ == count) {
    convert_to_f32(place_.info->dtype, raw, to, count);
    return;
  }
  std::vector<float> values(static_cast<size_t>(units * file_block_));
  convert_to_f32(place_.info->dtype, raw, values.data(), units * file_block_);
  std::memcpy(to, values.data() + skipped, static_cast<size_t>(count) * sizeof(float));
}

void TensorReader::read_units(int64_t unit, int64_t count, std::byte* to) const {
  place_.file->read(place_.info->bytes.begin + unit * unit_bytes_,
                    {to, static_cast<size_t>(count * unit_bytes_)});
}

}  // namespace partita::runtime
