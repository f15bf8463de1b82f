// SPDX-License-Identifier: Apache-2.0
// router: which experts each token goes to, and with what weight.
#include <array>

#include "ops/declaration.h"
#include "ops/products.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// Every rank decides for all experts: the choice of the best needs all logits, and ranks that
// rounded differently could choose differently. The matrix is small.
spec::Notation bind_router(const OpCall& call) {
  require_inputs(call, 2);
  require_rank(call, 0, 2);
  require_rank(call, 1, 2);
  check_products(call);
  const int64_t experts = call.inputs[1].dims[0].size;
  const int64_t top_k = call.attributes.integer("top_k");
  if (top_k < 1 || top_k > experts) {
    fail(call, str("top_k = ", top_k, " of ", experts, " experts; expected 1..", experts));
  }
  return bind_text(call, "r[t,e] = x[t,k], w[e,k]; map t; whole e k");
}

double router_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const double experts = product_of_dims(call.inputs[1], symbols, 0, 1);
  const double tokens = product_of_dims(call.inputs[0], symbols, 0, 1);
  // The softmax takes five operations per logit, and the selection about one per logit and choice.
  const auto choices = static_cast<double>(call.attributes.integer("top_k"));
  return 2 * passes_over(call, 1) * tokens * product_of_dims(call.inputs[1], symbols) +
         tokens * experts * (5 + choices);
}

std::vector<OpSample> router_samples() {
  const auto top_2 = attributes({{"top_k", int64_t{2}}, {"normalize", int64_t{1}}});
  const auto top_3 = attributes({{"top_k", int64_t{3}}, {"normalize", int64_t{0}}});
  return {float_sample({f32({6, 10}), f32({5, 10})}, top_2),
          float_sample({f32({4, 6}), bf16({7, 6})}, top_3)};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "router",
     .summary =
         "Softmax over the logits w x of all experts; the top_k largest are kept (of equal "
         "ones the first) and the others become 0; `normalize` divides the kept ones by "
         "their sum. w is f32 or bf16 (x is then rounded to bf16 first, unless `products` is "
         "near_f32).",
     .notation = "r[t,e] = f(x[t,:], w[:,:]); map t; whole e k",
     .bind = bind_router,
     .output_dtypes = f32_output,
     .flops = router_flops,
     .samples = router_samples},
}};

}  // namespace

std::span<const OpDef> router_ops() { return kOps; }

}  // namespace partita::ops
