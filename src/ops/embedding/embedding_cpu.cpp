// SPDX-License-Identifier: Apache-2.0
// embedding on the CPU.
#include <algorithm>
#include <array>

#include "ops/cpu_kernel.h"
#include "ops/packed_rows.h"
#include "ops/parallel.h"

namespace partita::ops {
namespace {

// w[rows, width], ids[..]; y[.., width] f32 = row id - v_begin of w, or zeros where another rank
// holds the row. Rows come from the plain weight, or from the kernel that has packed it.
class Embedding final : public BoundKernel {
 public:
  explicit Embedding(int64_t v_begin) : v_begin_(v_begin) {}

  void run(Views inputs, Views outputs) override {
    const int64_t width = inputs[0].shape[1];
    auto* y = outputs[0].as<float>();
    // A packed row is one element of every other cache line.
    const Split split{.items = inputs[1].elements(),
                      .bytes_per_item = width * (rows_ == nullptr ? 8 : 64)};
    parallel_ranges(split, [&](Range range) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        read(inputs[0], integer_at(inputs[1], i) - v_begin_, y + i * width);
      }
    });
  }

  [[nodiscard]] bool can_use_rows(size_t input) const override { return input == 0; }
  void use_rows(size_t input, const PackedRows& rows) override {
    CHECK(input == 0, "input ", input);
    rows_ = &rows;
  }

 private:
  void read(const TensorView& w, int64_t row, float* to) const {
    const int64_t width = w.shape[1];
    if (row < 0 || row >= w.shape[0]) {
      std::fill_n(to, width, 0.0F);
    } else if (rows_ != nullptr) {
      rows_->read_row(row, to);
    } else {
      convert_to_f32(w.dtype, w.as<const std::byte>() + row * bytes_of(w.dtype, width), to, width);
    }
  }

  int64_t v_begin_;
  const PackedRows* rows_ = nullptr;
};

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  const DType dtype = args.inputs[0].dtype;
  const bool is_float = dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
  if (!is_float && !is_block_type(dtype)) return nullptr;
  return std::make_unique<Embedding>(args.node.attributes.integer_or("v_begin", 0));
}

constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"embedding", kKernels}}};

}  // namespace

std::span<const KernelList> embedding_cpu_kernels() { return kLists; }

}  // namespace partita::ops
