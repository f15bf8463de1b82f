// SPDX-License-Identifier: Apache-2.0
// Reductions of one dim on the CPU, accumulated in double.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/cpu_kernel.h"

namespace partita::ops {
namespace {

struct Sum {
  static constexpr double kStart = 0;
  static double combine(double a, double b) { return a + b; }
  static double finish(double total, int64_t /*count*/) { return total; }
};
struct Mean : Sum {
  static double finish(double total, int64_t count) { return total / static_cast<double>(count); }
};
struct Prod : Sum {
  static constexpr double kStart = 1;
  static double combine(double a, double b) { return a * b; }
};
// NaN wins, as in numpy.
struct Max : Sum {
  static constexpr double kStart = -std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return a > b || std::isnan(a) ? a : b; }
};
struct Min : Sum {
  static constexpr double kStart = std::numeric_limits<double>::infinity();
  static double combine(double a, double b) { return a < b || std::isnan(a) ? a : b; }
};

// x[outer, size, inner]; y[outer, inner].
template <typename Reduction>
void reduce(const AroundDim& in, const float* x, float* y) {
  for (int64_t outer = 0; outer < in.outer; ++outer) {
    for (int64_t inner = 0; inner < in.inner; ++inner) {
      const float* line = x + outer * in.size * in.inner + inner;
      double total = Reduction::kStart;
      for (int64_t i = 0; i < in.size; ++i) total = Reduction::combine(total, line[i * in.inner]);
      *y++ = static_cast<float>(Reduction::finish(total, in.size));
    }
  }
}

template <typename Reduction>
std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const size_t dim = node_dim(args.node, args.inputs[0].dims.size());
  return make_kernel([dim](Views inputs, Views outputs) {
    reduce<Reduction>(around(inputs[0].shape, dim), inputs[0].as<const float>(),
                      outputs[0].as<float>());
  });
}

template <typename Reduction>
constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference<Reduction>}}};

constexpr std::array<KernelList, 5> kLists = {{{"reduce_sum", kKernels<Sum>},
                                               {"reduce_max", kKernels<Max>},
                                               {"reduce_min", kKernels<Min>},
                                               {"reduce_prod", kKernels<Prod>},
                                               {"reduce_mean", kKernels<Mean>}}};

}  // namespace

std::span<const KernelList> reduce_cpu_kernels() { return kLists; }

}  // namespace partita::ops
