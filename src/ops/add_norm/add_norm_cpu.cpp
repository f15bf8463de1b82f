// SPDX-License-Identifier: Apache-2.0
// Sum, residual and norm on the CPU: each row is added up and normalised while it is in the cache.
#include <array>
#include <cmath>
#include <optional>

#include "comm/communicator.h"
#include "ops/add_norm/parts.h"
#include "ops/cpu_kernel.h"
#include "ops/parallel.h"
#include "ops/product/quantised_output.h"
#include "ops/vector/row_kernels_cpu.h"

namespace partita::ops {
namespace {

using NormFunction = void (*)(const NormRows& norm);

// Both norms in double: see the references of rms_norm and layer_norm. `mean` is 0 for the first.
void normalise_row(const NormRows& norm, double mean) {
  double squares = 0;
  for (int64_t i = 0; i < norm.width; ++i) squares += (norm.x[i] - mean) * (norm.x[i] - mean);
  const double scale = 1.0 / std::sqrt(squares / static_cast<double>(norm.width) + norm.eps);
  for (int64_t i = 0; i < norm.width; ++i) {
    const auto scaled = static_cast<float>((norm.x[i] - mean) * scale) * norm.w[i];
    norm.y[i] = norm.b == nullptr ? scaled : scaled + norm.b[i];
  }
}

void plain_rms_norm(const NormRows& norm) { normalise_row(norm, 0); }

void plain_layer_norm(const NormRows& norm) {
  double sum = 0;
  for (int64_t i = 0; i < norm.width; ++i) sum += norm.x[i];
  normalise_row(norm, sum / static_cast<double>(norm.width));
}

// x, residual, sum, y [rows, width]; bias, weights [width]. y may be quantised.
class AddNorm final : public BoundKernel {
 public:
  // `normalise` is called for one row at a time; `level` quantises them.
  AddNorm(const BindArgs& args,
          const AddNormKind& kind,
          NormFunction normalise,
          device::Instructions level = device::Instructions::kPortable)
      : parts_(add_norm_parts(args.inputs.size(), kind.is_layer_norm)),
        normalise_(normalise),
        eps_(static_cast<float>(args.node.attributes.number("eps"))),
        is_layer_norm_(kind.is_layer_norm) {
    if (has_quantised_output(args)) quantised_.emplace(args, level);
    if (!kind.is_collective) return;
    const std::string& name = args.node.attributes.text("group");
    if (args.groups == nullptr) {
      throw Error(ErrorCode::kInvalidArgument,
                  str("[ops] ", args.node.name, " (", args.node.op, ") needs group \"", name,
                      "\", but the program was bound without groups"));
    }
    group_ = &args.groups->group(name);
  }

  void run(Views inputs, Views outputs) override {
    const int64_t width = inputs[parts_.weight].shape[0];
    const int64_t rows = elements_of(inputs[0].shape, 0, inputs[0].shape.size() - 1);
    const auto* x = inputs[0].as<const float>();
    auto* sum = outputs[0].as<float>();
    comm::Terms terms;
    if (group_ != nullptr) terms = group_->exchange_terms(x, rows * width);
    const std::byte* reduced = inputs[0].as<const std::byte>();
    if (group_ != nullptr && terms.empty()) {
      group_->all_reduce(x, sum, rows * width, DType::kF32, comm::ReduceKind::kSum);
      reduced = outputs[0].as<const std::byte>();
    }
    if (terms.empty()) terms.by_rank = {&reduced, 1};
    add_and_normalise(terms, inputs, outputs, {rows, width});
  }

  void* wished_input(int64_t bytes) override {
    return group_ == nullptr ? nullptr : group_->reserve(bytes);
  }

 private:
  struct Size {
    int64_t rows;
    int64_t width;
  };

  void add_and_normalise(const comm::Terms& terms, Views inputs, Views outputs, Size size) const {
    const auto* weight = inputs[parts_.weight].as<const float>();
    const auto* shift = is_layer_norm_ ? inputs[parts_.weight + 1].as<const float>() : nullptr;
    const auto* bias = parts_.has_bias ? inputs[parts_.bias].as<const float>() : nullptr;
    const auto* residual = inputs[parts_.residual].as<const float>();
    auto* sums = outputs[0].as<float>();
    const auto make_row = [&](int64_t row, float* y) {
      const int64_t at = row * size.width;
      // The order of the unfused operators: (terms + bias) + residual.
      const std::array more = {bias, residual + at};
      comm::add_terms(terms, at, std::span(more).subspan(bias == nullptr ? 1 : 0),
                      {sums + at, static_cast<size_t>(size.width)});
      normalise_({.x = sums + at,
                  .w = weight,
                  .b = shift,
                  .y = y,
                  .rows = 1,
                  .width = size.width,
                  .eps = eps_});
    };
    // A row of every term, the residual and both outputs.
    const auto streams = static_cast<int64_t>(terms.by_rank.size()) + 3;
    const Split split{size.rows, streams * size.width * int64_t{sizeof(float)}};
    if (quantised_) return quantised_->make_rows(split, outputs[1], make_row);
    auto* y = outputs[1].as<float>();
    parallel_ranges(split, [&](const Range& range) {
      for (int64_t row = range.begin; row < range.end; ++row) make_row(row, y + row * size.width);
    });
  }

  AddNormParts parts_;
  NormFunction normalise_;
  float eps_;
  bool is_layer_norm_;
  comm::Communicator* group_ = nullptr;
  std::optional<QuantisedOutput> quantised_;
};

bool accepts(const BindArgs& args) { return all_f32(args) || has_quantised_output(args); }

template <bool kIsLayerNorm, bool kIsCollective>
std::unique_ptr<BoundKernel> bind(const BindArgs& args, device::Instructions level) {
  if (!accepts(args)) return nullptr;
  const RowKernels& kernels = row_kernels(level);
  return std::make_unique<AddNorm>(args, AddNormKind{kIsLayerNorm, kIsCollective},
                                   kIsLayerNorm ? kernels.layer_norm : kernels.rms_norm, level);
}

template <bool kIsLayerNorm, bool kIsCollective>
std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  if (!accepts(args)) return nullptr;
  return std::make_unique<AddNorm>(args, AddNormKind{kIsLayerNorm, kIsCollective},
                                   kIsLayerNorm ? plain_layer_norm : plain_rms_norm);
}

template <bool kIsLayerNorm, bool kIsCollective>
constexpr auto kKernels =
    leveled_kernels<bind<kIsLayerNorm, kIsCollective>>(bind_reference<kIsLayerNorm, kIsCollective>);

constexpr std::array<KernelList, 4> kLists = {
    {{"add_rms_norm", kKernels<false, false>},
     {"add_layer_norm", kKernels<true, false>},
     {"all_reduce_add_rms_norm", kKernels<false, true>},
     {"all_reduce_add_layer_norm", kKernels<true, true>}}};

}  // namespace

std::span<const KernelList> add_norm_cpu_kernels() { return kLists; }

}  // namespace partita::ops
