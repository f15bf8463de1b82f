// SPDX-License-Identifier: Apache-2.0
// Elementwise operators on the CPU: one loop for unary and one for binary functions.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/activations.h"
#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

struct Tanh {
  float operator()(float x) const { return std::tanh(x); }
};
struct Sigmoid {
  float operator()(float x) const { return 1 / (1 + std::exp(-x)); }
};
struct Exp {
  float operator()(float x) const { return std::exp(x); }
};
struct Neg {
  template <typename T>
  T operator()(T x) const {
    return -x;
  }
};
struct Sqrt {
  float operator()(float x) const { return std::sqrt(x); }
};
struct Rsqrt {
  float operator()(float x) const { return 1 / std::sqrt(x); }
};
struct Abs {
  template <typename T>
  T operator()(T x) const {
    return x < 0 ? -x : x;
  }
};
struct Log {
  float operator()(float x) const { return std::log(x); }
};
struct Erf {
  float operator()(float x) const { return std::erf(x); }
};
struct Sin {
  float operator()(float x) const { return std::sin(x); }
};
struct Cos {
  float operator()(float x) const { return std::cos(x); }
};
struct Floor {
  float operator()(float x) const { return std::floor(x); }
};
struct Ceil {
  float operator()(float x) const { return std::ceil(x); }
};
struct Add {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Sub {
  template <typename T>
  T operator()(T a, T b) const {
    return a - b;
  }
};
struct Mul {
  template <typename T>
  T operator()(T a, T b) const {
    return a * b;
  }
};
struct Div {
  float operator()(float a, float b) const { return a / b; }
};
struct Pow {
  float operator()(float a, float b) const { return std::pow(a, b); }
};
// NaN of either operand wins, as in numpy.
struct Max {
  template <typename T>
  T operator()(T a, T b) const {
    return a > b || a != a ? a : b;
  }
};
struct Min {
  template <typename T>
  T operator()(T a, T b) const {
    return a < b || a != a ? a : b;
  }
};

// Integers are for functions that stay within them.
template <typename Function>
constexpr bool kTakesIntegers = requires(Function f) {
  f.template operator()<int32_t>(1);
}
|| requires(Function f) { f.template operator()<int32_t>(1, 1); };

bool same_dtypes(const BindArgs& args) {
  for (const ir::TensorType& type : args.inputs) {
    if (type.dtype != args.outputs[0].dtype) return false;
  }
  return true;
}

// y[i] = f(x[i]) over any shape.
template <typename T, typename Function>
std::unique_ptr<BoundKernel> unary_kernel(Function function) {
  return make_kernel([function](Views inputs, Views outputs) {
    const T* x = inputs[0].as<const T>();
    T* y = outputs[0].as<T>();
    const int64_t count = outputs[0].elements();
    for (int64_t i = 0; i < count; ++i) y[i] = function(x[i]);
  });
}

template <typename Function>
std::unique_ptr<BoundKernel> bind_unary(const BindArgs& args) {
  if (!same_dtypes(args)) return nullptr;
  if constexpr (kTakesIntegers<Function>) {
    if (args.inputs[0].dtype == DType::kI32) return unary_kernel<int32_t>(Function{});
    if (args.inputs[0].dtype == DType::kI64) return unary_kernel<int64_t>(Function{});
  }
  return args.inputs[0].dtype == DType::kF32 ? unary_kernel<float>(Function{}) : nullptr;
}

std::unique_ptr<BoundKernel> bind_scale(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const auto factor = static_cast<float>(args.node.attributes.number("factor"));
  return unary_kernel<float>([factor](float x) { return x * factor; });
}

std::unique_ptr<BoundKernel> bind_leaky_relu(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const auto slope = static_cast<float>(args.node.attributes.number("slope"));
  return unary_kernel<float>([slope](float x) { return x < 0 ? x * slope : x; });
}

// NaN stays.
std::unique_ptr<BoundKernel> bind_clip(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto low = static_cast<float>(args.node.attributes.number_or("low", -kInfinity));
  const auto high = static_cast<float>(args.node.attributes.number_or("high", kInfinity));
  return unary_kernel<float>([low, high](float x) {
    const float raised = x < low ? low : x;
    return raised > high ? high : raised;
  });
}

// Elements between neighbours of an operand along each dim of the output; 0 along broadcast dims.
void broadcast_strides(std::span<const int64_t> operand,
                       std::span<const int64_t> output,
                       std::vector<int64_t>& strides) {
  strides.assign(output.size(), 0);
  int64_t stride = 1;
  for (size_t i = 1; i <= operand.size(); ++i) {
    const int64_t size = operand[operand.size() - i];
    if (size != 1) strides[output.size() - i] = stride;
    stride *= size;
  }
}

// y = f(a, b) with broadcasting. The last dim is a loop of its own with strides 0 or 1, which the
// compiler can vectorise.
template <typename T, typename Function>
class BinaryKernel final : public BoundKernel {
 public:
  void run(Views inputs, Views outputs) override {
    const TensorView& out = outputs[0];
    if (out.elements() == 0) return;
    T* y = out.as<T>();
    if (inputs[0].shape == inputs[1].shape) {
      return row(inputs[0].as<const T>(), inputs[1].as<const T>(), {1, 1}, y, out.elements());
    }
    shape_ = out.shape;
    if (shape_.empty()) shape_.push_back(1);
    broadcast_strides(inputs[0].shape, shape_, a_strides_);
    broadcast_strides(inputs[1].shape, shape_, b_strides_);
    walk(0, inputs[0].as<const T>(), inputs[1].as<const T>(), y);
  }

