// SPDX-License-Identifier: Apache-2.0
// linear on the CPU: oneDNN or own kernels with packed weights, and a plain reference.
#include <algorithm>
#include <array>
#include <vector>

#include "device/cpu/pages.h"
#include "ops/cpu_kernel.h"
#include "ops/linear/linear_blocks.h"
#include "ops/linear/linear_packed.h"
#include "ops/op.h"
#include "ops/packed_rows.h"
#include "ops/weight_product.h"

namespace partita::ops {
namespace {

constexpr int64_t kBlockRowMultiple = WeightProduct::kTileRows;

int64_t rows_per_block(int64_t n, int64_t row_bytes) {
  const int64_t rows =
      kPackedBlockBytes / std::max<int64_t>(row_bytes, 1) / kBlockRowMultiple * kBlockRowMultiple;
  return std::clamp<int64_t>(rows, std::min(n, kBlockRowMultiple), n);
}

// x[rows, k] f32 times w[n, k] f32 or bf16 gives y[rows, n] f32; accumulation in f32. Packed
// weights come in blocks of rows, plain ones in one block.
class OneDnnLinear final : public BoundKernel, public PackedRows {
 public:
  struct Block {
    WeightProduct product;
    AlignedBytes packed;  // null: the plain weight
    int64_t first_row = 0;
  };

  OneDnnLinear(const BindArgs& args, std::vector<Block> blocks)
      : blocks_(std::move(blocks)), scratch_(args), weight_(args.inputs[1].dtype) {}

  void run(Views inputs, Views outputs) override {
    const TensorView& x = inputs[0];
    const int64_t n = inputs[1].shape[0];
    const int64_t k = inputs[1].shape[1];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - 1);
    auto* y = outputs[0].as<float>();
    if (rows == 0 || n == 0) return;
    if (k == 0) {
      std::fill_n(y, rows * n, 0.0F);
      return;
    }
    for (int64_t row = 0; row < rows; row += kMostProductRows) {
      const int64_t part_rows = std::min(kMostProductRows, rows - row);
      run_rows({x.as<const float>() + row * k, inputs[1].data, y + row * n, part_rows, n, k});
    }
  }

  [[nodiscard]] const PackedRows* packed_rows(size_t input) const override {
    const bool has_rows = input == 1 && blocks_.size() == 1 && blocks_[0].packed != nullptr;
    return has_rows && blocks_[0].product.is_tiled() ? this : nullptr;
  }
  void read_row(int64_t row, float* to) const override {
    blocks_[0].product.read_row(blocks_[0].packed.get(), row, to);
  }

 private:
  struct Rows {
    const float* x;
    const void* weight;
    float* y;
    int64_t rows;
    int64_t n;
    int64_t k;
  };

  void run_rows(const Rows& part) {
    const int64_t padded = padded_rows(part.rows);
    float* y = part.y;
    if (padded != part.rows) {
      const int64_t bytes = padded * part.n * size_of(DType::kF32);
      y = reinterpret_cast<float*>(scratch_->reserve(Scratch::kOutput, bytes));
    }
    const void* x = input_rows(part, padded);
    for (Block& block : blocks_) {
      const void* weight = block.packed == nullptr ? part.weight : block.packed.get();
      block.product.run(x, padded, weight, y + block.first_row, *scratch_);
    }
    if (y != part.y) std::copy_n(y, part.rows * part.n, part.y);
  }

  // The rows of x as the product takes them: of the weights' type, padded with zero rows.
  const void* input_rows(const Rows& part, int64_t padded) {
    if (weight_ == DType::kF32 && padded == part.rows) return part.x;
    std::byte* x = scratch_->reserve(Scratch::kInput, padded * part.k * size_of(weight_));
    copy_product_rows({part.x, nullptr, part.rows, padded, part.k}, weight_, x);
    return x;
  }

