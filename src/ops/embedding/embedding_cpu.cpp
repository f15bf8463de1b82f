// SPDX-License-Identifier: Apache-2.0
// embedding on the CPU.
#include <algorithm>
#include <array>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

// w[rows, width], ids[..]; y[.., width] f32 = row id - v_begin of w, or zeros where another rank
// holds the row.
template <typename Weight>
void take_embeddings(int64_t v_begin, Views inputs, Views outputs) {
  const int64_t rows = inputs[0].shape[0];
  const int64_t width = inputs[0].shape[1];
  const int64_t count = inputs[1].elements();
  const auto* w = inputs[0].as<const Weight>();
  auto* y = outputs[0].as<float>();
  for (int64_t i = 0; i < count; ++i, y += width) {
    const int64_t row = integer_at(inputs[1], i) - v_begin;
    if (row < 0 || row >= rows) {
      std::fill_n(y, width, 0.0F);
    } else {
      std::transform(w + row * width, w + (row + 1) * width, y,
                     [](Weight v) { return to_float(v); });
    }
  }
}

// The same for rows that are stored in blocks.
void take_block_embeddings(int64_t v_begin, Views inputs, Views outputs) {
  const TensorView& w = inputs[0];
  const int64_t width = w.shape[1];
  auto* y = outputs[0].as<float>();
  for (int64_t i = 0; i < inputs[1].elements(); ++i, y += width) {
    const int64_t row = integer_at(inputs[1], i) - v_begin;
    if (row < 0 || row >= w.shape[0]) {
      std::fill_n(y, width, 0.0F);
    } else {
      convert_to_f32(w.dtype, w.as<const std::byte>() + row * bytes_of(w.dtype, width), y, width);
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  const int64_t v_begin = args.node.attributes.integer_or("v_begin", 0);
  if (is_block_type(args.inputs[0].dtype)) {
    return make_kernel([v_begin](Views inputs, Views outputs) {
      take_block_embeddings(v_begin, inputs, outputs);
    });
  }
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[0].dtype, [&]<typename Weight>(Weight) {
    kernel = make_kernel([v_begin](Views inputs, Views outputs) {
      take_embeddings<Weight>(v_begin, inputs, outputs);
    });
  });
  return kernel;
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"embedding", kKernels}}};

}  // namespace

std::span<const KernelList> embedding_cpu_kernels() { return kLists; }

}  // namespace partita::ops
