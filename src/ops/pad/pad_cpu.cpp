// SPDX-License-Identifier: Apache-2.0
// pad on the CPU: the border is filled, rows are copied into the middle.
#include <algorithm>
#include <array>
#include <cstring>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

// Copies x row by row into y, whose dim i starts `before[i]` elements earlier.
struct Inset {
  std::span<const int64_t> in;
  std::span<const int64_t> out;
  std::span<const int64_t> before;

  const float* walk(size_t dim, const float* x, float* y) const {
    if (dim == in.size()) {
      *y = *x;
      return x + 1;
    }
    const int64_t stride = elements_of(out, dim + 1, out.size());
    y += before[dim] * stride;
    if (dim + 1 == in.size()) {
      std::memcpy(y, x, static_cast<size_t>(in[dim]) * sizeof(float));
      return x + in[dim];
    }
    for (int64_t i = 0; i < in[dim]; ++i, y += stride) x = walk(dim + 1, x, y);
    return x;
  }
};

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const auto value = static_cast<float>(args.node.attributes.number_or("value", 0));
  const std::vector<int64_t> before = args.node.attributes.integers("before");
  return make_kernel([value, before](Views inputs, Views outputs) {
    std::fill_n(outputs[0].as<float>(), outputs[0].elements(), value);
    if (inputs[0].elements() == 0) return;
    const Inset inset{inputs[0].shape, outputs[0].shape, before};
    inset.walk(0, inputs[0].as<const float>(), outputs[0].as<float>());
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"pad", kKernels}}};

}  // namespace

std::span<const KernelList> pad_cpu_kernels() { return kLists; }

}  // namespace partita::ops
