// SPDX-License-Identifier: Apache-2.0
// embedding: rows of a table, chosen by ids.
#include <array>

#include "ops/declaration.h"

namespace partita::ops {
namespace {

spec::Notation bind_embedding(const OpCall& call) {
  require_inputs(call, 2);
  require_rank(call, 0, 2);
  require_min_rank(call, 1, 1);
  require_integers(call, 1);
  const size_t leading = call.inputs[1].dims.size();
  const std::string dims = leading_dims(leading);
  const std::string ids = dims.substr(0, dims.size() - 1);
  return bind_text(call, "y[" + dims + "e] = w[v,e], ids[" + ids + "]; map " +
                             leading_factors(leading) + "e; gather v; linear w");
}

// Only the rows that are asked for are read.
double embedding_bytes(const OpCall& call, const ir::SymbolSizes& symbols) {
  const double ids = product_of_dims(call.inputs[1], symbols);
  const double width = product_of_dims(call.inputs[0], symbols, 1, 2);
  const auto id_bytes = static_cast<double>(size_of(call.inputs[1].dtype));
  const auto row_bytes =
      static_cast<double>(bytes_of(call.inputs[0].dtype, static_cast<int64_t>(width)));
  return ids * (id_bytes + row_bytes + 4 * width);
}

std::vector<OpSample> embedding_samples() {
  OpSample tokens;
  tokens.inputs = {f32({11, 6}), i32({9})};
  tokens.integer_below = {0, 11};
  OpSample half;
  half.inputs = {bf16({7, 5}), i32({2, 3})};
  half.integer_below = {0, 7};
  OpSample blocks;
  blocks.inputs = {q8({7, 64}), i32({5})};
  blocks.integer_below = {0, 7};
  return {tokens, half, blocks};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "embedding",
     .summary =
         "Takes rows of the table w (f32, bf16, q8_0 or q4_0) as f32. Attribute v_begin (default "
         "0) is the "
         "global row that row 0 of w is; ids outside [v_begin, v_begin + rows) give 0, so that "
         "pieces add up.",
     .notation = "y[..,d] = w[ids[..],d]; map .. d; gather v; linear w",
     .bind = bind_embedding,
     .output_dtypes = f32_output,
     .flops = no_cost,
     .bytes = embedding_bytes,
     .samples = embedding_samples,
     .reads_blocks = true,
     .reads_packed_rows = true},
}};

}  // namespace

std::span<const OpDef> embedding_ops() { return kOps; }

}  // namespace partita::ops
