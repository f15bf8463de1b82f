// SPDX-License-Identifier: Apache-2.0
// What CPU kernels are written with: kernels from functions, choice by element type, tensors seen
// as rows.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "device/cpu/instructions.h"
#include "ops/kernel.h"
#include "support/dtype.h"
#include "support/error.h"

namespace partita::ops {

using Views = std::span<const TensorView>;

// A kernel from a function (Views inputs, Views outputs) that keeps what it needs of the node by
// value.
template <typename Run>
class FunctionKernel final : public BoundKernel {
 public:
  explicit FunctionKernel(Run function) : function_(std::move(function)) {}
  void run(Views inputs, Views outputs) override { function_(inputs, outputs); }

 private:
  Run function_;
};

template <typename Run>
[[nodiscard]] std::unique_ptr<BoundKernel> make_kernel(Run function) {
  return std::make_unique<FunctionKernel<Run>>(std::move(function));
}

// The scratch of the rank, or an own one where the caller gave none.
class ScratchHandle {
 public:
  explicit ScratchHandle(const BindArgs& args)
      : own_(args.scratch == nullptr ? std::make_unique<Scratch>() : nullptr),
        scratch_(args.scratch == nullptr ? own_.get() : args.scratch) {}
  Scratch* operator->() const { return scratch_; }
  Scratch& operator*() const { return *scratch_; }

 private:
  std::unique_ptr<Scratch> own_;
  Scratch* scratch_;
};

// Kernels of one op in falling order of speed, the compiled variants before the reference:
// kBind<level>(args) is asked only where the level is usable. Example: constexpr auto kKernels =
// leveled_kernels<bind_fast>(bind_reference);
template <auto kBind>
struct Leveled {
  template <device::Instructions kLevel>
  static std::unique_ptr<BoundKernel> bind(const BindArgs& args) {
    return kLevel > device::usable_instructions() ? nullptr : kBind(args, kLevel);
  }
};
template <auto kBind>
constexpr std::array<Kernel, 4> leveled_kernels(
    std::unique_ptr<BoundKernel> (*reference)(const BindArgs& args)) {
  return {{{"avx512", Leveled<kBind>::template bind<device::Instructions::kAvx512>},
           {"avx2", Leveled<kBind>::template bind<device::Instructions::kAvx2>},
           {"portable", Leveled<kBind>::template bind<device::Instructions::kPortable>},
           {"reference", reference}}};
}

// All inputs and outputs are f32.
[[nodiscard]] inline bool all_f32(const BindArgs& args) {
  for (const ir::TensorType& type : args.inputs) {
    if (type.dtype != DType::kF32) return false;
  }
  for (const ir::TensorType& type : args.outputs) {
    if (type.dtype != DType::kF32) return false;
  }
  return true;
}

// One element as a float.
[[nodiscard]] inline float to_float(float value) { return value; }
[[nodiscard]] inline float to_float(BFloat16 value) { return value.to_float(); }
[[nodiscard]] inline float to_float(Float16 value) { return value.to_float(); }

// An activation as it meets weights of that type: rounded to bf16 for bf16 weights.
template <typename Weight>
[[nodiscard]] float rounded_like(float value) {
  if constexpr (std::is_same_v<Weight, BFloat16>) return BFloat16::from_float(value).to_float();
  return value;
}

// Calls visit(T{}) with the C++ type of a float dtype; false for other dtypes.
template <typename Visit>
bool visit_float_type(DType dtype, const Visit& visit) {
  if (dtype == DType::kF32) return visit(float{}), true;
  if (dtype == DType::kBF16) return visit(BFloat16{}), true;
  if (dtype == DType::kF16) return visit(Float16{}), true;
  return false;
}

// Element `index` of an i32 or i64 tensor.
[[nodiscard]] inline int64_t integer_at(const TensorView& view, int64_t index) {
  return view.dtype == DType::kI64 ? view.as<const int64_t>()[index]
                                   : view.as<const int32_t>()[index];
}

// Elements of the dims [begin, end).
[[nodiscard]] inline int64_t elements_of(std::span<const int64_t> shape, size_t begin, size_t end) {
  int64_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= shape[i];
  return product;
}

// A tensor as [outer, size, inner] around one dim.
struct AroundDim {
  int64_t outer = 1;
  int64_t size = 1;
  int64_t inner = 1;
};
[[nodiscard]] inline AroundDim around(std::span<const int64_t> shape, size_t dim) {
  return {elements_of(shape, 0, dim), shape[dim], elements_of(shape, dim + 1, shape.size())};
}

// Attribute "dim" of a node that a declaration has checked, with negative values resolved.
[[nodiscard]] inline size_t node_dim(const ir::Node& node,
                                     size_t rank,
                                     const char* name = "dim",
                                     int64_t fallback = -1) {
  const int64_t dim = node.attributes.integer_or(name, fallback);
  return static_cast<size_t>(dim < 0 ? dim + static_cast<int64_t>(rank) : dim);
}

}  // namespace partita::ops
