// SPDX-License-Identifier: Apache-2.0
// Streams tensors into a file: some rows at a time are read as f32, converted and appended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ir/weight_source.h"
#include "support/dtype.h"

namespace partita::api {

// One tensor to write.
struct OutputTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  ir::WeightSource source;
};

// Fills the value of a source (of that shape) as f32.
using LoadRows = std::function<void(
    const ir::WeightSource& source, const std::vector<int64_t>& shape, float* to)>;
using AppendBytes = std::function<void(std::span<const std::byte>)>;
using WriteProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

// Bytes of all of them.
[[nodiscard]] int64_t bytes_of(const std::vector<OutputTensor>& tensors);

// Appends the bytes of all tensors in order. `progress` may be empty. Throws kInvalidArgument
// naming a tensor whose values its dtype cannot hold, and what loading and appending throw.
void write_tensors(const std::vector<OutputTensor>& tensors,
                   const LoadRows& load,
                   const AppendBytes& append,
                   const WriteProgress& progress);

}  // namespace partita::api
