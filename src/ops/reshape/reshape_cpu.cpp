// SPDX-License-Identifier: Apache-2.0
// reshape on the CPU: a copy, as the output's dims are given by its view.
#include <array>
#include <cstring>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != args.outputs[0].dtype) return nullptr;
  return make_kernel([](Views inputs, Views outputs) {
    const int64_t elements = inputs[0].elements();
    CHECK(elements == outputs[0].elements(), "reshape of ", elements, " elements to ",
          outputs[0].elements());
    if (elements == 0) return;
    std::memcpy(outputs[0].data, inputs[0].data,
                static_cast<size_t>(elements * size_of(inputs[0].dtype)));
  });
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"reshape", kKernels}}};

}  // namespace

std::span<const KernelList> reshape_cpu_kernels() { return kLists; }

}  // namespace partita::ops
