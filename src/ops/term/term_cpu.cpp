// SPDX-License-Identifier: Apache-2.0
// term on the CPU.
#include <array>
#include <cstring>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != args.outputs[0].dtype) return nullptr;
  const bool is_first = args.node.attributes.integer("position") == 0;
  return make_kernel([is_first](Views inputs, Views outputs) {
    const int64_t elements = outputs[0].elements();
    if (elements == 0) return;
    const auto bytes = static_cast<size_t>(elements * size_of(outputs[0].dtype));
    if (is_first) {
      std::memcpy(outputs[0].data, inputs[0].data, bytes);
    } else {
      std::memset(outputs[0].data, 0, bytes);  // zero in every element type
    }
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"term", kKernels}}};

}  // namespace

std::span<const KernelList> term_cpu_kernels() { return kLists; }

}  // namespace partita::ops
