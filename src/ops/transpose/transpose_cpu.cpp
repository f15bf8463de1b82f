// SPDX-License-Identifier: Apache-2.0
// transpose on the CPU.
#include <array>
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/strided_copy.h"

namespace partita::ops {
namespace {

// Output dim i walks the input with the stride of its dim permutation[i].
class Transpose final : public BoundKernel {
 public:
  explicit Transpose(std::vector<int64_t> permutation)
      : permutation_(std::move(permutation)), strides_(permutation_.size()) {}

  void run(Views inputs, Views outputs) override {
    const std::vector<int64_t>& shape = inputs[0].shape;
    for (size_t i = 0; i < permutation_.size(); ++i) {
      strides_[i] = elements_of(shape, static_cast<size_t>(permutation_[i]) + 1, shape.size());
    }
    strided_copy(inputs[0].data, strides_, outputs[0].data, outputs[0].shape,
                 size_of(inputs[0].dtype));
  }

 private:
  std::vector<int64_t> permutation_;
  std::vector<int64_t> strides_;  // of this step; kept to allocate once
};

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != args.outputs[0].dtype) return nullptr;
  return std::make_unique<Transpose>(args.node.attributes.integers("permutation"));
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"transpose", kKernels}}};

}  // namespace

std::span<const KernelList> transpose_cpu_kernels() { return kLists; }

}  // namespace partita::ops
