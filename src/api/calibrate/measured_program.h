// SPDX-License-Identifier: Apache-2.0
// A small program of one operator, run by the runtime as any rank program is.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/executor.h"
#include "support/dtype.h"

namespace partita::api {

// What the runtime does with one operator, ready to be timed: the same loader, packing, kernels and
// step loop as in a model. Weights are pseudo-random; integer inputs "positions" count up from the
// first position, "block_tables" list all blocks, others are 0. Owned and run by one thread.
//   MeasuredProgram program(linear_text(DType::kBF16, 2048, 8192, 1), {{"t", 512}});
//   program.run({{"t", 16}});
class MeasuredProgram {
 public:
  // `graph_text` as ir::parse_graph() reads it; `max_sizes` of all its symbols.
  MeasuredProgram(std::string_view graph_text, const ir::SymbolSizes& max_sizes);

  // One step; symbols that `sizes` does not name keep their maximum.
  void run(const ir::SymbolSizes& sizes, int32_t first_position = 0);

 private:
  ir::SymbolSizes max_sizes_;
  std::vector<ir::Value> inputs_;
  std::vector<float> floats_;                             // of every f32 input
  std::vector<BFloat16> halves_;                          // of every bf16 input
  std::map<std::string, std::vector<int32_t>> integers_;  // by input
  runtime::Executor executor_;
};

}  // namespace partita::api
