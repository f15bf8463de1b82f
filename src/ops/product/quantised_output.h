// SPDX-License-Identifier: Apache-2.0
// For kernels whose last output is rows that are quantised while they are in the cache (attribute
// quantized_for, see ops/quantized_rows.h).
#pragma once

#include <memory>

#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/product/row_quantiser.h"

namespace partita::ops {

// Whether the last output of the call is quantised and all else f32.
[[nodiscard]] bool has_quantised_output(const BindArgs& args);

// The place of such an output. Owned by one kernel.
class QuantisedOutput {
 public:
  // CHECKs has_quantised_output(args).
  QuantisedOutput(const BindArgs& args, device::Instructions level);

  // Calls make_row(row, float* to), to[k], for every row on the team and quantises it to `output`.
  // `made` says what making rows costs.
  template <typename MakeRow>
  void make_rows(const Split& made, const TensorView& output, const MakeRow& make_row) const {
    const Split rows = with_quantising(made);
    const int64_t ranges = ranges_of(rows, team_size());
    float* memory = rows_memory(ranges);
    auto* to = output.as<std::byte>();
    parallel_for(ranges, [&](int64_t index) {
      float* own = memory + index * row_floats_;
      const Range range = split_range(rows, index, ranges);
      for (int64_t row = range.begin; row < range.end; ++row) {
        make_row(row, own);
        quantiser_.quantise_row(own, row, rows.items, to);
      }
    });
  }

 private:
  [[nodiscard]] Split with_quantising(Split rows) const;
  // A row for each of `ranges` threads.
  [[nodiscard]] float* rows_memory(int64_t ranges) const;

  RowQuantiser quantiser_;
  int64_t row_floats_;  // a row and the rest of its last cache line
  ScratchHandle scratch_;
};

// The kernel that `bind` binds for the call with f32 for the last output, which has the shape of
// input 0, and the plain quantising of that: for references.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_and_quantise(
    const BindArgs& args, std::unique_ptr<BoundKernel> (*bind)(const BindArgs& args));

}  // namespace partita::ops
