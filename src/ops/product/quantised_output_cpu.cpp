// SPDX-License-Identifier: Apache-2.0
#include "ops/product/quantised_output.h"

#include <algorithm>
#include <vector>

#include "ops/quantized_rows.h"

namespace partita::ops {
namespace {

constexpr int64_t kLineFloats = 16;  // of a cache line

RowQuantiser quantiser_of(const BindArgs& args, device::Instructions level) {
  CHECK(has_quantised_output(args), args.node.op, " without quantised rows");
  return {*quantized_for(args.node.attributes), args.inputs[0].dims.back().size, level};
}

class QuantisingKernel final : public BoundKernel {
 public:
  QuantisingKernel(RowQuantiser quantiser, std::unique_ptr<BoundKernel> kernel)
      : quantiser_(quantiser), kernel_(std::move(kernel)) {}

  void run(Views inputs, Views outputs) override {
    const std::vector<int64_t>& shape = inputs[0].shape;
    rows_.resize(static_cast<size_t>(inputs[0].elements()));
    std::vector<TensorView> plain(outputs.begin(), outputs.end());
    plain.back() = {rows_.data(), DType::kF32, shape};
    kernel_->run(inputs, plain);
    quantiser_.quantise(rows_.data(), elements_of(shape, 0, shape.size() - 1),
                        outputs.back().as<std::byte>());
  }

  void* wished_input(int64_t bytes) override { return kernel_->wished_input(bytes); }

 private:
  RowQuantiser quantiser_;
  std::unique_ptr<BoundKernel> kernel_;
  std::vector<float> rows_;
};

}  // namespace

bool has_quantised_output(const BindArgs& args) {
  const auto is_f32 = [](const ir::TensorType& type) { return type.dtype == DType::kF32; };
  return quantized_for(args.node.attributes) && can_quantize(args.inputs[0]) &&
         is_quantized_rows(args.outputs.back()) && std::ranges::all_of(args.inputs, is_f32) &&
         std::ranges::all_of(args.outputs.first(args.outputs.size() - 1), is_f32);
}

QuantisedOutput::QuantisedOutput(const BindArgs& args, device::Instructions level)
    : quantiser_(quantiser_of(args, level)),
      row_floats_((args.inputs[0].dims.back().size + kLineFloats - 1) / kLineFloats * kLineFloats),
      scratch_(args) {
  static_cast<void>(rows_memory(team_size()));
}

Split QuantisedOutput::with_quantising(Split rows) const {
  // As BlockProduct::quantise() divides them.
  rows.bytes_per_item += 4 * row_floats_ * int64_t{sizeof(float)};
  rows.least_bytes = 128 << 10;
  return rows;
}

float* QuantisedOutput::rows_memory(int64_t ranges) const {
  return reinterpret_cast<float*>(
      scratch_->reserve(Scratch::kInput, ranges * row_floats_ * int64_t{sizeof(float)}));
}

std::unique_ptr<BoundKernel> bind_and_quantise(
    const BindArgs& args, std::unique_ptr<BoundKernel> (*bind)(const BindArgs& args)) {
  std::vector<ir::TensorType> outputs(args.outputs.begin(), args.outputs.end());
  outputs.back() = args.inputs[0];
  BindArgs plain = args;
  plain.outputs = outputs;
  std::unique_ptr<BoundKernel> kernel = bind(plain);
  if (kernel == nullptr) return nullptr;
  return std::make_unique<QuantisingKernel>(quantiser_of(args, device::Instructions::kPortable),
                                            std::move(kernel));
}

}  // namespace partita::ops
