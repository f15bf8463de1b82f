// SPDX-License-Identifier: Apache-2.0
// linear on the CPU: with packed weights where the loader gives them away, and a plain reference.
#include <algorithm>
#include <array>
#include <vector>

#include "device/cpu/pages.h"
#include "ops/cpu_kernel.h"
#include "ops/linear/linear_blocks.h"
#include "ops/linear/linear_packed.h"
#include "ops/op.h"
#include "ops/packed_rows.h"
#include "ops/products.h"
#include "ops/weight_product.h"

namespace partita::ops {
namespace {

constexpr int64_t kBlockRowMultiple = WeightProduct::kTileRows;

int64_t rows_per_block(int64_t n, int64_t row_bytes) {
  const int64_t rows =
      kPackedBlockBytes / std::max<int64_t>(row_bytes, 1) / kBlockRowMultiple * kBlockRowMultiple;
  return std::clamp<int64_t>(rows, std::min(n, kBlockRowMultiple), n);
}

// x[rows, k] f32 times w[n, k] f32 or bf16 gives y[rows, n] f32; accumulation in f32.
class DenseLinear final : public BoundKernel, public PackedRows {
 public:
  // `packed` is null where the plain weight is read.
  DenseLinear(const BindArgs& args, WeightProduct product, AlignedBytes packed)
      : product_(std::move(product)), packed_(std::move(packed)), scratch_(args) {}

  void run(Views inputs, Views outputs) override {
    const int64_t n = inputs[1].shape[0];
    const int64_t k = inputs[1].shape[1];
    const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
    const auto* x = inputs[0].as<const float>();
    auto* y = outputs[0].as<float>();
    if (rows == 0 || n == 0) return;
    if (k == 0) {
      std::fill_n(y, rows * n, 0.0F);
      return;
    }
    const void* weight = packed_ == nullptr ? inputs[1].data : packed_.get();
    for (int64_t row = 0; row < rows; row += kMostProductRows) {
      const int64_t part = std::min(kMostProductRows, rows - row);
      std::byte* input = scratch_->reserve(Scratch::kInput, product_.input_bytes(part));
      product_.make_input({.x = x + row * k, .rows = part}, input);
      product_.run(input, part, weight, y + row * n, *scratch_);
    }
  }

  [[nodiscard]] const PackedRows* packed_rows(size_t input) const override {
    return input == 1 && packed_ != nullptr ? this : nullptr;
  }
  void read_row(int64_t row, float* to) const override {
    product_.read_row(packed_.get(), row, to);
  }

 private:
  WeightProduct product_;
  AlignedBytes packed_;
  ScratchHandle scratch_;
};

// Block by block, and gives the memory of each finished one back.
AlignedBytes pack(const TensorView& weight, const WeightProduct& product) {
  const int64_t n = weight.shape[0];
  const int64_t row_bytes = weight.shape[1] * size_of(weight.dtype);
  AlignedBytes packed = aligned_bytes(product.packed_bytes());
  const int64_t block_rows = rows_per_block(n, row_bytes);
  for (int64_t row = 0; row < n; row += block_rows) {
    const Range rows{row, std::min(n, row + block_rows)};
    auto* data = weight.as<std::byte>() + row * row_bytes;
    product.pack(data, rows, packed.get());
    // Of a small weight the loader reuses the memory as it is.
    if (rows.size() < n) device::discard_pages(data, rows.size() * row_bytes);
  }
  return packed;
}

std::unique_ptr<BoundKernel> bind_dense(const BindArgs& args) {
  if (!is_product_call(args.inputs[0], args.inputs[1])) return nullptr;
  const std::vector<int64_t> w = args.inputs[1].shape();
  // Products are not empty; run() returns before it would use them.
  const int64_t n = std::max<int64_t>(w[0], 1);
  const int64_t k = std::max<int64_t>(w[1], 1);
  WeightProduct product({args.inputs[1].dtype, n, k, n, are_near_f32(args.node.attributes)});
  // Packing gives the plain data away, so it needs the loader's consent.
  const bool may_pack =
      !args.weights.empty() && args.weights[1] != nullptr && !args.release_weight.empty();
  AlignedBytes packed;
  if (may_pack && w[0] > 0 && w[1] > 0) {
    product.use_packed_weights();
    packed = pack(*args.weights[1], product);
    args.release_weight[1] = true;
  } else {
    product.use_plain_weights();
  }
  return std::make_unique<DenseLinear>(args, std::move(product), std::move(packed));
}

// y[row, column] = sum over k of x * w in double; x is rounded to Factor first.
template <typename Weight, typename Factor>
void reference_linear(Views inputs, Views outputs) {
  const int64_t n = inputs[1].shape[0];
  const int64_t k = inputs[1].shape[1];
  const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
  const auto* x = inputs[0].as<const float>();
  const auto* w = inputs[1].as<const Weight>();
  auto* y = outputs[0].as<float>();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < n; ++column) {
      double sum = 0;
      for (int64_t i = 0; i < k; ++i) {
        sum +=
            static_cast<double>(rounded_like<Factor>(x[row * k + i])) * to_float(w[column * k + i]);
      }
      y[row * n + column] = static_cast<float>(sum);
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (is_block_type(args.inputs[1].dtype)) return bind_blocks_reference(args);
  if (args.inputs[0].dtype != DType::kF32) return nullptr;
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[1].dtype, [&]<typename Weight>(Weight) {
    kernel = make_kernel(are_near_f32(args.node.attributes) ? reference_linear<Weight, float>
                                                            : reference_linear<Weight, Weight>);
  });
  return kernel;
}

// Dense weights, or those in blocks.
std::unique_ptr<BoundKernel> bind_packed(const BindArgs& args) {
  return is_block_type(args.inputs[1].dtype) ? bind_packed_linear(args) : bind_dense(args);
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"packed", bind_packed}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"linear", kKernels}}};

}  // namespace

std::span<const KernelList> linear_cpu_kernels() { return kLists; }

}  // namespace partita::ops
