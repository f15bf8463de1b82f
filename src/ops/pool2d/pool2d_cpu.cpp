// SPDX-License-Identifier: Apache-2.0
// Poolings on the CPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/cpu_kernel.h"
#include "ops/window2d.h"

namespace partita::ops {
namespace {

// The part of an image under the window at one place.
struct Under {
  const float* plane;
  int64_t width;
  Range rows;
  Range columns;
  int64_t window_elements;
};

// NaN wins, as in numpy.
float largest(const Under& under) {
  float result = -std::numeric_limits<float>::infinity();
  for (int64_t row = under.rows.begin; row < under.rows.end; ++row) {
    for (int64_t column = under.columns.begin; column < under.columns.end; ++column) {
      const float value = under.plane[row * under.width + column];
      if (value > result || std::isnan(value)) result = value;
    }
  }
  return result;
}

template <bool kCountsPadding>
float mean(const Under& under) {
  double total = 0;
  for (int64_t row = under.rows.begin; row < under.rows.end; ++row) {
    for (int64_t column = under.columns.begin; column < under.columns.end; ++column) {
      total += under.plane[row * under.width + column];
    }
  }
  const int64_t elements =
      kCountsPadding ? under.window_elements : under.rows.size() * under.columns.size();
  return static_cast<float>(total / static_cast<double>(elements));
}

// The rows (or columns) of an image of `size` that the window covers at its `place`.
Range covered(const Window2d& window, size_t dim, int64_t place, int64_t size) {
  const int64_t begin = place * window.strides[dim] - window.before[dim];
  return {std::max<int64_t>(begin, 0), std::min(begin + window.size[dim], size)};
}

// x[n, c, h, w], y[n, c, p, q].
template <float (*kPool)(const Under&)>
std::unique_ptr<BoundKernel> make_pooling(const Window2d& window) {
  return make_kernel([window](Views inputs, Views outputs) {
    const std::vector<int64_t>& x = inputs[0].shape;
    const std::vector<int64_t>& y = outputs[0].shape;
    const auto* plane = inputs[0].as<const float>();
    auto* out = outputs[0].as<float>();
    for (int64_t image = 0; image < x[0] * x[1]; ++image, plane += x[2] * x[3]) {
      for (int64_t p = 0; p < y[2]; ++p) {
        for (int64_t q = 0; q < y[3]; ++q) {
          *out++ = kPool({plane, x[3], covered(window, 0, p, x[2]), covered(window, 1, q, x[3]),
                          window.size[0] * window.size[1]});
        }
      }
    }
  });
}

Window2d window_of(const BindArgs& args) {
  const std::vector<int64_t>& size = args.node.attributes.integers("kernel");
  return checked_window(args.node.attributes, {size[0], size[1]});
}

std::unique_ptr<BoundKernel> bind_max(const BindArgs& args) {
  return all_f32(args) ? make_pooling<largest>(window_of(args)) : nullptr;
}

std::unique_ptr<BoundKernel> bind_avg(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const bool counts_padding = args.node.attributes.integer_or("count_padding", 0) != 0;
  return counts_padding ? make_pooling<mean<true>>(window_of(args))
                        : make_pooling<mean<false>>(window_of(args));
}

constexpr std::array<Kernel, 1> kMax = {{{"reference", bind_max}}};
constexpr std::array<Kernel, 1> kAvg = {{{"reference", bind_avg}}};
constexpr std::array<KernelList, 2> kLists = {{{"avg_pool2d", kAvg}, {"max_pool2d", kMax}}};

}  // namespace

std::span<const KernelList> pool2d_cpu_kernels() { return kLists; }

}  // namespace partita::ops
