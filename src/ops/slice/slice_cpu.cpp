// SPDX-License-Identifier: Apache-2.0
// slice on the CPU.
#include <array>

#include "ops/cpu_kernel.h"
#include "ops/dim_range_copy.h"

namespace partita::ops {
namespace {

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != args.outputs[0].dtype) return nullptr;
  const size_t dim = node_dim(args.node, args.inputs[0].dims.size());
  const int64_t begin = args.node.attributes.integer("begin");
  return make_kernel([dim, begin](Views inputs, Views outputs) {
    const AroundDim in = around(inputs[0].shape, dim);
    const int64_t count = outputs[0].shape[dim];
    CHECK(begin + count <= in.size, "slice up to ", begin + count, " of ", in.size);
    copy_dim_range({inputs[0].data, in.size, begin}, {outputs[0].data, count, 0}, in.outer, count,
                   in.inner * size_of(inputs[0].dtype));
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"slice", kKernels}}};

}  // namespace

std::span<const KernelList> slice_cpu_kernels() { return kLists; }

}  // namespace partita::ops
