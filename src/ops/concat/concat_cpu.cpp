// SPDX-License-Identifier: Apache-2.0
// concat on the CPU.
#include <array>

#include "ops/cpu_kernel.h"
#include "ops/dim_range_copy.h"

namespace partita::ops {
namespace {

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  for (const ir::TensorType& type : args.inputs) {
    if (type.dtype != args.outputs[0].dtype) return nullptr;
  }
  const size_t dim = node_dim(args.node, args.inputs[0].dims.size());
  return make_kernel([dim](Views inputs, Views outputs) {
    const int64_t joined = outputs[0].shape[dim];
    int64_t begin = 0;
    for (const TensorView& input : inputs) {
      const AroundDim in = around(input.shape, dim);
      copy_dim_range({input.data, in.size, 0}, {outputs[0].data, joined, begin}, in.outer, in.size,
                     in.inner * size_of(input.dtype));
      begin += in.size;
    }
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"concat", kKernels}}};

}  // namespace

std::span<const KernelList> concat_cpu_kernels() { return kLists; }

}  // namespace partita::ops
