// SPDX-License-Identifier: Apache-2.0
// cast on the CPU.
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

template <typename T>
constexpr bool kIsHalf = std::is_same_v<T, BFloat16> || std::is_same_v<T, Float16>;

// A float as an integer: towards zero, saturating, NaN gives 0.
template <typename To>
To to_integer(double value) {
  if (std::isnan(value)) return 0;
  // The largest int64 is no double; its neighbour above is, and values from there on saturate.
  constexpr auto kLimit = static_cast<double>(std::numeric_limits<To>::max());
  if (value >= kLimit) return std::numeric_limits<To>::max();
  if (value <= static_cast<double>(std::numeric_limits<To>::min())) {
    return std::numeric_limits<To>::min();
  }
  return static_cast<To>(value);
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (kIsHalf<From>) {
    return convert<To>(value.to_float());
  } else if constexpr (kIsHalf<To>) {
    return To::from_float(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    return to_integer<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

template <typename From, typename To>
void cast(Views inputs, Views outputs) {
  const From* x = inputs[0].as<const From>();
  To* y = outputs[0].as<To>();
  const int64_t count = inputs[0].elements();
  for (int64_t i = 0; i < count; ++i) y[i] = convert<To>(x[i]);
}

// visit(T{}) with the C++ type of any dtype.
template <typename Visit>
void visit_type(DType dtype, const Visit& visit) {
  switch (dtype) {
    case DType::kBool:
      return visit(bool{});
    case DType::kU8:
      return visit(uint8_t{});
    case DType::kI8:
      return visit(int8_t{});
    case DType::kI16:
      return visit(int16_t{});
    case DType::kI32:
      return visit(int32_t{});
    case DType::kI64:
      return visit(int64_t{});
    case DType::kF16:
      return visit(Float16{});
    case DType::kBF16:
      return visit(BFloat16{});
    case DType::kF32:
      return visit(float{});
    case DType::kF64:
      return visit(double{});
    case DType::kQ8_0:
    case DType::kQ4_0:
      return;  // no operator makes them, none but the products reads them
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  std::unique_ptr<BoundKernel> kernel;
  visit_type(args.inputs[0].dtype, [&]<typename From>(From) {
    visit_type(args.outputs[0].dtype,
               [&]<typename To>(To) { kernel = make_kernel(cast<From, To>); });
  });
  return kernel;
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"cast", kKernels}}};

}  // namespace

std::span<const KernelList> cast_cpu_kernels() { return kLists; }

}  // namespace partita::ops
