// SPDX-License-Identifier: Apache-2.0
// Poolings: the largest or the mean of a window moved over images.
#include <array>

#include "ops/declaration.h"
#include "ops/window2d.h"
#include "support/error.h"

namespace partita::ops {
namespace {

spec::Notation pooling(const OpCall& call, bool is_linear) {
  require_inputs(call, 1);
  require_rank(call, 0, 4);
  const std::vector<int64_t>& size = call.attributes.integers("kernel");
  if (size.size() != 2) fail(call, str("kernel has ", size.size(), " entries; expected 2"));
  if (call.attributes.has("dilations")) fail(call, "dilations; expected none");
  const Window2d window = read_window(call, {size[0], size[1]});
  for (size_t i = 0; i < 2; ++i) {
    // Every place then holds at least one element of the image.
    if (window.before[i] >= window.size[i] || window.after[i] >= window.size[i]) {
      fail(call, str("padding as large as the window of ", window.size[i], "; expected less"));
    }
    if (call.inputs[0].dims[2 + i].size == 0) fail(call, "an image of size 0; expected at least 1");
  }
  const std::array<int64_t, 2> places = window_places(call, window);
  spec::Notation notation;
  std::vector<int> dims = add_map_dims(notation, 4);
  for (size_t i = 2; i < 4; ++i) notation.factors[i].kind = spec::FactorKind::kWhole;
  notation.inputs = {index_of(dims)};
  dims[2] = add_factor(notation, "p", spec::FactorKind::kWhole, places[0]);
  dims[3] = add_factor(notation, "q", spec::FactorKind::kWhole, places[1]);
  notation.outputs = {index_of(dims)};
  if (is_linear) notation.linear_in = {{0}};
  return bound(call, std::move(notation));
}

spec::Notation bind_max(const OpCall& call) { return pooling(call, false); }
spec::Notation bind_avg(const OpCall& call) { return pooling(call, true); }

double pool_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  const std::vector<int64_t>& size = call.attributes.integers("kernel");
  return product_of_dims(infer_types(call).front(), symbols) *
         static_cast<double>(size.at(0) * size.at(1));
}

std::vector<OpSample> pool_samples() {
  using List = std::vector<int64_t>;
  return {float_sample({f32({3, 5, 4, 6})}, attributes({{"kernel", List{2, 3}}})),
          float_sample({f32({2, 3, 5, 4})}, attributes({{"kernel", List{3, 2}},
                                                        {"strides", List{2, 2}},
                                                        {"padding", List{1, 0, 2, 1}},
                                                        {"count_padding", int64_t{1}}}))};
}

constexpr std::array<OpDef, 2> kOps = {{
    {.name = "avg_pool2d",
     .summary =
         "Mean of a window moved over x[n,c,h,w]. Attributes kernel [2], strides [2], padding"
         " [top, left, bottom, right], count_padding (1 = padding counts as zeros).",
     .notation = "y[n,c,p,q] = mean(x[n,c,h,w]); map n c; whole h w p q; linear x",
     .bind = bind_avg,
     .flops = pool_flops,
     .samples = pool_samples},
    {.name = "max_pool2d",
     .summary = "Largest of a window moved over x[n,c,h,w]. Attributes kernel [2], strides [2], "
                "padding [top, left, bottom, right].",
     .notation = "y[n,c,p,q] = max(x[n,c,h,w]); map n c; whole h w p q",
     .bind = bind_max,
     .flops = pool_flops,
     .samples = pool_samples},
}};

}  // namespace

std::span<const OpDef> pool2d_ops() { return kOps; }

}  // namespace partita::ops