  std::vector<Block> blocks_;
  ScratchHandle scratch_;
  DType weight_;
};

int64_t most_rows(const BindArgs& args) {
  const std::vector<int64_t> shape = args.inputs[0].shape(args.max_sizes);
  return elements_of(shape, 0, shape.size() - 1);
}

// Packs the weight block by block into one whole and gives the memory of each finished block back.
OneDnnLinear::Block pack_tiles(const TensorView& weight, WeightProduct product) {
  const int64_t n = weight.shape[0];
  const int64_t row_bytes = weight.shape[1] * size_of(weight.dtype);
  AlignedBytes packed = aligned_bytes(product.packed_bytes());
  const int64_t block_rows = rows_per_block(n, row_bytes);
  for (int64_t row = 0; row < n; row += block_rows) {
    const Range rows{row, std::min(n, row + block_rows)};
    auto* data = weight.as<std::byte>() + row * row_bytes;
    product.pack_tiles(data, rows, packed.get());
    // Of a small weight the loader reuses the memory as it is.
    if (rows.size() < n) device::discard_pages(data, rows.size() * row_bytes);
  }
  return {std::move(product), std::move(packed), 0};
}

// For layouts that cannot be put together: a product for each block.
std::vector<OneDnnLinear::Block> pack_blocks(const BindArgs& args, int64_t n, int64_t k) {
  const TensorView& weight = *args.weights[1];
  const int64_t row_bytes = k * size_of(weight.dtype);
  const int64_t block_rows = rows_per_block(n, row_bytes);
  std::vector<OneDnnLinear::Block> blocks;
  for (int64_t row = 0; row < n; row += block_rows) {
    const int64_t rows = std::min(block_rows, n - row);
    auto* data = weight.as<std::byte>() + row * row_bytes;
    WeightProduct product({weight.dtype, rows, k, n});
    product.use_packed_weights(most_rows(args));
    AlignedBytes packed = aligned_bytes(product.packed_bytes());
    product.pack(data, packed.get());
    // Of a small weight the loader reuses the memory as it is.
    if (rows < n) device::discard_pages(data, rows * row_bytes);
    blocks.push_back({std::move(product), std::move(packed), row});
  }
  return blocks;
}

bool rows_are_read(const BindArgs& args) {
  return !args.rows_are_read.empty() && args.rows_are_read[1];
}

std::unique_ptr<BoundKernel> bind_onednn(const BindArgs& args) {
  if (!is_product_call(args.inputs[0], args.inputs[1])) return nullptr;
  const std::vector<int64_t> w = args.inputs[1].shape();
  // oneDNN 2.6 refuses empty layouts; run() returns before it would use them.
  const int64_t n = std::max<int64_t>(w[0], 1);
  const int64_t k = std::max<int64_t>(w[1], 1);
  WeightProduct product({args.inputs[1].dtype, n, k, n});
  // Packing gives the plain data away, so it needs the loader's consent.
  const bool may_pack =
      !args.weights.empty() && args.weights[1] != nullptr && !args.release_weight.empty();
  std::vector<OneDnnLinear::Block> blocks;
  if (may_pack && w[0] > 0 && w[1] > 0) {
    if (rows_are_read(args)) {
      product.use_tiled_weights();
    } else {
      product.use_packed_weights(most_rows(args));
    }
    if (product.is_tiled()) {
      blocks.push_back(pack_tiles(*args.weights[1], std::move(product)));
    } else {
      blocks = pack_blocks(args, n, k);
    }
    args.release_weight[1] = true;
  } else {
    product.use_plain_weights();
    blocks.push_back({std::move(product), nullptr, 0});
  }
  return std::make_unique<OneDnnLinear>(args, std::move(blocks));
}

// y[row, column] = sum over k of x * w in double; x rounded to bf16 first where w is bf16.
template <typename Weight>
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
            static_cast<double>(rounded_like<Weight>(x[row * k + i])) * to_float(w[column * k + i]);
      }
      y[row * n + column] = static_cast<float>(sum);
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (args.inputs[0].dtype != DType::kF32) return nullptr;
  if (is_block_type(args.inputs[1].dtype)) return bind_blocks_reference(args);
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[1].dtype, [&]<typename Weight>(Weight) {
    kernel = make_kernel(reference_linear<Weight>);
  });
  return kernel;
}

// Dense weights by oneDNN, those in blocks by own kernels.
std::unique_ptr<BoundKernel> bind_packed(const BindArgs& args) {
  return is_block_type(args.inputs[1].dtype) ? bind_packed_linear(args) : bind_onednn(args);
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"packed", bind_packed}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"linear", kKernels}}};

}  // namespace

std::span<const KernelList> linear_cpu_kernels() { return kLists; }

}  // namespace partita::ops
