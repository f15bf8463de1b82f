// SPDX-License-Identifier: Apache-2.0
// Evaluates weight sources: copies of tensors, quantised where the weight is stored in blocks.
#include "runtime/weight_loader.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "ir/weight_copy.h"
#include "runtime/tensor_reader.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::runtime {
namespace {

// Values that are quantised at once: 2 MiB as f32.
constexpr int64_t kQuantizedElements = int64_t{1} << 19;

ir::TensorType type_of_tensor(const formats::TensorInfo& info) {
  ir::TensorType type{info.dtype, {}};
  for (const int64_t size : info.shape) type.dims.emplace_back(size);
  return type;
}

void check_shape(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type) {
  const ir::TensorType type = type_of(checkpoint, source);
  if (type.dims == local_type.dims) return;
  throw Error(ErrorCode::kInvalidFile,
              str("[weights] ", checkpoint.path().string(), ": ", ir::to_string(source), " gives ",
                  ir::to_string(type), "; expected ", ir::to_string(local_type),
                  "; does its config belong to these weights?"));
}

void check_dtype(const formats::TensorPlace& place) {
  const DType dtype = place.info->dtype;
  if (dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
      dtype == DType::kF64 || is_block_type(dtype)) {
    return;
  }
  throw Error(ErrorCode::kUnsupported,
              str("[weights] ", place.file->path().string(), ": tensor ", place.info->name,
                  " has dtype ", to_string(dtype), "; expected f16, bf16, f32 or f64"));
}

ir::TensorTypeLookup lookup_in(const formats::Checkpoint& checkpoint) {
  return [&checkpoint](const std::string& name) {
    return type_of_tensor(*checkpoint.find(name).info);
  };
}

void copy_tensors(const formats::Checkpoint& checkpoint,
                  const ir::WeightSource& source,
                  DType dtype,
                  std::byte* dst,
                  LoadScratch& scratch) {
  for (const ir::WeightCopy& plan : ir::plan_copies(source, lookup_in(checkpoint))) {
    const formats::TensorPlace place = checkpoint.find(plan.tensor);
    check_dtype(place);
    TensorReader(place, dtype, dst, scratch).copy(plan);
  }
}

// Whether every tensor of the source has this dtype.
bool is_stored_as(const formats::Checkpoint& checkpoint,
                  const ir::WeightSource& source,
                  DType dtype) {
  return std::ranges::all_of(ir::tensors_of(source), [&](const std::string& name) {
    return checkpoint.find(name).info->dtype == dtype;
  });
}

// Quantises a weight some rows at a time.
class Quantizer {
 public:
  Quantizer(const formats::Checkpoint& checkpoint, DType dtype, LoadScratch& scratch)
      : checkpoint_(checkpoint), dtype_(dtype), scratch_(scratch) {}

  // The value of `source` of that shape, dense at `to`.
  void run(const ir::WeightSource& source, const std::vector<int64_t>& shape, std::byte* to) {
    const int64_t outer = shape[0];
    const std::vector<int64_t> inner(shape.begin() + 1, shape.end());
    const int64_t inner_elements =
        std::accumulate(inner.begin(), inner.end(), int64_t{1}, std::multiplies<>());
    const int64_t inner_bytes = bytes_of(dtype_, inner_elements);
    if (shape.size() == 1 || outer * inner_elements <= kQuantizedElements) {
      quantize_part(source, outer * inner_elements, to);
    } else if (shape.size() == 2 || inner_elements <= kQuantizedElements) {
      const int64_t rows = std::max<int64_t>(1, kQuantizedElements / inner_elements);
      for (int64_t row = 0; row < outer; row += rows) {
        const int64_t end = std::min(outer, row + rows);
        quantize_part(source.slice(0, {row, end}), (end - row) * inner_elements,
                      to + row * inner_bytes);
      }
    } else {
      for (int64_t i = 0; i < outer; ++i) {
        run(source.slice(0, {i, i + 1}).reshape(inner), inner, to + i * inner_bytes);
      }
    }
  }

 private:
  void quantize_part(const ir::WeightSource& source, int64_t elements, std::byte* to) {
    float* values = at_least(scratch_.values, elements);
    copy_tensors(checkpoint_, source, DType::kF32, reinterpret_cast<std::byte*>(values), scratch_);
    if (quantize(values, elements, dtype_, to)) return;
    throw Error(ErrorCode::kInvalidFile,
                str("[weights] ", checkpoint_.path().string(), ": ", ir::to_string(source),
                    " holds NaN, infinity or values above 8e6, which ", to_string(dtype_),
                    " has not; use --weights f32, or look with partita check"));
  }

  const formats::Checkpoint& checkpoint_;
  DType dtype_;
  LoadScratch& scratch_;
};

}  // namespace

ir::TensorType type_of(const formats::Checkpoint& checkpoint, const ir::WeightSource& source) {
  return ir::type_of(source, lookup_in(checkpoint));
}

void load_weight(const formats::Checkpoint& checkpoint,
                 const ir::WeightSource& source,
                 const ir::TensorType& local_type,
                 void* dst,
                 LoadScratch& scratch) {
  const DType dtype = local_type.dtype;
  CHECK(
      dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16 || is_block_type(dtype),
      "weights are f32, bf16, f16 or stored in blocks, not ", to_string(dtype));
  check_shape(checkpoint, source, local_type);
  auto* bytes = static_cast<std::byte*>(dst);
  if (!is_block_type(dtype) || is_stored_as(checkpoint, source, dtype)) {
    copy_tensors(checkpoint, source, dtype, bytes, scratch);
    return;
  }
  ir::check_blocks(local_type);
  Quantizer(checkpoint, dtype, scratch).run(source, local_type.shape(), bytes);
}

}  // namespace partita::runtime
