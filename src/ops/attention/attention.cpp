// SPDX-License-Identifier: Apache-2.0
// attention: causal attention of each token to its own sequence, through a paged KV cache.
#include <array>

#include "ops/attention/inputs.h"
#include "ops/declaration.h"
#include "ops/products.h"
#include "ops/rope/rope_attributes.h"
#include "support/error.h"

namespace partita::ops {
namespace {

using enum attention::Input;

void check_inputs(const OpCall& call) {
  require_inputs(call, kInputs);
  for (const size_t input : {kQuery, kKey, kValue}) require_rank(call, input, 3);
  for (const size_t input : {kKeyCache, kValueCache}) require_rank(call, input, 4);
  for (const size_t input : {kPositions, kSequenceIds}) require_rank(call, input, 1);
  require_rank(call, kBlockTables, 2);
  for (const size_t input : {kPositions, kSequenceIds, kBlockTables}) {
    if (call.inputs[input].dtype != DType::kI32) {
      fail(call, str("input ", input, " is ", ir::to_string(call.inputs[input]), "; expected i32"));
    }
  }
}

int64_t group_size(const OpCall& call, int64_t heads, int64_t kv_heads) {
  if (call.attributes.has("group")) {
    const int64_t group = call.attributes.integer("group");
    if (group < 1) fail(call, str("group = ", group, "; expected at least 1"));
    return group;
  }
  if (kv_heads < 1 || heads % kv_heads != 0) {
    fail(call, str(heads, " heads on ", kv_heads,
                   " KV heads; expected a multiple, or the attribute group in a piece"));
  }
  return heads / kv_heads;
}

constexpr std::string_view kWholeModel =
    "o[t,h,e] = q[t,h,e], k[t,h/r,e], v[t,h/r,e], kc[h/r,c,e,p], vc[h/r,c,p,e], positions[t], "
    "sequences[t], tables[s,m]; map h; whole t e c p s m";
// A piece that begins or ends within a group of heads: its KV heads do not follow from h alone.
constexpr std::string_view kPiece =
    "o[t,h,e] = q[t,h,e], k[t,g,e], v[t,g,e], kc[g,c,e,p], vc[g,c,p,e], positions[t], "
    "sequences[t], tables[s,m]; map h; whole t e c p s m g";

spec::Notation bind_attention(const OpCall& call) {
  check_inputs(call);
  if (has_rope(call.attributes)) check_rope(call);
  check_products(call);
  const int64_t heads = call.inputs[kQuery].dims[1].size;
  const int64_t kv_heads = call.inputs[kKey].dims[1].size;
  const int64_t phase = call.attributes.integer_or("h_phase", 0);
  if (heads < 0 || kv_heads < 0) fail(call, "the number of heads must be known");
  const int64_t group = group_size(call, heads, kv_heads);
  if (phase < 0 || phase >= group) {
    fail(call, str("h_phase = ", phase, "; expected 0..", group - 1));
  }
  if (phase == 0 && heads == kv_heads * group) {
    return bind_text(call, kWholeModel, std::array{spec::NamedInteger{"r", group}});
  }
  if (heads > 0 && (phase + heads - 1) / group >= kv_heads) {
    fail(call, str(heads, " heads from phase ", phase, " in groups of ", group, " on ", kv_heads,
                   " KV heads; expected a KV head for each group"));
  }
  return bind_text(call, kPiece);
}

// Positions that a token may attend to: all that the block tables can hold (an upper bound).
double context(const OpCall& call, const ir::SymbolSizes& symbols) {
  return product_of_dims(call.inputs[kBlockTables], symbols, 1, 2) *
         product_of_dims(call.inputs[kValueCache], symbols, 2, 3);
}

double attention_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const double queries = product_of_dims(call.inputs[kQuery], symbols);
  const double rotated = queries + product_of_dims(call.inputs[kKey], symbols);
  const double products = 4 * queries * context(call, symbols) * passes_over(call, kKeyCache);
  return products + (has_rope(call.attributes) ? 3 * rotated : 0);
}

double attention_bytes(const OpCall& call, const ir::SymbolSizes& symbols) {
  const auto bytes = [&](size_t input) {
    return static_cast<double>(call.inputs[input].bytes(symbols));
  };
  const auto cache_element = static_cast<double>(size_of(call.inputs[kKeyCache].dtype));
  const double sequences = product_of_dims(call.inputs[kBlockTables], symbols, 0, 1);
  const double row = product_of_dims(call.inputs[kKey], symbols, 1, 3) * cache_element;
  const double written = product_of_dims(call.inputs[kQuery], symbols, 0, 1) * row;
  const double read = sequences * context(call, symbols) * row;
  return 2 * bytes(kQuery) + bytes(kKey) + bytes(kValue) + 2 * (written + read);
}

// Three sequences in one step: a whole short prompt, one decoded token, and the middle chunk of a
// prompt. The tables leave the last block of the cache and some entries (-1) unused.
OpSample attention_sample(int64_t heads, int64_t kv_heads, int64_t head_dim) {
  const int64_t tokens = 9;
  OpSample sample;
  sample.attributes = attributes({{"scale", 0.4}, {"group", heads / kv_heads}});
  sample.inputs = {f32({tokens, heads, head_dim}),
                   f32({tokens, kv_heads, head_dim}),
                   f32({tokens, kv_heads, head_dim}),
                   f32({kv_heads, 8, head_dim, 4}),
                   f32({kv_heads, 8, 4, head_dim}),
                   i32({tokens}),
                   i32({tokens}),
                   i32({3, 3})};
  sample.integer_below.assign(kInputs, 0);
  sample.integer_values.resize(kInputs);
  sample.integer_values[kPositions] = {0, 1, 2, 3, 4, 6, 5, 6, 7};
  sample.integer_values[kSequenceIds] = {0, 0, 0, 0, 0, 1, 2, 2, 2};
  sample.integer_values[kBlockTables] = {5, 0, -1, 3, 6, -1, 1, 4, 2};
  return sample;
}

// The same with heads that come unrotated, of which some elements stay as they are.
OpSample rotated_sample(int64_t heads, int64_t kv_heads, int64_t head_dim) {
  OpSample sample = attention_sample(heads, kv_heads, head_dim);
  sample.attributes.set("theta", 100.0);
  sample.attributes.set("rotary_dim", int64_t{4});
  sample.attributes.set("rope_type", "linear");
  sample.attributes.set("factor", 2.0);
  return sample;
}

std::vector<OpSample> attention_samples() {
  return {attention_sample(6, 2, 5), attention_sample(5, 5, 3), attention_sample(7, 1, 4),
          rotated_sample(6, 3, 6)};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "attention",
     .summary =
         "Writes k and v of every token into the caches, at block_tables[sequence_ids[t], "
         "positions[t] / p] and place positions[t] mod p; then token t attends to positions "
         "0..positions[t] of its own sequence. Query head i uses KV head (i + h_phase) / "
         "group. Attributes scale (default 1 / sqrt(e)), group (required in a piece), h_phase "
         "(default 0). With theta and the other attributes of rope, q and k are first rotated as "
         "rope does. Beside caches of bf16, scaled queries and weights may be rounded to bf16, "
         "unless `products` is near_f32.",
     .notation =
         "o[t,h,e] = f(q[t,h,e], k[t,h/r,e], v[t,h/r,e], k_cache[h/r,c,e,p], v_cache[h/r,c,p,e], "
         "positions[t], sequence_ids[t], block_tables[s,m]); map h; whole t e c p s m",
     .bind = bind_attention,
     .flops = attention_flops,
     .bytes = attention_bytes,
     .samples = attention_samples,
     .has_side_effect = true},
}};

}  // namespace

std::span<const OpDef> attention_ops() { return kOps; }

}  // namespace partita::ops
