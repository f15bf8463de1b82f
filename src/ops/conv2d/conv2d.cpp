// SPDX-License-Identifier: Apache-2.0
// conv2d: a bank of filters moved over images, in groups of channels, without bias.
#include <array>

#include "ops/declaration.h"
#include "ops/window2d.h"
#include "support/error.h"

namespace partita::ops {
namespace {

// Groups follow from the shapes, so that a rank that holds some of them needs no attribute of its
// own: the channels of the images over those that one filter reads.
int64_t group_count(const OpCall& call) {
  const ir::Dim& channels = call.inputs[0].dims[1];
  const ir::Dim& filters = call.inputs[1].dims[0];
  const ir::Dim& read = call.inputs[1].dims[1];
  if (channels.is_symbolic() || filters.is_symbolic() || read.is_symbolic()) {
    fail(call, "symbolic channels; expected known ones");
  }
  if (read.size == 0 && channels.size == 0) return 1;
  const int64_t groups = read.size == 0 ? 0 : channels.size / read.size;
  const bool is_whole = groups * read.size == channels.size;
  if (!is_whole || (groups == 0 ? filters.size != 0 : filters.size % groups != 0)) {
    fail(call,
         str("filters ", ir::to_string(call.inputs[1]), " for ", ir::to_string(call.inputs[0]),
             "; expected groups of channels (dim 1 of both) that divide the filters"));
  }
  return groups;
}

// Map factors n and, as the channels are grouped, g; c is summed over.
spec::Notation notation_of_groups(int64_t groups) {
  using spec::FactorKind;
  spec::Notation notation;
  const int n = add_factor(notation, "n", FactorKind::kMap);
  const int g = groups == 1 ? -1 : add_factor(notation, "g", FactorKind::kMap, groups);
  const int o = add_factor(notation, "o", FactorKind::kMap, groups == 0 ? 1 : -1);
  const int c = add_factor(notation, "c", FactorKind::kReduce);
  const auto whole = [&](const char* name) {
    return add_factor(notation, name, FactorKind::kWhole);
  };
  const int h = whole("h");
  const int w = whole("w");
  const int r = whole("r");
  const int s = whole("s");
  const int p = whole("p");
  const int q = whole("q");
  const auto grouped = [&](int channel) {
    return g < 0 ? spec::DimIndex{{channel, 1}} : spec::DimIndex{{g, 1}, {channel, 1}};
  };
  notation.inputs = {{{{n, 1}}, grouped(c), {{h, 1}}, {{w, 1}}},
                     {grouped(o), {{c, 1}}, {{r, 1}}, {{s, 1}}}};
  notation.outputs = {{{{n, 1}}, grouped(o), {{p, 1}}, {{q, 1}}}};
  notation.linear_in = {{0}, {1}};
  return notation;
}

spec::Notation bind_conv2d(const OpCall& call) {
  require_inputs(call, 2);
  require_rank(call, 0, 4);
  require_rank(call, 1, 4);
  const std::vector<int64_t> filters = call.inputs[1].shape();
  const Window2d window = read_window(call, {filters[2], filters[3]});
  spec::Notation notation = notation_of_groups(group_count(call));
  const std::array<int64_t, 2> places = window_places(call, window);
  const size_t last = notation.factors.size() - 1;
  notation.factors[last - 1].size = places[0];
  notation.factors[last].size = places[1];
  return bound(call, std::move(notation));
}

double conv2d_flops(const OpCall& call, const ir::SymbolSizes& symbols) {
  return 2 * product_of_dims(infer_types(call).front(), symbols) *
         product_of_dims(call.inputs[1], symbols, 1, 4);
}

ir::Attributes geometry(std::vector<int64_t> strides,
                        std::vector<int64_t> padding,
                        std::vector<int64_t> dilations) {
  return attributes({{"strides", std::move(strides)},
                     {"padding", std::move(padding)},
                     {"dilations", std::move(dilations)}});
}

std::vector<OpSample> conv2d_samples() {
  return {
      float_sample({f32({3, 5, 4, 6}), f32({7, 5, 3, 2})}),
      float_sample({f32({2, 6, 5, 4}), f32({9, 2, 3, 3})}, geometry({2, 1}, {1, 0, 2, 1}, {1, 1})),
      float_sample({f32({2, 5, 4, 5}), f32({5, 1, 2, 2})}, geometry({1, 2}, {0, 1, 1, 0}, {2, 1}))};
}

constexpr std::array<OpDef, 1> kOps = {{
    {.name = "conv2d",
     .summary = "Filters w[o,c,r,s] moved over images x[n,c,h,w]; with fewer channels in w than in "
                "x, in groups of channels. Attributes strides [2], dilations [2], padding [top, "
                "left, bottom, right]. A bias is an add of its own.",
     .notation = "y[n,(g o),p,q] += x[n,(g c),h,w] * w[(g o),c,r,s]; map n g o; sum c; "
                 "whole h w r s p q; linear x | w",
     .bind = bind_conv2d,
     .flops = conv2d_flops,
     .samples = conv2d_samples},
}};

}  // namespace

std::span<const OpDef> conv2d_ops() { return kOps; }

}  // namespace partita::ops