 private:
  struct Steps {
    int64_t a, b;
  };

  static void row(const T* a, const T* b, Steps steps, T* y, int64_t count) {
    const Function function;
    if (steps.a == 1 && steps.b == 1) {
      for (int64_t i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
    } else {
      for (int64_t i = 0; i < count; ++i) y[i] = function(a[i * steps.a], b[i * steps.b]);
    }
  }

  T* walk(size_t dim, const T* a, const T* b, T* y) const {
    if (dim + 1 == shape_.size()) {
      row(a, b, {a_strides_[dim], b_strides_[dim]}, y, shape_[dim]);
      return y + shape_[dim];
    }
    for (int64_t i = 0; i < shape_[dim]; ++i) {
      y = walk(dim + 1, a + i * a_strides_[dim], b + i * b_strides_[dim], y);
    }
    return y;
  }

  std::vector<int64_t> shape_;
  std::vector<int64_t> a_strides_;
  std::vector<int64_t> b_strides_;
};

template <typename Function>
std::unique_ptr<BoundKernel> bind_binary(const BindArgs& args) {
  if (!same_dtypes(args)) return nullptr;
  const DType dtype = args.inputs[0].dtype;
  if constexpr (kTakesIntegers<Function>) {
    if (dtype == DType::kI32) return std::make_unique<BinaryKernel<int32_t, Function>>();
    if (dtype == DType::kI64) return std::make_unique<BinaryKernel<int64_t, Function>>();
  }
  if (dtype != DType::kF32) return nullptr;
  return std::make_unique<BinaryKernel<float, Function>>();
}

// Ranges of whole cache lines for the team.
Split split_of(const TensorView& y) {
  return {.items = y.elements(),
          .bytes_per_item = 3 * int64_t{sizeof(float)},
          .multiple = 16,
          .least_bytes = 256 << 10};
}

// A unary function of floats on vectors.
template <UnaryRow RowKernels::*kRow>
std::unique_ptr<BoundKernel> bind_unary_rows(const BindArgs& args, device::Instructions level) {
  if (!all_f32(args)) return nullptr;
  return make_kernel([row = row_kernels(level).*kRow](Views inputs, Views outputs) {
    parallel_ranges(split_of(outputs[0]), [&](Range range) {
      row(inputs[0].as<const float>() + range.begin, outputs[0].as<float>() + range.begin,
          range.end - range.begin);
    });
  });
}

// A binary function of floats on vectors where both operands have the shape of the result, or the
// second that of its last dims (a bias); other shapes as the reference does them.
template <BinaryRow RowKernels::*kRow, typename Function>
class BinaryRows final : public BoundKernel {
 public:
  explicit BinaryRows(const RowKernels& kernels) : row_(kernels.*kRow) {}

