// SPDX-License-Identifier: Apache-2.0
// linear with weights that are stored in blocks, packed once for the kernels of ops/product/.
#include <algorithm>

#include "device/cpu/pages.h"
#include "device/device.h"
#include "ops/cpu_kernel.h"
#include "ops/linear/linear_packed.h"
#include "ops/op.h"
#include "ops/packed_rows.h"
#include "ops/product/block_product.h"
#include "ops/product/row_quantiser.h"
#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

class PackedLinear final : public BoundKernel, public PackedRows {
 public:
  // `packed` is empty where the plain weight is read.
  PackedLinear(const BindArgs& args, const BlockProduct& product, device::Buffer packed)
      : product_(product),
        packed_(std::move(packed)),
        scratch_(args),
        is_quantised_(is_quantized_rows(args.inputs[0])) {}

  void run(Views inputs, Views outputs) override {
    constexpr int64_t kMostRows = RowQuantiser::kRunRows;
    const TensorView& x = inputs[0];
    const int64_t n = inputs[1].shape[0];
    const int64_t rows = elements_of(x.shape, 0, x.shape.size() - (is_quantised_ ? 2 : 1));
    for (int64_t row = 0; row < rows; row += kMostRows) {
      const int64_t part = std::min(kMostRows, rows - row);
      run_rows(quantised_rows(inputs, row, part), part, inputs[1],
               {outputs[0].as<float>() + row * n, n});
    }
  }

  [[nodiscard]] const PackedRows* packed_rows(size_t input) const override {
    return input == 1 && packed_.data() != nullptr ? this : nullptr;
  }
  void read_row(int64_t row, float* to) const override {
    product_.read_row(packed_.data(), row, to);
  }

 private:
  // The rows [row, row + count) of x.
  const std::byte* quantised_rows(Views inputs, int64_t row, int64_t count) const {
    if (is_quantised_) return inputs[0].as<const std::byte>() + product_.quantised_bytes(row);
    std::byte* to = scratch_->reserve(Scratch::kInput, product_.quantised_bytes(count));
    const int64_t k = inputs[1].shape[1];
    product_.quantise({.x = inputs[0].as<const float>() + row * k, .rows = count}, to);
    return to;
  }

  void run_rows(const std::byte* x,
                int64_t rows,
                const TensorView& weight,
                const ProductOutput& y) const {
    if (packed_.data() != nullptr) return product_.run(x, rows, packed_.data(), y);
    std::byte* tiles = scratch_->reserve(Scratch::kLibrary, product_.plain_scratch_bytes());
    product_.run_plain(x, rows, weight.as<const std::byte>(), tiles, y);
  }

  BlockProduct product_;
  device::Buffer packed_;
  ScratchHandle scratch_;
  bool is_quantised_;  // x
};

// Piece by piece, so that the memory of each can be given back when it is packed.
device::Buffer pack(const BlockProduct& product, const TensorView& weight) {
  const int64_t n = weight.shape[0];
  const int64_t row_bytes = bytes_of(weight.dtype, weight.shape[1]);
  const int64_t tiles =
      kPackedBlockBytes / std::max<int64_t>(1, row_bytes * BlockProduct::kTileRows);
  const int64_t piece = std::max<int64_t>(1, tiles) * BlockProduct::kTileRows;
  device::Buffer packed = device::make_cpu_device()->allocate(product.packed_bytes());
  for (int64_t row = 0; row < n; row += piece) {
    const Range rows{row, std::min(n, row + piece)};
    std::byte* plain = weight.as<std::byte>() + row * row_bytes;
    product.pack(plain, rows, packed.data());
    // Of a small weight the loader reuses the memory as it is.
    if (rows.size() < n) device::discard_pages(plain, rows.size() * row_bytes);
  }
  return packed;
}

}  // namespace

std::unique_ptr<BoundKernel> bind_packed_linear(const BindArgs& args) {
  const ir::TensorType& weight = args.inputs[1];
  const bool is_quantised = is_quantized_rows(args.inputs[0]);
  if (args.inputs[0].dtype != DType::kF32 && !is_quantised) return nullptr;
  if (!is_block_type(weight.dtype)) return nullptr;
  if (!weight.is_static()) return nullptr;
  const std::vector<int64_t> shape = weight.shape();
  const BlockProduct product({weight.dtype, shape[0], shape[1]});
  // Packing gives the plain data away, so it needs the loader's consent.
  const bool may_pack =
      !args.weights.empty() && args.weights[1] != nullptr && !args.release_weight.empty();
  device::Buffer packed;
  if (may_pack) {
    packed = pack(product, *args.weights[1]);
    args.release_weight[1] = true;
  }
  return std::make_unique<PackedLinear>(args, product, std::move(packed));
}

}  // namespace partita::ops
