// SPDX-License-Identifier: Apache-2.0
// experts: gated feed-forward networks of which each token uses a few, chosen by a router.
#include <algorithm>
#include <array>
#include <cmath>

#include "ops/activations.h"
#include "ops/declaration.h"
#include "ops/products.h"
#include "support/error.h"

namespace partita::ops {
namespace {

enum Input : size_t { kTokens, kRouting, kGate, kUp, kDown, kInputs };

// Experts of the whole model, of which this call holds some or all.
int64_t all_experts(const OpCall& call) { return call.inputs[kRouting].dims[1].size; }

void check_call(const OpCall& call) {
  require_inputs(call, kInputs);
  for (const size_t input : {kTokens, kRouting}) require_rank(call, input, 2);
  for (const size_t input : {kGate, kUp, kDown}) require_rank(call, input, 3);
  check_products(call);
  const int64_t held = call.inputs[kGate].dims[0].size;
  const int64_t begin = call.attributes.integer_or("e_begin", 0);
  if (held < 0 || begin < 0 || begin > all_experts(call) - held) {
    fail(call, str(held, " experts from number ", begin, "; expected a range of the ",
                   all_experts(call), " that are routed to"));
  }
  const int64_t top_k = call.attributes.integer("top_k");
  if (top_k < 1 || top_k > all_experts(call)) {
    fail(call, str("top_k = ", top_k, " of ", all_experts(call), " experts"));
  }
  const std::string activation = call.attributes.text_or("activation", "silu");
  if (std::ranges::find(kActivationNames, activation) == kActivationNames.end()) {
    fail(call, str("activation ", activation, "; expected gelu, gelu_tanh, relu or silu"));
  }
}

// Splitting e gives each rank its experts, and what is routed elsewhere adds nothing there, as rows
// of an embedding; splitting f cuts every expert; both leave partial sums. k stays whole because
// the activation needs whole sums over it. The routing is whole: it says which experts are not
// here.
spec::Notation bind_experts(const OpCall& call) {
  check_call(call);
  return bind_text(call,
                   "y[t,d] += x[t,k], r[t,a], gate[e,f,k], up[e,f,k], down[e,d,f]; "
                   "map t d; sum f; gather e; whole k a; linear r");
}

// Pairs of a token and an expert, and experts with any token, on the busiest of the ranks that
// share the experts.
struct Load {
  double pairs = 0;
  double experts = 0;
};

// How far the busiest of n ranks lies above the mean, in standard deviations: the expected largest
// of n normal numbers whose sum is fixed. sqrt(2 ln n) is its limit; 0.65 less is within 7 % of it
// for n = 2 .. 64, and of the counts of a single token.
double busiest_deviations(double ranks) {
  return (std::sqrt(2 * std::log(ranks)) - 0.65) * std::sqrt(ranks / (ranks - 1));
}

// Every token chooses top_k of all experts, each as likely as any other and whatever the other
// tokens choose, so the ranks get unlike numbers: one token with two of eight experts keeps one of
// two ranks alone busy in three cases of seven. A pair is never cut: with eight ranks, that token
// keeps two of them busy.
Load busiest_load(const OpCall& call, const ir::SymbolSizes& symbols) {
  const auto held = static_cast<double>(call.inputs[kGate].dims[0].size);
  const auto all = static_cast<double>(all_experts(call));
  const auto choices = static_cast<double>(call.attributes.integer("top_k"));
  const double tokens = product_of_dims(call.inputs[kTokens], symbols, 0, 1);
  if (held <= 0 || tokens <= 0) return {};
  const double mean = tokens * choices * held / all;
  double pairs = mean;
  if (held < all) {
    const double variance = mean * (1 - held / all) * (all - choices) / (all - 1);
    pairs = std::max(std::ceil(mean), mean + busiest_deviations(all / held) * std::sqrt(variance));
    pairs = std::min(pairs, tokens * std::min(choices, held));
  }
  // A token has chosen an expert of this rank with probability pairs / (held tokens); the busiest
  // rank has one at least.
  const double experts = held * (1 - std::pow(1 - pairs / (held * tokens), tokens));
  return {pairs, std::max(experts, std::min(pairs, 1.0))};
}

// Tokens per expert in use.
double experts_rows(const OpCall& call, const ir::SymbolSizes& symbols) {
  const Load load = busiest_load(call, symbols);
  return load.experts <= 0 ? 1 : std::max(1.0, load.pairs / load.experts);
}

// Flops of one pair: gate and up take 2 k f each, the activation about 4 f, down 2 f d.
double experts_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const double gate = product_of_dims(call.inputs[kGate], symbols, 1, 3);
  const double down = product_of_dims(call.inputs[kDown], symbols, 1, 3);
  const double inner = product_of_dims(call.inputs[kGate], symbols, 1, 2);
  return busiest_load(call, symbols).pairs *
         (4 * passes_over(call, kGate) * gate + 4 * inner + 2 * passes_over(call, kDown) * down);
}

// Weights of the experts in use, and the tokens, which are read and written for each pair.
double experts_bytes(const OpCall& call, const ir::SymbolSizes& symbols) {
  const Load load = busiest_load(call, symbols);
  double bytes = static_cast<double>(call.inputs[kRouting].bytes(symbols));
  for (const size_t weight : {kGate, kUp, kDown}) {
    const double elements = product_of_dims(call.inputs[weight], symbols, 1, 3);
    bytes += load.experts * static_cast<double>(bytes_of(call.inputs[weight].dtype,
                                                         static_cast<int64_t>(elements)));
  }
  const double width = product_of_dims(call.inputs[kTokens], symbols, 1, 2) +
                       product_of_dims(call.inputs[kDown], symbols, 1, 2);
  return bytes + load.pairs * width * static_cast<double>(size_of(DType::kF32));
}

OpSample experts_sample(int64_t experts, std::string activation, DType weights) {
  OpSample sample =
      float_sample({f32({4, 6}), f32({4, experts}), f32({experts, 7, 6}), f32({experts, 7, 6}),
                    f32({experts, 5, 7})},
                   attributes({{"top_k", int64_t{2}}, {"activation", std::move(activation)}}));
  for (const size_t weight : {kGate, kUp, kDown}) sample.inputs[weight].dtype = weights;
  return sample;
}

std::vector<OpSample> experts_samples() {
  OpSample blocks =
      float_sample({f32({3, 32}), f32({3, 4}), q8({4, 64, 32}), q8({4, 64, 32}), q8({4, 5, 64})},
                   attributes({{"top_k", int64_t{2}}, {"activation", "silu"}}));
  OpSample near = experts_sample(2, "silu", DType::kBF16);
  near.attributes.set("products", "near_f32");
  return {experts_sample(5, "silu", DType::kF32), experts_sample(2, "gelu", DType::kBF16), near,
          blocks};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "experts",
     .summary = "Mixture of gated feed-forward networks: y = sum over e of r[t,e] * down_e "
                "(activation(gate_e x) * (up_e x)); experts with r = 0 cost nothing. Attributes: "
                "activation (gelu, gelu_tanh, relu, silu), top_k (experts per token, for the "
                "costs); e_begin is the first expert held, of those that r routes to. Weights are "
                "f32, bf16 (what meets them is then rounded to bf16 first, unless `products` is "
                "near_f32), q8_0 or q4_0.",
     .notation =
         "y[t,d] += f(x[t,:], r[t,:], gate[e,f,:], up[e,f,:], down[e,d,f]); map t d; sum f; "
         "gather e; whole k a; linear r",
     .bind = bind_experts,
     .output_dtypes = f32_output,
     .flops = experts_flops,
     .bytes = experts_bytes,
     .rows = experts_rows,
     .samples = experts_samples,
     .reads_blocks = true,
     .packs_weights = true,
     .is_cost_of_piece = true},
}};

}  // namespace

std::span<const OpDef> experts_ops() { return kOps; }

}  // namespace partita::ops
