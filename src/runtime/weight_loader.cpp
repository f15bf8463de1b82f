// SPDX-License-Identifier: Apache-2.0
// Carries out the copies of a weight source: runs of file bytes -> scratch -> converted ->
// scattered.
#include "runtime/weight_loader.h"

#include <algorithm>
#include <span>
#include <vector>

#include "ir/weight_copy.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

using ir::CopyDim;

// Elements handled at once. Raw bytes (up to 8 per element), f32 and converted values of one batch
// stay within 8 MiB.
constexpr int64_t kBatchElements = int64_t{1} << 19;
// Transposing in square tiles keeps both sides in the L1 cache (32 * 32 * 4 bytes each).
constexpr int64_t kTile = 32;

ir::TensorType type_of_tensor(const formats::TensorInfo& info) {
  ir::TensorType type{info.dtype, {}};
  for (const int64_t size : info.shape) type.dims.emplace_back(size);
  return type;
}

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

// Reads the blocks of one tensor. The scratch memory lives as long as this object.
class TensorReader {
 public:
  TensorReader(const formats::TensorPlace& place, DType dtype, std::byte* dst)
      : place_(place),
        dtype_(dtype),
        dst_(dst),
        file_bytes_(size_of(place.info->dtype)),
        dst_bytes_(size_of(dtype)) {}

  void copy(const ir::WeightCopy& plan) {
    std::vector<CopyDim> dims = merged(plan.dims);
    // The innermost loop must walk contiguously in the file; a run of one element does.
    if (dims.empty() || dims.back().tensor_stride != 1) dims.push_back({1, 1, 1});
    if (dims.size() == 1) dims.insert(dims.begin(), {1, 0, 0});
    walk(dims, 0, plan.tensor_start, plan.dst_start);
  }

 private:
  void walk(std::span<const CopyDim> dims, size_t depth, int64_t from, int64_t to) {
    if (depth + 2 == dims.size()) {
      copy_rows(dims[depth], dims[depth + 1], from, to);
      return;
    }
    for (int64_t i = 0; i < dims[depth].count; ++i) {
      walk(dims, depth + 1, from + i * dims[depth].tensor_stride, to + i * dims[depth].dst_stride);
    }
  }

  // `rows` runs of `run.count` contiguous file elements, in batches.
  void copy_rows(const CopyDim& rows, const CopyDim& run, int64_t from, int64_t to) {
    if (place_.info->dtype == dtype_ && run.dst_stride == 1) {
      for (int64_t row = 0; row < rows.count; ++row) {
        read(from + row * rows.tensor_stride, run.count,
             dst_ + (to + row * rows.dst_stride) * dst_bytes_);
      }
      return;
    }
    const int64_t batch_columns = std::min(run.count, kBatchElements);
    const int64_t batch_rows = std::max<int64_t>(1, kBatchElements / batch_columns);
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

  void copy_batch(const CopyDim& rows, const CopyDim& run, int64_t from, int64_t to) {
    const int64_t elements = rows.count * run.count;
    raw_.resize(static_cast<size_t>(elements * file_bytes_));
    for (int64_t row = 0; row < rows.count; ++row) {
      read(from + row * rows.tensor_stride, run.count, raw_.data() + row * run.count * file_bytes_);
    }
    const std::byte* values = convert(elements);
    std::byte* const target = dst_ + to * dst_bytes_;
    if (dst_bytes_ == 4) {
      scatter_tiles(reinterpret_cast<const uint32_t*>(values), reinterpret_cast<uint32_t*>(target),
                    rows, run);
    } else {
      scatter_tiles(reinterpret_cast<const uint16_t*>(values), reinterpret_cast<uint16_t*>(target),
                    rows, run);
    }
  }

  // The batch in raw_ as elements of the wanted dtype.
  const std::byte* convert(int64_t elements) {
    if (place_.info->dtype == dtype_) return raw_.data();
    floats_.resize(static_cast<size_t>(elements));
    convert_to_f32(place_.info->dtype, raw_.data(), floats_.data(), elements);
    if (dtype_ == DType::kF32) return reinterpret_cast<const std::byte*>(floats_.data());
    converted_.resize(static_cast<size_t>(elements * dst_bytes_));
    convert_from_f32(floats_.data(), dtype_, converted_.data(), elements);
    return converted_.data();
  }

  void read(int64_t element, int64_t count, std::byte* to) {
    place_.file->read(place_.info->bytes.begin + element * file_bytes_,
                      {to, static_cast<size_t>(count * file_bytes_)});
  }

  formats::TensorPlace place_;
  DType dtype_;
  std::byte* dst_;
  int64_t file_bytes_;  // per element
  int64_t dst_bytes_;
  std::vector<std::byte> raw_;
  std::vector<float> floats_;
  std::vector<std::byte> converted_;
};

void check_shape(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type) {
  const ir::TensorType type = type_of(checkpoint, source);
  if (type.dims == local_type.dims) return;
  throw Error(ErrorCode::kInvalidFile,
              str("[weights] ", checkpoint.path().string(), ": ", ir::to_string(source), " gives ",
                  ir::to_string(type), "; expected ", ir::to_string(local_type),
                  "; does config.json belong to these weights?"));
}

void check_dtype(const formats::TensorPlace& place) {
  const DType dtype = place.info->dtype;
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64)
    return;
  throw Error(ErrorCode::kUnsupported,
              str("[weights] ", place.file->path().string(), ": tensor ", place.info->name,
                  " has dtype ", to_string(dtype), "; expected f16, bf16, f32 or f64"));
}

ir::TensorTypeLookup lookup_in(const formats::Checkpoint& checkpoint) {
  return [&checkpoint](const std::string& name) {
    return type_of_tensor(*checkpoint.find(name).info);
  };
}

}  // namespace

ir::TensorType type_of(const formats::Checkpoint& checkpoint, const ir::WeightSource& source) {
  return ir::type_of(source, lookup_in(checkpoint));
}

void load_weight(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type,
                 void* dst) {
  CHECK(local_type.dtype == DType::kF32 || local_type.dtype == DType::kBF16 ||
            local_type.dtype == DType::kF16,
        "weights are f32, bf16 or f16, not ", to_string(local_type.dtype));
  check_shape(checkpoint, source, local_type);
  for (const ir::WeightCopy& plan : ir::plan_copies(source, lookup_in(checkpoint))) {
    const formats::TensorPlace place = checkpoint.find(plan.tensor);
    check_dtype(place);
    TensorReader(place, local_type.dtype, static_cast<std::byte*>(dst)).copy(plan);
  }
}

}  // namespace partita::runtime
