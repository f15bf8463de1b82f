// SPDX-License-Identifier: Apache-2.0
// Carries out the copies of one tensor: runs of file bytes -> scratch -> converted -> scattered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/checkpoint.h"
#include "ir/weight_copy.h"
#include "runtime/load_scratch.h"
#include "support/dtype.h"

namespace partita::runtime {

// Reads parts of one tensor as elements of `dtype` into a dense, row-major value at `dst`, with at
// most 3 MiB of scratch memory. Used by one thread.
class TensorReader {
 public:
  // `dtype` is f32, f16 or bf16, or the block type that the tensor is stored in.
  TensorReader(const formats::TensorPlace& place,
               DType dtype,
               std::byte* dst,
               LoadScratch& scratch);

  // Reads exactly the bytes that hold the elements of `plan`. Throws kUnsupported naming the tensor
  // when blocks would have to be cut or transposed, and what reading throws.
  void copy(const ir::WeightCopy& plan);

 private:
  void walk(std::span<const ir::CopyDim> dims, size_t depth, int64_t from, int64_t to);
  void copy_rows(const ir::CopyDim& rows, const ir::CopyDim& run, int64_t from, int64_t to);
  void copy_batch(const ir::CopyDim& rows, const ir::CopyDim& run, int64_t from, int64_t to);
  void convert_row(int64_t from, int64_t count, std::byte* to);
  [[nodiscard]] const std::byte* gather(const ir::CopyDim& rows, int64_t columns, int64_t from);
  void read_floats(int64_t element, int64_t count, float* to);
  void read_units(int64_t unit, int64_t count, std::byte* to) const;
  void to_block_units(std::vector<ir::CopyDim>& dims, int64_t& from, int64_t& to) const;

  formats::TensorPlace place_;
  DType dtype_;
  std::byte* dst_;
  int64_t file_block_;  // elements of the tensor that are stored together
  int64_t unit_bytes_;  // of such a block in the file
  int64_t dst_bytes_;   // per element or, between block types, per block
  LoadScratch& scratch_;
};

}  // namespace partita::runtime