  void run(Views inputs, Views outputs) override {
    const auto* a = inputs[0].as<const float>();
    const auto* b = inputs[1].as<const float>();
    auto* y = outputs[0].as<float>();
    if (inputs[0].shape == inputs[1].shape) {
      parallel_ranges(split_of(outputs[0]), [&](Range range) {
        row_(a + range.begin, b + range.begin, y + range.begin, range.end - range.begin);
      });
    } else if (is_tail_of(inputs[1].shape, outputs[0].shape) &&
               inputs[0].shape == outputs[0].shape) {
      const int64_t width = inputs[1].elements();
      Split rows = {.items = outputs[0].elements() / std::max<int64_t>(width, 1),
                    .bytes_per_item = 2 * width * int64_t{sizeof(float)},
                    .least_bytes = 256 << 10};
      parallel_ranges(rows, [&](Range range) {
        for (int64_t i = range.begin; i < range.end; ++i) {
          row_(a + i * width, b, y + i * width, width);
        }
      });
    } else {
      reference_.run(inputs, outputs);
    }
  }

 private:
  static bool is_tail_of(const std::vector<int64_t>& tail, const std::vector<int64_t>& shape) {
    return tail.size() <= shape.size() && std::equal(tail.rbegin(), tail.rend(), shape.rbegin());
  }

  BinaryRow row_;
  BinaryKernel<float, Function> reference_;
};

template <BinaryRow RowKernels::*kRow, typename Function>
std::unique_ptr<BoundKernel> bind_binary_rows(const BindArgs& args, device::Instructions level) {
  if (!all_f32(args)) return nullptr;
  return std::make_unique<BinaryRows<kRow, Function>>(row_kernels(level));
}

using Bind = std::unique_ptr<BoundKernel> (*)(const BindArgs&);

template <Bind kBind>
constexpr std::array<Kernel, 1> kReference = {{{"reference", kBind}}};

template <Bind kBind>
constexpr KernelList reference(std::string_view op) {
  return {op, kReference<kBind>};
}

template <UnaryRow RowKernels::*kRow, Bind kBind>
constexpr auto kUnaryRows = leveled_kernels<bind_unary_rows<kRow>>(kBind);

template <BinaryRow RowKernels::*kRow, typename Function>
constexpr auto kBinaryRows =
    leveled_kernels<bind_binary_rows<kRow, Function>>(bind_binary<Function>);

constexpr std::array kLists = {
    KernelList{"silu", kUnaryRows<&RowKernels::silu, bind_unary<Silu>>},
    KernelList{"gelu", kUnaryRows<&RowKernels::gelu, bind_unary<Gelu>>},
    KernelList{"gelu_tanh", kUnaryRows<&RowKernels::gelu_tanh, bind_unary<GeluTanh>>},
    KernelList{"relu", kUnaryRows<&RowKernels::relu, bind_unary<Relu>>},
    reference<bind_unary<Tanh>>("tanh"),
    KernelList{"sigmoid", kUnaryRows<&RowKernels::sigmoid, bind_unary<Sigmoid>>},
    KernelList{"exp", kUnaryRows<&RowKernels::exp, bind_unary<Exp>>},
    reference<bind_unary<Neg>>("neg"),
    reference<bind_unary<Sqrt>>("sqrt"),
    reference<bind_unary<Rsqrt>>("rsqrt"),
    reference<bind_unary<Abs>>("abs"),
    reference<bind_unary<Log>>("log"),
    reference<bind_unary<Erf>>("erf"),
    reference<bind_unary<Sin>>("sin"),
    reference<bind_unary<Cos>>("cos"),
    reference<bind_unary<Floor>>("floor"),
    reference<bind_unary<Ceil>>("ceil"),
    reference<bind_leaky_relu>("leaky_relu"),
    reference<bind_clip>("clip"),
    reference<bind_scale>("scale"),
    KernelList{"add", kBinaryRows<&RowKernels::add, Add>},
    KernelList{"sub", kBinaryRows<&RowKernels::sub, Sub>},
    KernelList{"mul", kBinaryRows<&RowKernels::mul, Mul>},
    reference<bind_binary<Div>>("div"),
    reference<bind_binary<Pow>>("pow"),
    reference<bind_binary<Max>>("max"),
    reference<bind_binary<Min>>("min"),
};

}  // namespace

std::span<const KernelList> elementwise_cpu_kernels() { return kLists; }

}  // namespace partita::ops
