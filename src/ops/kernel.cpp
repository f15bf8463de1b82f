// SPDX-License-Identifier: Apache-2.0
// Choice of a kernel for a node, and the working memory that kernels share.
#include "ops/kernel.h"

#include <array>

#include "device/device.h"
#include "ops/kernel_table.h"
#include "support/error.h"

namespace partita::ops {

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;
  return product;
}

void* BoundKernel::wished_input(int64_t bytes) {
  (void)bytes;
  return nullptr;
}

const PackedRows* BoundKernel::packed_rows(size_t input) const {
  (void)input;
  return nullptr;
}

bool BoundKernel::can_use_rows(size_t input) const {
  (void)input;
  return false;
}

void BoundKernel::use_rows(size_t input, const PackedRows& rows) {
  (void)rows;
  CHECK(false, "this kernel has no other source of input ", input);
}

struct Scratch::Memory {
  std::unique_ptr<device::Device> device = device::make_cpu_device();
  std::array<device::Buffer, kSlots> buffers;
};

Scratch::Scratch() : memory_(std::make_unique<Memory>()) {}
Scratch::~Scratch() = default;

std::byte* Scratch::reserve(Slot slot, int64_t bytes) {
  device::Buffer& buffer = memory_->buffers[slot];
  if (buffer.bytes() < bytes || buffer.data() == nullptr) {
    buffer = {};  // first free, then allocate: the contents are not kept
    buffer = memory_->device->allocate(bytes);
  }
  return buffer.data();
}

int64_t Scratch::bytes() const {
  int64_t sum = 0;
  for (const device::Buffer& buffer : memory_->buffers) sum += buffer.bytes();
  return sum;
}

std::span<const Kernel> cpu_kernels_of(std::string_view op) {
  for (const KernelFolder& folder : kernel_folders()) {
    for (const KernelList& list : folder.kernels()) {
      if (list.op == op) return list.kernels;
    }
  }
  return {};
}

std::unique_ptr<BoundKernel> bind_cpu_kernel(const BindArgs& args, std::string_view only) {
  std::string tried;
  for (const Kernel& kernel : cpu_kernels_of(args.node.op)) {
    if (!only.empty() && kernel.name != only) continue;
    if (auto bound = kernel.bind(args)) return bound;
    tried += str(tried.empty() ? "" : ", ", kernel.name);
  }
  std::string types;
  for (const ir::TensorType& type : args.inputs) {
    types += str(types.empty() ? "" : ", ", ir::to_string(type));
  }
  throw Error(ErrorCode::kUnsupported,
              str("[ops] ", args.node.op, " (", args.node.name, ") has no CPU kernel for (", types,
                  "); tried ", tried.empty() ? "none" : tried, "; cast the inputs to f32"));
}

}  // namespace partita::ops
