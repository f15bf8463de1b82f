// SPDX-License-Identifier: Apache-2.0
// conv2d on the CPU.
#include <array>

#include "ops/cpu_kernel.h"
#include "ops/window2d.h"

namespace partita::ops {
namespace {

// x[n, g * c, h, w], w[g * o, c, r, s], y[n, g * o, p, q]; every output is summed in double.
class Convolution final : public BoundKernel {
 public:
  explicit Convolution(const Window2d& window) : window_(window) {}

  void run(Views inputs, Views outputs) override {
    const std::vector<int64_t>& x = inputs[0].shape;
    const std::vector<int64_t>& filters = inputs[1].shape;
    const std::vector<int64_t>& y = outputs[0].shape;
    if (outputs[0].elements() == 0) return;
    const int64_t read = filters[1];
    const int64_t groups = read == 0 ? 1 : x[1] / read;
    const int64_t filters_per_group = filters[0] / groups;
    const auto* image = inputs[0].as<const float>();
    const auto* filter = inputs[1].as<const float>();
    auto* out = outputs[0].as<float>();
    for (int64_t n = 0; n < y[0]; ++n) {
      for (int64_t channel = 0; channel < y[1]; ++channel) {
        const int64_t first = n * x[1] + channel / filters_per_group * read;
        for (int64_t p = 0; p < y[2]; ++p) {
          for (int64_t q = 0; q < y[3]; ++q) {
            *out++ =
                static_cast<float>(sum({image + first * x[2] * x[3], x[2], x[3]},
                                       filter + channel * read * window_.size[0] * window_.size[1],
                                       read, {p * window_.strides[0], q * window_.strides[1]}));
          }
        }
      }
    }
  }

 private:
  struct Image {
    const float* data;
    int64_t height;
    int64_t width;
  };

  // The products of one filter at one place; `corner` counts from the padded top left.
  [[nodiscard]] double sum(const Image& image,
                           const float* filter,
                           int64_t channels,
                           std::array<int64_t, 2> corner) const {
    double total = 0;
    for (int64_t c = 0; c < channels; ++c) {
      const float* plane = image.data + c * image.height * image.width;
      for (int64_t r = 0; r < window_.size[0]; ++r) {
        const int64_t row = corner[0] + r * window_.dilations[0] - window_.before[0];
        for (int64_t s = 0; s < window_.size[1]; ++s, ++filter) {
          const int64_t column = corner[1] + s * window_.dilations[1] - window_.before[1];
          if (row < 0 || row >= image.height || column < 0 || column >= image.width) continue;
          total += static_cast<double>(plane[row * image.width + column]) * *filter;
        }
      }
    }
    return total;
  }

  Window2d window_;
};

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!all_f32(args)) return nullptr;
  const std::vector<ir::Dim>& filters = args.inputs[1].dims;
  return std::make_unique<Convolution>(
      checked_window(args.node.attributes, {filters[2].size, filters[3].size}));
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"conv2d", kKernels}}};

}  // namespace

std::span<const KernelList> conv2d_cpu_kernels() { return kLists; }

}  // namespace partita::ops
